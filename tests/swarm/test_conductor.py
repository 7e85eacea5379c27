"""The conductor, case by case: nothing with an instant goes to a clock that is unknown; who is gone may come back."""

from __future__ import annotations

from typing import Any

import pytest

from tests.swarm.runs import NUMBER, FakeCrowd, conducted, configured, planned, report, told
from wps_load.clock import NS_PER_MS, NS_PER_S
from wps_load.measure.ledger import LedgerTotals
from wps_load.measure.snapshot import Snapshot
from wps_load.report.document import numbers
from wps_load.swarm.actions import Actions, AskClock, Say
from wps_load.swarm.clocks import EXCHANGES
from wps_load.swarm.collector import PAUSE_S, Collector
from wps_load.swarm.conductor import ANSWER_NS, LEAD_NS, Conductor, Phase
from wps_load.swarm.epoch_report import EpochReport
from wps_load.swarm.messages import (
    Accounts,
    Claim,
    Clock,
    ClockReply,
    End,
    Expect,
    Finals,
    Grant,
    Hello,
    Rate,
    Release,
    Report,
    Reset,
    Status,
    ToCoordinator,
    Window,
)  # fmt: skip
from wps_load.swarm.stream_finals import NO_STREAMS, Streams

HOUR_NS = 3600 * NS_PER_S
NOTHING = LedgerTotals(0, 0, 0, 0, 0, 0, 0)


def hear(conductor: Conductor, agent: str, message: ToCoordinator, now_ns: int) -> Actions:
    return conductor.received(agent, NUMBER, message, now_ns)


def greet(conductor: Conductor, agent: str, now_ns: int) -> Actions:
    """An agent of this host: its clock is known with its first answer."""
    hear(conductor, agent, Hello("here"), now_ns)
    return hear(conductor, agent, ClockReply(now_ns, now_ns), now_ns)


def published(conductor: Conductor, now_ns: int, *agents: str, other: str = "") -> Actions:
    """Until publishing is announced."""
    for agent in agents:
        greet(conductor, agent, now_ns)
    conductor.spawning_complete()
    alive = {*agents, other} - {""}
    return conductor.tick(now_ns, alive) + conductor.tick(now_ns + conductor.plan.config.settle_ns, alive)


# -- clocks -----------------------------------------------------------------------------------------------------------


def test_an_agent_of_this_host_gets_its_slots_at_once() -> None:
    conductor = conducted()
    assert hear(conductor, "near", Hello("here"), 1) == [AskClock("near")]
    assert told(hear(conductor, "near", ClockReply(1, 1), 2), "near") == [Clock(0, 0, 0)]
    (grant,) = told(hear(conductor, "near", Claim(2), 5), "near")
    assert isinstance(grant, Grant)
    assert [(slot.user_index, slot.due_ns) for slot in grant.slots] == [(0, 5), (1, 5 + NS_PER_S // 10)]


def test_slots_and_windows_of_another_host_wait_for_its_clock() -> None:
    conductor = conducted(planned(configured(settle="0s")))
    hear(conductor, "far", Hello("another"), 0)
    assert hear(conductor, "far", Claim(3), 1) == []
    assert told(published(conductor, 2, other="far"), "far") == []
    assert hear(conductor, "far", Claim(1), 3) == []
    now_ns = NS_PER_S
    actions: Actions = []
    for _ in range(EXCHANGES):
        assert not any(isinstance(each, Window | Grant) for each in told(actions, "far"))
        actions = hear(conductor, "far", ClockReply(now_ns, now_ns + HOUR_NS), now_ns + NS_PER_MS)
        now_ns += NS_PER_MS
    clock, window, grant = told(actions, "far")
    assert isinstance(clock, Clock)
    assert abs(clock.offset_ns + HOUR_NS) <= NS_PER_MS
    assert window == Window(1, 2 + LEAD_NS, 1 << 62, 0, 1)
    assert isinstance(grant, Grant)
    assert len(grant.slots) == 4
    assert grant.slots[0].due_ns >= NS_PER_S, "due from when they can be met"


def test_a_rate_is_told_to_those_whose_clock_becomes_known_later() -> None:
    conductor = conducted()
    conductor.set_rate(50, 9)
    assert Rate(50, 9) in told(greet(conductor, "late", 10), "late")


# -- phases -----------------------------------------------------------------------------------------------------------


def test_settling_ends_when_all_have_connected_or_failed_once() -> None:
    conductor = conducted()
    greet(conductor, "a", 0)
    hear(conductor, "a", Claim(10), 0)
    assert conductor.tick(1, {"a"}) == []
    assert conductor.phases == [("connect", 0)]
    conductor.spawning_complete()
    conductor.tick(2, {"a"})
    assert conductor.phases == [("connect", 0), ("settle", 2)]
    hear(conductor, "a", Status(settled=10, open=9, joiners=4, joined=4), 3)
    actions = conductor.tick(4, {"a"})
    assert Say("Settled after 0.0 s: 9 of 10 connected, 4 of 4 joined") in actions
    assert [type(each) for each in told(actions, "a")] == [Window]
    assert (conductor.phase, conductor.phase_at(4)) == (Phase.WARMUP, "settle")
    assert conductor.measured_s(4) is None
    conductor.tick(4 + LEAD_NS, {"a"})
    assert (conductor.phase, conductor.phase_at(4 + LEAD_NS)) == (Phase.MEASURE, "measure")
    assert conductor.measured_s(4 + LEAD_NS + NS_PER_S) == 1.0


def test_settling_that_takes_too_long_is_said() -> None:
    conductor = conducted(planned(configured(settle="3s")))
    greet(conductor, "a", 0)
    conductor.spawning_complete()
    conductor.tick(0, {"a"})
    assert not conductor.stopping
    assert Say("Not settled after 3.0 s (--wps-settle): 0 of 10 connected") in conductor.tick(3 * NS_PER_S, {"a"})


def test_warm_up_has_an_epoch_of_its_own() -> None:
    conductor = conducted(planned(configured(warmup="2s", settle="0s"), run_time_ns=60 * NS_PER_S))
    begin = LEAD_NS
    windows = told(published(conductor, 0, "a", "b"), "b")
    measure = begin + 2 * NS_PER_S
    assert windows == [Window(0, begin, measure, 1, 2), Window(1, measure, 60 * NS_PER_S, 1, 2)]


def test_without_users_of_the_scenario_there_is_nothing_to_settle_for() -> None:
    conductor = conducted(planned(scenario_users=False))
    greet(conductor, "a", 0)
    assert [type(each) for each in told(conductor.tick(5, {"a"}), "a")] == [Window]
    assert conductor.phase is Phase.MEASURE
    assert conductor.phases == [("connect", 0), ("measure", 5)]


@pytest.mark.parametrize(("at_s", "epoch"), [(0, None), (1, None), (60, 2)])
def test_a_reset_before_the_measure_phase_begins_no_epoch(at_s: int, epoch: int | None) -> None:
    conductor = conducted(planned(configured(settle="0s", warmup="10s")))
    if at_s:
        published(conductor, 0, "a")
    at_ns = at_s * NS_PER_S
    said = told(conductor.reset(at_ns), "a")
    assert said[0] == Reset(at_ns + LEAD_NS, epoch)
    assert [(each.epoch, each.start_ns) for each in said[1:] if isinstance(each, Window)] == (
        [(2, at_ns + LEAD_NS)] if epoch else []
    )


def test_a_reset_in_the_drain_comes_too_late() -> None:
    conductor = conducted()
    conductor.drain(0)
    assert conductor.reset(1) == []


# -- users ------------------------------------------------------------------------------------------------------------


def test_the_indices_of_an_agent_that_is_gone_are_given_to_others() -> None:
    conductor = conducted(crowd=FakeCrowd(4))
    for agent in ("a", "b"):
        greet(conductor, agent, 0)
        hear(conductor, agent, Claim(2), 0)
    conductor.tick(1, {"b"})
    (grant,) = told(hear(conductor, "b", Claim(2), 2), "b")
    assert isinstance(grant, Grant)
    assert [(slot.user_index, slot.incarnation) for slot in grant.slots] == [(0, 1), (1, 1)]
    conductor.tick(3, {"a", "b"})
    hear(conductor, "a", Release(0), 4)  # it is back, and stops a user whose index is another's now
    (grant,) = told(hear(conductor, "b", Claim(1), 5), "b")
    assert isinstance(grant, Grant)
    assert grant.slots[0].user_index == 4


def test_an_agent_that_is_not_heard_of_keeps_its_places_until_others_play_its_users() -> None:
    conductor = conducted(crowd=FakeCrowd(5))
    for agent in ("a", "b"):
        greet(conductor, agent, 0)
        hear(conductor, agent, Claim(2), 0)
    conductor.tick(1, {"b"})
    (grant,) = told(hear(conductor, "b", Claim(1), 2), "b")
    assert isinstance(grant, Grant)
    assert [slot.user_index for slot in grant.slots] == [4], "the ramp goes on: nobody takes a's places"
    conductor.tick(3, {"a", "b"})
    assert conductor.roster.claimed == 5
    hear(conductor, "a", Release(1), 4)
    assert set(conductor.roster.indices) == {0, 2, 3, 4}


def test_messages_of_an_earlier_run_and_of_strangers_are_ignored() -> None:
    conductor = conducted()
    assert conductor.received("a", NUMBER - 1, Hello("here"), 0) == []
    assert hear(conductor, "a", Claim(3), 0) == []
    assert conductor.roster.agents == {}


# -- agents that go and come ------------------------------------------------------------------------------------------


def test_an_agent_that_comes_back_is_away_and_not_lost() -> None:
    conductor = conducted()
    for agent in ("a", "b"):
        greet(conductor, agent, 0)
    roster = conductor.roster
    conductor.tick(1, {"a"})
    assert (roster.lost, roster.away) == ({"b"}, set())
    conductor.tick(2, {"a", "b"})
    assert (roster.lost, roster.away) == (set(), {"b"})
    conductor.drain(3)
    assert roster.silent(lambda state: state.finished) == ["a", "b"], "the drain waits for it again"


@pytest.mark.parametrize("cut_s", [2, 60, 119])
def test_what_an_agent_counted_while_it_was_cut_off_is_in_the_sums(cut_s: int) -> None:
    """In simulated time: the transport keeps what an agent sends, and delivers it in order when the link is back."""
    conductor = conducted(planned(configured(settle="0s")))
    published(conductor, 0, "a", "b")
    last, waiting = 10 + cut_s + 5, []
    for second in range(1, last + 1):
        now_ns, cut = second * NS_PER_S, 10 < second <= 10 + cut_s
        said = report(second, counts={"published": 3, "delivered": 4})
        hear(conductor, "a", said, now_ns)
        waiting.append(said)
        if not cut:
            for each in waiting:
                hear(conductor, "b", each, now_ns)
            waiting.clear()
        heard = {"a"} if cut and second > 13 else {"a", "b"}  # Locust calls an agent missing after three seconds
        conductor.tick(now_ns, heard)
    roster, collector, end_ns = conductor.roster, conductor.collector, (last + 1) * NS_PER_S
    assert roster.lost == set()
    assert roster.away == ({"b"} if cut_s > 3 else set())
    conductor.drain(end_ns)
    for agent in ("a", "b"):
        hear(conductor, agent, Finals(NO_STREAMS, [], []), end_ns + NS_PER_S)
        conductor.tick(end_ns + NS_PER_S, {"a", "b"})
    for agent in ("a", "b"):
        hear(conductor, agent, Accounts(LedgerTotals(3 * last, 0, 4 * last, 4 * last, 0, 0, 0), 0), end_ns + NS_PER_S)
    conductor.tick(end_ns + NS_PER_S, {"a", "b"})
    assert conductor.phase is Phase.DONE
    assert collector.totals() == LedgerTotals(6 * last, 0, 8 * last, 8 * last, 0, 0, 0)
    counted = [numbers(row)["published"] or 0 for row in collector.timeline.rows()]
    assert sum(counted) == 6 * last, "no second is lost"


def test_an_agent_whose_accounts_came_is_not_lost_whatever_was_thought_of_it() -> None:
    conductor = conducted()
    for agent in ("a", "b"):
        greet(conductor, agent, 0)
    conductor.tick(1, {"a"})
    hear(conductor, "b", Accounts(LedgerTotals(3, 0, 3, 3, 0, 0, 0), 0), 2)
    conductor.tick(3, {"a"})
    assert (conductor.roster.lost, conductor.roster.away) == (set(), {"b"})


# -- the drain --------------------------------------------------------------------------------------------------------


def test_the_drain_asks_for_finals_then_for_accounts() -> None:
    conductor = conducted(planned(configured(settle="0s", drain="4s")))
    published(conductor, 0, "a", "b")
    end_ns = 10 * NS_PER_S + LEAD_NS // 4
    assert told(conductor.drain(10 * NS_PER_S), "a") == [End(end_ns)]
    assert conductor.drain(10 * NS_PER_S + 1) == [], "once"
    of_a: Any
    of_b: Any
    of_a, of_b = ([[[stream, 7, stream, False, 5, []], []]] for stream in (0, 1))
    hear(conductor, "a", Finals(Streams.of(of_a), [[0, 0, 0]], [7, 8]), 11 * NS_PER_S)
    assert told(conductor.tick(11 * NS_PER_S, {"a", "b"}), "a") == []
    hear(conductor, "b", Finals(Streams.of(of_b), [[1, 1, 1]], [9, 12]), 12 * NS_PER_S)
    said = conductor.tick(12 * NS_PER_S, {"a", "b"})
    (all_of_them,) = told(said, "a")
    assert isinstance(all_of_them, Expect)
    assert all_of_them.streams.rows() == [[*of_a[0], 0], [*of_b[0], 1]]
    assert all_of_them[1:] == ([[[0, 0, 0]], [[1, 1, 1]]], [0, 2], 4 * NS_PER_S, end_ns)
    assert told(said, "b") == [Expect(NO_STREAMS, [(), ()], [0, 2], 4 * NS_PER_S, end_ns)], "it cannot hear them"
    for agent in ("a", "b"):
        hear(conductor, agent, report(13, partial=True), 13 * NS_PER_S)
        hear(conductor, agent, Accounts(LedgerTotals(5, 0, 5, 5, 0, 0, 0), 1), 13 * NS_PER_S)
    conductor.tick(13 * NS_PER_S, {"a", "b"})
    assert (conductor.phase, conductor.ended_ns) == (Phase.DONE, 13 * NS_PER_S)
    assert conductor.roster.lost == set()
    assert conductor.collector.totals() == LedgerTotals(10, 0, 10, 10, 0, 0, 0)
    assert conductor.collector.connecting == 2
    assert [row["t_s"] for row in conductor.collector.timeline.rows()] == [13.0]


def test_who_does_not_answer_in_the_drain_is_lost_and_delays_it_no_longer_than_that() -> None:
    conductor = conducted(planned(configured(settle="0s", drain="4s")))
    published(conductor, 0, "a", "mute")
    conductor.drain(0)
    hear(conductor, "a", Finals(NO_STREAMS, [[0, 0, 0]], []), 1)
    deadline_ns = LEAD_NS // 4 + ANSWER_NS
    assert conductor.tick(deadline_ns - 1, {"a", "mute"}) == []
    conductor.tick(deadline_ns, {"a", "mute"})
    assert conductor.phase is Phase.DRAIN_ACCOUNTS
    hear(conductor, "a", Accounts(NOTHING, 0), deadline_ns)
    conductor.tick(deadline_ns + 1, {"a"})
    assert (conductor.phase, conductor.roster.lost) == (Phase.DONE, {"mute"})


def test_an_agent_that_comes_in_the_drain_hears_that_it_drains_and_publishes_nothing() -> None:
    conductor = conducted(planned(configured(settle="0s")))
    published(conductor, 0, "a")
    conductor.drain(5)
    said = told(hear(conductor, "late", Hello("here"), 6), "late") + told(
        hear(conductor, "late", ClockReply(6, 6), 6), "late"
    )
    assert [type(each) for each in said] == [End, Clock]


def test_the_end_that_was_planned_is_kept() -> None:
    conductor = conducted(planned(run_time_ns=20 * NS_PER_S))
    assert told(conductor.drain(20 * NS_PER_S - 3 * NS_PER_MS), "a") == [End(20 * NS_PER_S)]


def test_a_run_that_is_over_hears_nothing() -> None:
    conductor = conducted(crowd=FakeCrowd(0))
    conductor.drain(0)
    conductor.tick(1, set())
    conductor.tick(2, set())
    assert conductor.phase is Phase.DONE
    assert hear(conductor, "a", Hello("here"), 3) == []
    assert conductor.tick(4, {"a"}) == []


# -- the collector ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("seconds", "paused"), [((1, 2, 3), {}), ((1, 4), {}), ((1, 2, 6, 7), {"a": PAUSE_S + 1})])
def test_seconds_without_a_report_are_a_pause(seconds: tuple[int, ...], paused: dict[str, int]) -> None:
    collector = Collector(0, configured())
    collector.join("a")
    for second in seconds:
        collector.add("a", report(second))
    assert collector.paused_s == paused


def test_who_shows_what_is_counted_hears_of_it_once() -> None:
    shown: list[EpochReport] = []
    collector = Collector(0, configured())
    collector.join("a")
    collector.on_counted = shown.append
    part, later, of_late = (EpochReport(resets, 1, Snapshot(counters={"bytes_sent": 1})) for resets in (0, 1, 0))
    collector.add("a", report(1, parts=(part,)))
    collector.add("a", report(2, parts=(part,))._replace(fired=True))  # Locust's statistics have it from the worker
    collector.reset()
    collector.add("a", report(3, parts=(of_late, later)))
    assert shown == [part, later]


def test_a_second_is_a_row_when_all_agents_have_reported_it() -> None:
    collector = Collector(0, configured())
    for agent in ("a", "b"):
        collector.join(agent)
    one: Report = report(1, counts={"published": 2, "delivered": 3})
    collector.add("a", one)
    assert collector.timeline.rows() == []
    collector.add("b", one)
    (row,) = collector.timeline.rows()
    assert (row["published"], row["delivered"], row["users"]) == (4, 6, 10)
    collector.add("a", report(2))
    collector.leave("b")
    assert len(collector.timeline.rows()) == 2, "no second waits for a lost agent"


def test_who_was_there_at_the_start_and_is_gone_before_it_began_is_lost() -> None:
    conductor = conducted()
    conductor.tick(0, {"near", "far"})
    greet(conductor, "near", 1)
    conductor.tick(2, {"near", "late"})
    assert conductor.roster.lost == {"far"}
    conductor.tick(3, {"near"})
    assert conductor.roster.lost == {"far"}, "one that came late and left had no users"
    conductor.tick(4, {"near", "far"})
    greet(conductor, "far", 5)
    conductor.tick(6, {"near", "far"})
    assert conductor.roster.lost == conductor.roster.away == set(), "its link was slow, and it begins now"
