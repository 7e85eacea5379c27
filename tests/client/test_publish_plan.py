"""Who publishes at which rate: schedules as users come and go, and what remains of those that have left."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from fractions import Fraction
from typing import Any

import gevent
import pytest
from gevent.event import Event

from tests.client.engine_runs import PATIENCE_S, settings
from tests.config_texts import CONNECTION
from wps_load.client.access import UrlAccess
from wps_load.client.context import PopulationContext, RunContext
from wps_load.client.epochs import Epoch
from wps_load.client.publish_plan import PublishPlan, initial_total_rate
from wps_load.client.publisher import Publisher
from wps_load.client.stream import Network
from wps_load.clock import NS_PER_S, now_ns
from wps_load.measure.causes import Cause
from wps_load.workload.pacer import ScheduleCounter

HOUR_NS = 3600 * NS_PER_S
USERS = 4


@pytest.mark.parametrize(
    ("options", "rate"),
    [
        ({}, None),
        ({"total_rate": "50"}, None),
        ({"capacity": "rate:50..200"}, Fraction(50)),
        ({"capacity": "users:50..200"}, None),
        ({"stages": "rate:30:10s,rate:60:10s"}, Fraction(30)),
        ({"stages": "3:10s,6:10s"}, None),
    ],
    ids=["none", "of an option", "a search", "of users", "stages", "stages of users"],
)
def test_where_stages_or_a_search_of_the_rate_begin(options: dict[str, str], rate: Fraction | None) -> None:
    assert initial_total_rate(settings(CONNECTION, USERS, **options)) == rate


class Plan:
    """Of a run of four users, of whom none has a connection: what is due has failed."""

    def __init__(self, context: PopulationContext) -> None:
        self.context = context
        self.plan = PublishPlan(context)
        self.start_ns = 0

    def publisher(self, index: int) -> Publisher:
        part = self.context.run.audiences.role_of(index)
        assert part is not None
        made = self.plan.publisher_of(part, index)
        assert made is not None
        return made

    def announce(self, until_ns: int = HOUR_NS) -> None:
        self.start_ns = now_ns()
        self.announce_epoch(Epoch(1, self.start_ns, self.start_ns + until_ns))

    def announce_epoch(self, epoch: Epoch) -> None:
        self.context.epochs.announce(epoch)
        self.plan.announce(epoch)
        self.reach(epoch.start_ns)

    def reach(self, at_ns: int) -> None:
        """What is to be done until then has been done."""
        over = Event()
        self.context.run.scheduler.call_at(at_ns, lambda _: over.set())
        assert over.wait(PATIENCE_S)

    def due(self, stream: int, second: int) -> int:
        """How many messages of a stream are due in this many seconds."""
        return ScheduleCounter(self.plan.schedules()[stream]).before(self.start_ns + second * NS_PER_S)


@contextmanager
def planned(**options: Any) -> Iterator[Plan]:
    config = settings(CONNECTION, USERS, **options)
    run = RunContext.create(
        config, run_id="r", number=7, users=USERS, network=Network.create(insecure=True), warn=lambda *_: None
    )
    plan = Plan(PopulationContext.create(run, config.population, UrlAccess("", in_header=False)))
    try:
        yield plan
    finally:
        plan.plan.close()
        run.scheduler.close()


def test_who_has_nothing_to_publish_has_no_publisher() -> None:
    with planned(scenario="idle") as made:
        part = made.context.run.audiences.role_of(0)
        assert part is not None
        assert made.plan.publisher_of(part, 0) is None


def test_each_publisher_has_its_part_of_a_total_rate() -> None:
    with planned(total_rate="8") as made:
        for index in range(USERS):
            made.publisher(index)
        made.announce()
        assert [made.due(index, 1000) for index in range(USERS)] == [2000] * USERS


def test_a_rate_of_each_is_nobody_elses_business() -> None:
    with planned(rate="2") as made:
        made.publisher(0)
        made.announce()
        made.plan.attend(now_ns(), [USERS], [1, 2, 3])
        assert made.due(0, 1000) == 2000


def test_when_users_go_those_who_stay_have_their_part_from_then_on() -> None:
    with planned(total_rate="8") as made:
        made.publisher(0)
        made.announce()
        made.plan.attend(now_ns(), [], [2, 3])
        assert made.due(0, 1000) == pytest.approx(4000, abs=2)
        made.plan.attend(now_ns(), [2], [])
        assert made.due(0, 1000) == pytest.approx(8000 / 3, abs=2)


def test_a_newcomer_begins_when_the_rate_is_divided_again() -> None:
    with planned(total_rate="8") as made:
        made.publisher(0)
        made.announce()
        newcomer = made.publisher(USERS)
        assert newcomer.newcomer
        made.plan.start_newcomer(newcomer)
        assert list(made.plan.schedules()) == [0], "until then the others have all of the rate"
        at_ns = now_ns()
        made.plan.attend(at_ns, [USERS], [])
        made.reach(at_ns)
        assert sorted(made.plan.schedules()) == [0, USERS]
        assert made.due(USERS, 1000) == pytest.approx(1600, abs=2), "a fifth of 8"


def test_a_newcomer_with_a_rate_of_its_own_begins_at_once() -> None:
    with planned(rate="2") as made:
        made.publisher(0)
        made.announce()
        newcomer = made.publisher(USERS)
        made.plan.start_newcomer(newcomer)
        made.reach(now_ns())
        assert sorted(made.plan.schedules()) == [0, USERS]


def test_a_newcomer_that_has_left_before_the_rate_is_divided_never_begins() -> None:
    with planned(total_rate="8") as made:
        made.announce()
        newcomer = made.publisher(USERS)
        made.plan.start_newcomer(newcomer)
        made.plan.retire(newcomer)
        made.plan.attend(now_ns(), [USERS], [])
        made.reach(now_ns())
        assert made.plan.schedules() == {}


def test_what_a_publisher_that_left_has_sent_is_expected_until_the_next_epoch() -> None:
    with planned(rate="2") as made:
        publisher = made.publisher(0)
        made.announce()
        made.plan.retire(publisher)
        assert list(made.plan.schedules()) == [0]
        assert publisher.window is not None
        assert publisher.window.due(now_ns()) is None, "nothing of it leaves any more"
        made.announce_epoch(Epoch(2, now_ns(), now_ns() + HOUR_NS))
        assert made.plan.schedules() == {}


def test_a_rate_that_is_set_is_that_of_all_publishers_together() -> None:
    with planned(capacity="rate:8..80", slo="connect p95 < 2s") as made:
        made.publisher(0)
        made.announce()
        assert made.due(0, 1000) == pytest.approx(2000, abs=1)
        at_ns = now_ns()
        made.plan.change_rate(at_ns, Fraction(80))
        made.reach(at_ns)
        assert made.due(0, 1000) == pytest.approx(20_000, abs=30)


def test_an_end_that_is_known_better_moves_and_one_that_is_cut_off_does_not() -> None:
    with planned(rate="2") as made:
        publisher = made.publisher(0)
        made.announce()
        window = publisher.window
        assert window is not None
        made.plan.move_end(made.start_ns + 2 * HOUR_NS)
        assert window.until_ns == made.start_ns + 2 * HOUR_NS
        made.plan.end_at(made.start_ns + HOUR_NS)
        made.plan.end_at(made.start_ns + 3 * HOUR_NS)
        assert window.until_ns == made.start_ns + HOUR_NS


def test_what_was_due_and_has_not_left_when_publishing_ends_has_failed() -> None:
    """A population without connections: its publishers were not due to connect yet."""
    with planned(rate="1000") as made:
        publisher = made.publisher(0)
        made.announce()
        end_ns = made.start_ns + 20 * NS_PER_S // 1000
        made.plan.end_at(end_ns)
        made.reach(end_ns)
        made.plan.stop_publishing(end_ns)
        assert publisher.window is not None
        out = publisher.window.out
        assert out.seq == out.send_failed == ScheduleCounter(publisher.window.schedule.describe()).before(end_ns)
        assert set(out.failed_by) <= {Cause.PLAN, Cause.GENERATOR}
        gevent.sleep(0)
        assert made.plan.held_back() == {}
