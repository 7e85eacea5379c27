"""Several populations in one engine against a real emulator: who hears whom across protocols; accounts that add up."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction
from typing import Any

import pytest

from tests.client.engine_runs import Done, Run, until
from wps_load.clock import NS_PER_MS, NS_PER_S, now_ns
from wps_load.emulator.process import EmulatorProcess
from wps_load.measure.ledger import LedgerTotals
from wps_load.protocol.traits import MQTTS, TRAITS
from wps_load.settings.run_config import Population, RunConfig
from wps_load.workload.chaos import CutPlan
from wps_load.workload.scenarios import JOIN_AND_PUBLISH
from wps_load.workload.values import Share

DRAIN_NS = 500_000_000
"""Where something never comes."""
HALF = Share(fraction=Fraction(1, 2))


def mix(*tables: dict[str, Any]) -> Any:
    """Populations that differ from the one of the options in these fields."""

    def changed(config: RunConfig) -> RunConfig:
        populations: list[Population] = [
            replace(config.population, roles=JOIN_AND_PUBLISH, **fields) for fields in tables
        ]
        return replace(config, populations=tuple(populations))

    return changed


def adds_up(done: Done) -> None:
    """The populations' accounts are the run's, for every count; the pairs' are the receivers'."""
    for engine in done.engines:
        whole = LedgerTotals(0, 0, 0, 0, 0, 0, 0)
        for number in range(len(engine.populations)):
            own = engine.totals(number)
            heard = [pair for pair in engine.run.ledger.pairs() if pair.receiver == number]
            assert sum(pair.delivered for pair in heard) == own.delivered
            assert sum(pair.lost for pair in heard) == own.lost
            assert sum(pair.missed for pair in heard) == own.missed
            whole = whole.plus(own)
        assert whole == engine.totals()


def pairs(done: Done) -> dict[tuple[int, int], int]:
    """How many messages of each population have come to members of each."""
    found: dict[tuple[int, int], int] = {}
    for engine in done.engines:
        for pair in engine.run.ledger.pairs():
            key = pair.sender, pair.receiver
            found[key] = found.get(key, 0) + pair.delivered
    return found


def timed(done: Done, sender: int, receiver: int, metric: str = "delivery") -> int:
    """How many values of a metric members of one population have of messages of another."""
    found = [engine.recorders[sender, receiver].peek().histograms.get(metric) for engine in done.engines]
    return sum(0 if each is None else each.count for each in found)


@pytest.mark.parametrize("engines", [1, 2])
@pytest.mark.parametrize("data_type", ["text", "json", "binary"])
@pytest.mark.parametrize("protocol", ["json", "protobuf"])
def test_viewers_of_other_protocols_hear_hosts_and_an_app_server(
    live_emulator: str, protocol: str, data_type: str, engines: int
) -> None:
    host = {"name": "host", "scenario": "big-group", "users": Share(count=2), "groups": 2, "publishers": Share(count=2)}
    listening = {"scenario": "idle", "listens_to": "host", "users": HALF, "data_type": "text"}
    changed = mix(
        {**host, "protocol": protocol, "data_type": data_type},
        {**listening, "name": "viewers", "protocol": "json"},
        {**listening, "name": "phones", "protocol": "simple"},
        {"name": "news", "scenario": "broadcast", "users": Share(count=0), "data_type": "json"},
    )
    run = Run(live_emulator, 8, rate="20", changed=changed, engines=engines)
    done = run.settle().measure(200).finish()
    done.assert_whole()
    adds_up(done)
    found = pairs(done)
    published = [sum(engine.totals(number).published for engine in done.engines) for number in range(4)]
    assert published[0] > 2
    assert published[3] > 2
    assert found[0, 1] == found[0, 2] == 3 * published[0], "each viewer is in all groups of the host's population"
    assert {(3, number): found[3, number] for number in range(3)} == {
        (3, 0): 2 * published[3],
        (3, 1): 3 * published[3],
        (3, 2): 3 * published[3],
    }, "a broadcast reaches everybody in its hub"
    assert (timed(done, 0, 1), timed(done, 0, 2)) == (found[0, 1], found[0, 2])
    assert timed(done, 3, 2) == found[3, 2]


def test_groups_of_two_populations_are_apart(live_emulator: str) -> None:
    fields = {"scenario": "small-group", "users": HALF, "group_size": 3}
    changed = mix({**fields, "name": "one"}, {**fields, "name": "other", "protocol": "json-reliable"})
    done = Run(live_emulator, 12, rate="20", changed=changed).settle().measure(150).finish()
    done.assert_whole()
    adds_up(done)
    assert pairs(done).keys() == {(0, 0), (1, 1)}


def test_messages_to_single_users_reach_those_who_listen(live_emulator: str) -> None:
    changed = mix(
        {"name": "app", "scenario": "send-to-user", "users": Share(count=0)},
        {"name": "phones", "scenario": "idle", "listens_to": "app", "users": HALF, "protocol": "simple"},
        {"name": "others", "scenario": "idle", "users": HALF},
    )
    done = Run(live_emulator, 6, rate="40", changed=changed).settle().measure(200).finish()
    done.assert_whole()
    adds_up(done)
    assert pairs(done).keys() == {(0, 1)}


def test_a_population_that_leaves_early_misses_nothing(live_emulator: str) -> None:
    fields = {"scenario": "echo", "users": HALF}
    soon = mix({**fields, "name": "short", "stop_ns": 1}, {**fields, "name": "long"})
    run = Run(live_emulator, 4, rate="20", changed=soon).settle()
    done = run.measure(150).finish()
    done.assert_whole()
    adds_up(done)
    assert pairs(done).keys() == {(1, 1)}
    assert done.engines[0].totals(0).published == 0


@pytest.mark.parametrize("engines", [1, 2])
def test_a_population_that_comes_and_leaves_in_the_middle_closes_its_accounts(live_emulator: str, engines: int) -> None:
    began_ns = now_ns()
    start_ns, stop_ns = began_ns + 400 * NS_PER_MS, began_ns + 1_000 * NS_PER_MS
    there = {"start_ns": start_ns, "stop_ns": stop_ns, "users": Share(count=2)}
    changed = mix(
        {"name": "hosts", "scenario": "big-group", "groups": 1, "users": Share(count=2), "publishers": Share(count=2)},
        {**there, "name": "guests", "scenario": "echo"},
        {**there, "name": "viewers", "scenario": "idle", "listens_to": "hosts"},
        {**there, "name": "phones", "scenario": "idle", "listens_to": "hosts", "protocol": "simple"},
        {"name": "app", "scenario": "broadcast", "users": Share(count=0), "start_ns": start_ns, "stop_ns": stop_ns},
    )
    run = Run(live_emulator, 8, rate="50", changed=changed, engines=engines).settle()
    assert sum(engine.open for engine in run.engines) == 2, "the others come later"
    run.measure(1_400)
    assert sum(engine.open for engine in run.engines) == 2, "the others have left"
    done = run.finish()
    done.assert_whole()
    adds_up(done)
    found = pairs(done)
    own = [
        LedgerTotals(*map(sum, zip(*(engine.totals(number).to_wire() for engine in done.engines), strict=True)))
        for number in range(5)
    ]
    length_s = (stop_ns - start_ns) / NS_PER_S
    assert 0 < own[1].published + own[1].send_failed <= 2 * (50 * length_s + 1), "due while they were there"
    assert 0 < own[4].published <= 50 * length_s + 1
    assert found[0, 2] < 2 * own[0].published * 0.7
    for number in (1, 2, 3):
        assert own[number].expected == own[number].delivered > 0
    assert found[4, 0] == 2 * own[4].published, "hosts were there all the time"


def test_users_without_a_population_never_connect(live_emulator: str) -> None:
    changed = mix({"name": "half", "scenario": "echo", "users": HALF})
    run = Run(live_emulator, 6, rate="20", changed=changed).settle()
    assert run.engines[0].open == 3
    run.measure(100).finish().assert_whole()


def test_nobody_waits_for_a_population_that_comes_later(live_emulator: str) -> None:
    fields = {"scenario": "echo", "users": HALF}
    late = mix({**fields, "name": "late", "start_ns": 1 << 62}, {**fields, "name": "prompt"})
    run = Run(live_emulator, 4, rate="20", changed=late).settle()
    assert run.engines[0].open == 2
    run.measure(100).finish().assert_whole()


@pytest.mark.parametrize("protocol", ["json-reliable", "protobuf"])
def test_members_of_other_populations_hear_streams_each_as_their_protocol_has_them(
    live_emulator: str, protocol: str
) -> None:
    host = {"name": "host", "scenario": "stream", "users": Share(count=2), "groups": 1, "publishers": Share(count=1)}
    host |= {"protocol": protocol, "no_echo": True, "stream_length_ns": 100 * NS_PER_MS, "rate": Fraction(50)}
    listening = {"scenario": "listener", "listens_to": "host", "users": Share(count=1)}
    changed = mix(
        host,
        {**listening, "name": "readers", "protocol": "json"},
        {**listening, "name": "phones", "protocol": "simple"},
        {**listening, "name": "devices", "protocol": "mqtt5"},
    )
    done = Run(live_emulator, 5, changed=changed).settle().measure(400).finish()
    adds_up(done)
    published = done.totals.published
    assert published > 0
    assert (done.totals.lost, done.totals.foreign, done.totals.corrupted) == (0, 0, 0)
    assert pairs(done) == {(0, number): published for number in range(4)}
    assert [timed(done, 0, number) for number in range(4)] == [published] * 4
    streams = timed(done, 0, 0, "first_fragment")
    assert [timed(done, 0, number, "first_fragment") for number in range(4)] == [streams, streams, 0, 0]
    assert streams > 0


LISTENERS = ("json", "json-reliable", "protobuf", "mqtt", "mqtt5")


def devices_and_dashboards(protocol: str, data_type: str, qos: int, listeners: Sequence[str] = LISTENERS) -> Any:
    """A population of hosts, and members of each other protocol in their groups."""
    host = {"name": "host", "scenario": "big-group", "users": Share(count=2), "groups": 1, "publishers": Share(count=2)}
    host |= {"protocol": protocol, "data_type": data_type, "qos": qos if protocol in MQTTS else 0}
    listening = {"scenario": "listener", "listens_to": "host", "users": Share(count=1)}
    others = [{**listening, "name": each, "protocol": each, "qos": qos if each in MQTTS else 0} for each in listeners]
    return mix(host, *others)


@pytest.mark.parametrize("data_type", ["text", "json", "binary"])
@pytest.mark.parametrize(("protocol", "qos"), [("mqtt", 0), ("mqtt5", 0), ("mqtt5", 2), ("json", 1), ("protobuf", 0)])
def test_devices_and_dashboards_hear_each_other(live_emulator: str, protocol: str, qos: int, data_type: str) -> None:
    changed = devices_and_dashboards(protocol, data_type, qos)
    done = Run(live_emulator, 7, rate="40", changed=changed).settle().measure(200).finish()
    done.assert_whole()
    adds_up(done)
    assert done.totals.foreign == done.totals.reordered == 0
    published = done.totals.published
    assert pairs(done) == {(0, 0): 2 * published, **{(0, number): published for number in range(1, 6)}}
    assert [timed(done, 0, number) for number in range(1, 6)] == [published] * 5
    assert not {metric for metric, _ in done.snapshot.failures}


@pytest.mark.program
@pytest.mark.parametrize("protocol", ["mqtt5", "json"])
@pytest.mark.parametrize(("fault", "total"), [("drop", "lost"), ("duplicate", "duplicated"), ("reorder", "reordered")])
def test_what_goes_wrong_between_protocols_is_what_the_service_says_it_did(
    protocol: str, fault: str, total: str
) -> None:
    unnumbered = [
        each for each in LISTENERS if not TRAITS[each].numbered
    ]  # the others drop copies and what is overtaken
    changed = devices_and_dashboards(protocol, "text", 0, unnumbered)
    with EmulatorProcess.start(faults=f"{fault}=1/10,seed=3") as emulator:
        run = Run(emulator.connection_string, 6, rate="100", changed=changed).settle().measure(300)
        done = run.finish(drain_ns=DRAIN_NS)
        did = emulator.stats()[{"drop": "dropped", "duplicate": "duplicated", "reorder": "reordered"}[fault]]
    adds_up(done)
    totals = done.totals
    assert getattr(totals, total) == did > 0
    others = {"lost", "duplicated", "reordered", "corrupted", "misdelivered", "foreign"} - {total}
    assert {getattr(totals, name) for name in others} == {0}


@pytest.mark.parametrize("engines", [1, 2])
def test_cuts_of_a_population_hit_its_own_users_as_often_as_it_says(live_emulator: str, engines: int) -> None:
    changed = mix(
        {"name": "calm", "scenario": "idle", "users": HALF},
        {
            "name": "cut",
            "scenario": "recovery",
            "users": HALF,
            "protocol": "json-reliable",
            "cut": CutPlan.parse("20/s reset"),
        },
    )
    run = Run(live_emulator, 20, changed=changed, engines=engines).settle()
    run.measure(500)
    until(lambda: sum(engine.open for engine in run.engines) == 20, "everybody back")
    calm, cut = (
        sum(engine.populations[at].context.recorder.peek().counters.get("connections_cut", 0) for engine in run.engines)
        for at in range(2)
    )
    assert (calm, cut) == (0, 10), "ten in half a second: each of its users once"
