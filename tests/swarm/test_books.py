"""What the conductor's process knows of each population of a run."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Literal

import pytest

from tests.swarm.runs import NUMBER, FakeCrowd, planned
from wps_load.clock import NS_PER_S
from wps_load.measure.histogram import Histogram
from wps_load.measure.ledger import LedgerTotals
from wps_load.measure.presence import Presence
from wps_load.measure.snapshot import Snapshot
from wps_load.report.model import RunState
from wps_load.report.summary import build_summary
from wps_load.settings.classes import TaskClass
from wps_load.settings.load import load
from wps_load.settings.run_config import RunConfig
from wps_load.settings.sources import Locustfile
from wps_load.swarm.conductor import Conductor
from wps_load.swarm.epoch_report import EpochReport
from wps_load.swarm.facts import gather
from wps_load.swarm.messages import Accounts, ClockReply, Hello, Report, Sums, Vitals
from wps_load.swarm.populations_now import populations_now

NAMES: tuple[Literal["published", "expected", "delivered", "lost"], ...] = (
    "published", "expected", "delivered", "lost",
)  # fmt: skip


def config(slo: str = "none") -> RunConfig:
    classes = TaskClass("ChatUser"), TaskClass("Display", protocol="protobuf")
    values = {"wps_report_dir": "", "wps_slo": slo}
    return load(values, users=4, spawn_rate=1.0, environ={}, sources={}, locustfile=Locustfile(False, classes=classes))


def times(name: str, *ms: int) -> Snapshot:
    histogram = Histogram()
    histogram.record_many([each * 1_000_000 for each in ms])
    return Snapshot({name: histogram}, {}, {"bytes_received": 100})


def counts(**known: int) -> dict[str, int]:
    names = ("offered", "published", "send_failed_service", "send_failed_plan", "delivered", "missing",
             "missing_opened", "duplicated", "reordered", "misdelivered", "corrupted")  # fmt: skip
    return {**dict.fromkeys(names, 0), **known}


def test_populations_add_up_to_the_run_and_are_judged_by_their_own() -> None:
    conductor = Conductor(
        planned(config("display.delivery p99 < 10ms, chat-user.rtt p99 < 10ms"), scenario_users=False),
        FakeCrowd(ours=0),
        own_host="here",
    )
    conductor.received("a", NUMBER, Hello("here"), 0)
    conductor.tick(1, {"a"})
    conductor.received("a", NUMBER, ClockReply(0, 0), 1)
    conductor.tick(2, {"a"})
    start_ns = conductor.measure_start_ns
    assert start_ns is not None
    presence = Presence(start_ns, start_ns + NS_PER_S, 3.0, 3, 3.0, 3)
    parts = EpochReport.of(
        0,
        1,
        {(0, 0): times("rtt", 1, 2), (0, 1): times("delivery", 20, 20), (1, 1): times("connect", 5)},
    )
    counted = counts(offered=2, published=2, delivered=4)
    report = Report(
        1, False, 3, 1, counted, counted, Vitals(0.0, 0, 0), presence, [parts],
        [Sums(2, counts(published=2, delivered=2), counts(offered=2, published=2, delivered=2), presence),
         Sums(1, counts(delivered=2), counts(delivered=2), presence)],
    )  # fmt: skip
    conductor.received("a", NUMBER, report, NS_PER_S)
    conductor.drain(2 * NS_PER_S)
    accounts = [LedgerTotals(2, 0, 2, 2, 0, 0, 0, missed=0), LedgerTotals(0, 0, 3, 2, 1, 0, 0, missed=0)]
    conductor.received("a", NUMBER, Accounts(accounts[0].plus(accounts[1]), 0, accounts), 3 * NS_PER_S)
    now = datetime.now(UTC)
    summary = build_summary(gather(conductor, now, RunState.FINISHED, target_users=3, now_ns=3 * NS_PER_S))

    parts_of = summary["populations"]
    assert parts_of is not None
    chat, display = parts_of
    assert [chat["name"], display["name"]] == ["chat-user", "display"]
    assert [chat["protocol"], display["protocol"]] == ["json", "protobuf"]
    sums = [[row["messages"][name] or 0 for row in (chat, display, summary)] for name in NAMES]
    assert [own + other for own, other, _ in sums] == [whole for _, _, whole in sums]
    assert display["messages"]["lost"] == 1
    assert {name: row["count"] for name, row in display["metrics"].items()} == {"delivery": 2, "connect": 1}
    assert {name: row["count"] for name, row in chat["metrics"].items()} == {"rtt": 2}
    assert [each["verdict"] for each in summary["slo"]] == ["fail", "pass"]
    assert [each["verdict"] for each in display["slo"]] == ["fail"]
    assert [each["verdict"] for each in chat["slo"]] == ["pass"]
    assert [each["connections"]["peak"] for each in parts_of] == [2, 1]
    course = display["course"]
    assert course is not None, display["main_metric"]
    assert display["main_metric"] == "delivery"
    assert course == {
        "t_s": [1.0], "users": [1], "published": [0], "delivered": [2], "lost": [0],
        "p50": [pytest.approx(20.0, rel=0.01)], "p99": [pytest.approx(20.0, rel=0.01)],
    }  # fmt: skip


def test_a_run_of_one_population_has_no_list_of_them() -> None:
    assert Conductor(planned(), FakeCrowd()).collector.populations == []


def told(at_s: int, chat: Sums, display: Sums) -> Report:
    """The second that ends at `at_s`, in which the chatters had rtt 5 ms, and the displays delivery 400 ms."""
    whole = times("rtt", 5)
    whole.merge(times("delivery", 400))
    part = EpochReport(0, 1, whole, {(0, 0): times("rtt", 5), (0, 1): times("delivery", 400)})
    return Report(at_s, False, 0, 1, counts(), chat.totals, Vitals(0.0, 0, 0), None, [part], [chat, display])


NONE = Sums(0, counts(), counts(), None)


def test_the_live_line_knows_each_population_of_the_last_second() -> None:
    conductor = Conductor(
        planned(config("display.delivery p99 < 500ms, display.loss = 0, chat-user.rtt p99 < 1s, delivery p99 < 1s"),
                scenario_users=False),
        FakeCrowd(ours=0),
        own_host="here",
    )  # fmt: skip
    conductor.received("a", NUMBER, Hello("here"), 0)
    conductor.tick(1, {"a"})
    quiet = Sums(0, counts(), counts(delivered=1), None)
    conductor.received("a", NUMBER, told(1, quiet, quiet), 2)
    found = {each.name: each for each in populations_now(conductor, conductor.collector)}
    assert found["display"].text == "display delivery p50 400 p99 400 ms ✓ 20% below 500"
    assert found["chat-user"].text == "chat-user rtt p50 5.00 p99 5.00 ms ✓ 99.5% below 1,000"
    assert found[""].text == "all delivery p50 400 p99 400 ms ✓ 60% below 1,000"

    losing = Sums(0, counts(), counts(delivered=7, missing=2), None)
    conductor.received("a", NUMBER, told(2, quiet, losing), 3)
    found = {each.name: each for each in populations_now(conductor, conductor.collector)}
    assert found["display"].text == "display missing 2 ✗ = 0"
    nothing = told(3, quiet, quiet)._replace(parts=[EpochReport(0, 1, Snapshot(), {})])
    conductor.received("a", NUMBER, nothing, 4)
    found = {each.name: each for each in populations_now(conductor, conductor.collector)}
    assert found["chat-user"].p99_ms is None
    assert found["chat-user"].order[0] == 3, "it had values before"


def test_what_is_not_due_yet_is_not_an_alarm() -> None:
    """Before the measure phase nothing is known of connections, and the number of values is known only at the end:
    neither comes before what can be told."""
    asked = config("display.connected >= 99%, display.delivery p99 < 500ms, chat-user.rtt count > 5")
    conductor = Conductor(planned(asked, scenario_users=False), FakeCrowd(ours=0), own_host="here")
    conductor.received("a", NUMBER, Hello("here"), 0)
    conductor.received("a", NUMBER, told(1, NONE, NONE), 2)
    assert conductor.measure_start_ns is None
    display, chat = sorted(populations_now(conductor, conductor.collector), key=lambda each: each.name != "display")
    assert display.text == "display delivery p50 400 p99 400 ms ✓ 20% below 500"
    assert chat.text == "chat-user rtt p50 5.00 p99 5.00 ms"
    assert chat.order > display.order
