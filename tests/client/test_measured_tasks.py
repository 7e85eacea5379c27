"""Measured sends of tasks: what the ledger says of them, in one process and in two, with and without faults."""

from __future__ import annotations

import json
from typing import Any
from uuid import uuid4

import gevent
import pytest

from tests.client.api_engines import NEVER_NS, count, make, taken
from tests.client.engine_runs import until
from tests.client.loopback import PATIENCE_S
from wps_load.client.api import WebPubSubClient
from wps_load.client.connection import Cut
from wps_load.client.engine import Engine
from wps_load.client.epochs import Epoch
from wps_load.clock import now_ns
from wps_load.emulator.process import EmulatorProcess
from wps_load.errors import ConnectionLost, Finding, WrongValue
from wps_load.measure.ledger import LedgerTotals
from wps_load.measure.task_stamp import audience_number
from wps_load.protocol.traits import RELIABLE, SUBPROTOCOLS, TRAITS, WEB_PUBSUB

DRAIN_NS = 1_000_000_000
OTHER = 0xDEADBEEF


class Processes:
    """Engines of one run, as in as many processes."""

    def __init__(self, emulator: EmulatorProcess, number: int, **options: Any) -> None:
        self.engines = [make(emulator, **options) for _ in range(number)]

    def client(self, at: int = 0, **options: Any) -> WebPubSubClient:
        return WebPubSubClient(self.engines[at].populations[0].connections, **options)

    def settled(self) -> LedgerTotals:
        """The run is over: what its ledgers say together."""
        end_ns = now_ns()
        finals: list[Any] = []
        for at, engine in enumerate(self.engines):
            engine.end_at(end_ns)
            # over the wire
            finals += [[*each, at] for each in json.loads(json.dumps(engine.finals()))]
        clocks = [engine.run.clock.timescale.to_wire() for engine in self.engines]
        total = LedgerTotals(0, 0, 0, 0, 0, 0, 0)
        for engine in self.engines:
            engine.settle(finals, clocks, DRAIN_NS)
            with gevent.Timeout(1, False):
                while engine.run.ledger.outstanding():
                    gevent.sleep(0.01)
            total = total.plus(engine.totals())
        return total

    def seen(self, name: str) -> int:
        return sum(count(taken(engine), name) for engine in self.engines)


def lines(totals: LedgerTotals) -> tuple[int | None, ...]:
    return totals.published, totals.expected, totals.delivered, totals.lost


@pytest.mark.parametrize("protocol", SUBPROTOCOLS)
def test_all_members_in_all_processes_are_expected_to_get_it(emulator: EmulatorProcess, protocol: str) -> None:
    run = Processes(emulator, 2, protocol=protocol)
    group = uuid4().hex
    sender, near, far = run.client(0), run.client(0), run.client(1)
    for client in (sender, near, far):
        client.join_group(group)
    sent: list[Any] = ["text", b"\x00bytes", {"b": [1, 2.5], "a": "é"}, [1, 2], "text"]
    for data in sent:
        sender.send_to_group(group, data, measured=True)
    for client in (sender, near, far):
        for data in sent:
            message = client.receive(PATIENCE_S)
            assert message is not None
            found = message.data
            if protocol == "mqtt":  # which has no types of data
                assert isinstance(found, bytes)
                found = found if isinstance(data, bytes) else found.decode()
            if isinstance(found, str) and not isinstance(data, str | bytes):
                assert TRAITS[protocol].json_as_text
                found = json.loads(found)
            assert found == data
    totals = run.settled()
    assert lines(totals) == (5, 15, 15, 0)
    assert totals.duplicated == totals.reordered == totals.misdelivered == totals.foreign == totals.corrupted == 0
    near_seen, far_seen = (taken(engine) for engine in run.engines)
    assert [count(near_seen, name) for name in ("rtt", "rtt_service", "delivery", "publish_ack")] == [5, 5, 5, 5]
    assert [count(far_seen, name) for name in ("rtt", "delivery")] == [0, 5]
    for name in ("tasks_published", "tasks_delivered"):
        assert near_seen.counters.get(name, 0) == 0, "they are in the ledger"
    for client in (sender, near, far):
        client.end()


def test_no_echo_comers_and_goers(emulator: EmulatorProcess) -> None:
    run = Processes(emulator, 2)
    group = uuid4().hex
    sender, stays, comes, goes = run.client(0), run.client(1), run.client(1), run.client(0)
    for client in (sender, stays, goes):
        client.join_group(group)

    def send(data: str) -> None:
        sender.send_to_group(group, data, measured=True, no_echo=True)

    send("1")
    assert stays.receive(PATIENCE_S)
    assert goes.receive(PATIENCE_S)
    goes.leave_group(group)
    comes.join_group(group)
    send("2")
    assert stays.receive(PATIENCE_S)
    assert comes.receive(PATIENCE_S)
    assert lines(run.settled()) == (2, 4, 4, 0)
    assert sender.receive(0.05) is None
    for client in (sender, stays, comes, goes):
        client.end()


@pytest.mark.program
@pytest.mark.parametrize("faults", ["drop=1/4", "duplicate=1/4", "reorder=1/4"])
def test_what_the_service_does_wrong_is_found(faults: str) -> None:
    with EmulatorProcess.start(faults=f"{faults},seed=3") as emulator:
        run = Processes(emulator, 2)
        group = uuid4().hex
        clients = [run.client(at % 2) for at in range(4)]
        for client in clients:
            client.join_group(group)
        for number in range(20):
            clients[number % 3].send_to_group(group, {"number": number}, measured=True)
        truth = emulator.stats()
        until(lambda: sum(e.run.ledger.running().delivered for e in run.engines) >= 80 - truth["dropped"], "all came")
        totals = run.settled()
        assert lines(totals) == (20, 80, 80 - truth["dropped"], truth["dropped"])
        assert (totals.duplicated, totals.reordered) == (truth["duplicated"], truth["reordered"])
        assert truth["dropped"] + truth["duplicated"] + truth["reordered"] > 5
        for client in clients:
            client.end()


def test_what_a_group_got_between_a_leave_and_a_join_is_not_missing_meanwhile(emulator: EmulatorProcess) -> None:
    run = Processes(emulator, 1)
    sender, goes = run.client(), run.client()
    for step in (sender.join_group, goes.join_group, None, goes.leave_group, None, None, goes.join_group, None):
        if step is not None:
            step("g")
            continue
        sender.send_to_group("g", "x", measured=True)
        assert sender.receive(PATIENCE_S) is not None
    assert [goes.receive(PATIENCE_S) is None for _ in range(2)] == [False, False]
    assert run.engines[0].run.ledger.running().missing == 0
    assert lines(run.settled()) == (4, 6, 6, 0)


def test_what_came_while_a_member_was_away_is_missed_and_not_lost(emulator: EmulatorProcess) -> None:
    run = Processes(emulator, 1)
    group = uuid4().hex
    sender, member = run.client(), run.client()
    server = run.engines[0].populations[0].app_server()
    for client in (sender, member):
        client.join_group(group)
    sender.send_to_group(group, "1", measured=True)
    assert member.receive(PATIENCE_S)
    server.close_connection(str(member.connection_id))
    with pytest.raises(ConnectionLost):
        member.receive(PATIENCE_S)
    sender.send_to_group(group, "2", measured=True)
    member.connect()
    sender.send_to_group(group, "3", measured=True)
    message = member.receive(PATIENCE_S)
    assert message is not None
    assert message.data == "3"
    totals = run.settled()
    assert lines(totals) == (3, 5, 5, 0)
    assert totals.missed == 1
    for client in (sender, member):
        client.end()


@pytest.mark.parametrize("protocol", sorted({*RELIABLE} & {*WEB_PUBSUB}))
def test_a_connection_that_is_recovered_misses_and_loses_nothing(emulator: EmulatorProcess, protocol: str) -> None:
    run = Processes(emulator, 1, protocol=protocol)
    group = uuid4().hex
    sender, member = run.client(), run.client()
    for client in (sender, member):
        client.join_group(group)
    for number in range(6):
        link = member._connector.link
        assert link is not None
        if number % 2:
            link.connection.cut(Cut.RESET)
        sender.send_to_group(group, str(number), measured=True)
    for number in range(6):
        message = member.receive(PATIENCE_S)
        assert message is not None
        assert message.data == str(number)
    totals = run.settled()
    assert lines(totals) == (6, 12, 12, 0)
    assert (totals.missed, totals.duplicated, totals.reordered) == (0, 0, 0)
    for client in (sender, member):
        client.end()


@pytest.mark.program
def test_what_is_on_its_way_at_the_end_is_waited_for() -> None:
    with EmulatorProcess.start(faults="delay=300ms") as emulator:
        run = Processes(emulator, 1)
        group = uuid4().hex
        sender, member = run.client(), run.client()
        for client in (sender, member):
            client.join_group(group)
        sender.send_to_group(group, "x", measured=True)
        assert run.engines[0].run.ledger.running().delivered == 0
        assert lines(run.settled()) == (1, 2, 2, 0)
        for client in (sender, member):
            client.end()


def test_a_client_that_ends_by_plan_is_owed_nothing_more(emulator: EmulatorProcess) -> None:
    run = Processes(emulator, 1)
    group = uuid4().hex
    sender, ends, closes = run.client(), run.client(), run.client()
    for client in (sender, ends, closes):
        client.join_group(group)
    ends.end()
    closes.close()
    sender.send_to_group(group, "x", measured=True)
    assert sender.receive(PATIENCE_S)
    assert lines(run.settled()) == (1, 1, 1, 0)
    sender.end()


def test_an_old_connection_that_ends_late_takes_nothing_from_the_new_one(emulator: EmulatorProcess) -> None:
    run = Processes(emulator, 1)
    engine, group = run.engines[0], uuid4().hex
    connections = engine.populations[0].connections
    sender, member = run.client(), run.client()
    sender.join_group(group)
    member.join_group(group)
    member.close()
    member.join_group(group)
    until(lambda: len(connections.open_links) == 2, "the old connection has ended")
    assert connections.wanted_time.count == 2
    sender.send_to_group(group, "x", measured=True)
    assert member.receive(PATIENCE_S)
    totals = run.settled()
    assert lines(totals) == (1, 2, 2, 0)
    membership = member._account._receiver.memberships[audience_number("bench", "group", group)]
    assert membership.since is not None
    assert [planned for _, _, planned in membership.past] == [True]
    for client in (sender, member):
        client.end()


def test_what_could_not_be_sent_is_due_and_has_failed(emulator: EmulatorProcess) -> None:
    run = Processes(emulator, 1, roles="webpubsub.joinLeaveGroup")
    group = uuid4().hex
    client = run.client()
    client.join_group(group)
    with pytest.raises(Finding):
        client.send_to_group(group, "refused", measured=True)
    with pytest.raises(WrongValue):
        client.send_to_group(group, "x" * (1 << 20), measured=True)
    totals = run.settled()
    assert lines(totals) == (0, 0, 0, 0)
    assert totals.send_failed_service == 1
    client.end()


def test_what_nobody_measures_is_unwrapped_all_the_same(emulator: EmulatorProcess) -> None:
    engine = make(emulator, measured=False)
    client = WebPubSubClient(engine.populations[0].connections)
    group = uuid4().hex
    client.join_group(group)
    client.send_to_group(group, {"a": 1}, measured=True)
    message = client.receive(PATIENCE_S)
    assert message is not None
    assert message.data == {"a": 1}
    assert engine.totals().delivered == 0
    client.end()


def test_a_message_to_a_group_that_one_is_not_in_is_misdelivered(emulator: EmulatorProcess) -> None:
    run = Processes(emulator, 1)
    group = uuid4().hex
    sender, outsider = run.client(), run.client()
    sender.join_group(group)
    outsider.connect()
    run.engines[0].populations[0].app_server().add_connection_to_group(group, str(outsider.connection_id))
    sender.send_to_group(group, "x", measured=True)
    assert outsider.receive(PATIENCE_S)
    totals = run.settled()
    assert lines(totals) == (1, 1, 1, 0)
    assert totals.misdelivered == 1
    for client in (sender, outsider):
        client.end()


@pytest.mark.parametrize("protocol", ["simple", "json", "protobuf"])
def test_what_an_app_server_sends_is_expected_by_those_it_is_for(emulator: EmulatorProcess, protocol: str) -> None:
    run = Processes(emulator, 2, protocol=protocol, hub=f"h{uuid4().hex}")
    server = run.engines[0].populations[0].app_server()
    one, other, beside = run.client(0, groups=["g"]), run.client(1, groups=["g"]), run.client(1)
    clients = (one, other, beside)
    for client in clients:
        client.connect()
    assert [client.connected for client in clients] == [True] * 3
    server.send_to_all({"to": "all"}, measured=True)
    server.send_to_group("g", b"group", measured=True)
    server.send_to_user(other.name, "user", measured=True)
    if one.connection_id is not None:
        server.send_to_connection(one.connection_id, ["connection"], measured=True)
    sent = 3 if one.connection_id is None else 4
    deliveries = 3 + 2 + 1 + (sent - 3)
    got: list[Any] = []

    def receive(client: WebPubSubClient) -> None:
        message = client.receive(0.05)
        if message is not None:
            got.append(message.data)

    def all_have_come() -> bool:
        for client in clients:
            receive(client)
        return len(got) == deliveries

    until(all_have_come, "all have come")
    for data in (b"group", "user"):
        assert data in got
    assert lines(run.settled()) == (sent, deliveries, deliveries, 0)
    seen = [taken(engine) for engine in run.engines]
    assert sum(count(each, "delivery") for each in seen) == deliveries
    assert count(seen[0], "rest_publish") == sent
    assert sum(each.counters.get("tasks_published", 0) for each in seen) == 0
    for client in clients:
        client.end()


def test_a_rest_send_that_is_refused_was_due_and_has_failed(emulator: EmulatorProcess) -> None:
    run = Processes(emulator, 1)
    server = run.engines[0].populations[0].app_server()
    server._rest._base = "/api/nowhere"
    with pytest.raises(Finding):
        server.send_to_all("x", measured=True)
    totals = run.settled()
    assert lines(totals) == (0, 0, 0, 0)
    assert totals.send_failed_service == 1


def test_another_run_in_the_same_group_is_foreign(emulator: EmulatorProcess) -> None:
    ours, theirs = Processes(emulator, 1), make(emulator, number=OTHER)
    group = uuid4().hex
    other = WebPubSubClient(theirs.populations[0].connections)
    client = ours.client()
    client.join_group(group)
    other.send_to_group(group, "theirs", measured=True)
    message = client.receive(PATIENCE_S)
    assert message is not None
    assert message.data == "theirs"
    totals = ours.settled()
    assert (totals.delivered, totals.foreign) == (0, 1)
    for each in (client, other):
        each.end()


def test_numbers_start_again_with_each_epoch(emulator: EmulatorProcess) -> None:
    run = Processes(emulator, 1)
    engine: Engine = run.engines[0]
    group = uuid4().hex
    client = run.client()
    client.join_group(group)
    _echo(client, group)
    engine.announce(Epoch(2, now_ns(), NEVER_NS))
    until(lambda: engine.run.epochs.number == 2, "the statistics were reset")
    _echo(client, group)
    _echo(client, group)
    assert lines(run.settled()) == (2, 2, 2, 0)
    client.end()


def _echo(client: WebPubSubClient, group: str) -> None:
    client.send_to_group(group, "x", measured=True)
    assert client.receive(PATIENCE_S) is not None


def test_a_scenarios_own_members_take_it_for_no_strangers(emulator: EmulatorProcess) -> None:
    run = Processes(emulator, 1)
    client = run.client()
    group = uuid4().hex
    client.join_group(group)
    publisher = client._account.publisher
    run.engines[0].populations[0].context.unreadable(publisher.sealed("x", publisher.due("group", group)))
    assert run.engines[0].totals().foreign == 0
    client.end()
