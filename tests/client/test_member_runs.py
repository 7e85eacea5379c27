"""Engines and their members against a real emulator: topologies, payloads, REST senders, cuts; and what is counted."""

from __future__ import annotations

import base64
import json
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import gevent
import pytest

from tests.client.engine_runs import Run, exchange, play, until
from wps_load.auth import ConnectionString
from wps_load.client import rest_publisher
from wps_load.client.connection import Cut
from wps_load.client.engine import Engine
from wps_load.client.rest_sender import RestSender
from wps_load.client.virtual_user import VirtualUser
from wps_load.clock import now_ns
from wps_load.protocol.session import Session
from wps_load.protocol.traits import PROTOCOLS, RELIABLE, SUBPROTOCOLS, WEB_PUBSUB
from wps_load.protocol.webpubsub_pb2 import UpstreamMessage

DATA_TYPES = ("text", "json", "binary")


def watch_frames(engine: Engine) -> list[bytes]:
    """What the engine's clients send from now on, as payloads of frames."""
    sent: list[bytes] = []
    context = engine.populations[0].context
    write = context.frame

    def frame(opcode: int, payload: bytes) -> bytes:
        sent.append(payload)
        return write(opcode, payload)

    exchange(context, frame=frame)
    return sent


def data_bytes(payload: bytes, protocol: str) -> int | None:
    """The size of a publication's data as a service reads it from the wire; None: no publication."""
    if protocol == "simple":
        return len(payload)
    if protocol.startswith("json"):
        message = json.loads(payload)
        if message["type"] != "sendToGroup":
            return None
        data = message["data"]
        if message["dataType"] == "binary":
            return len(base64.b64decode(data, validate=True))
        return len(data.encode() if message["dataType"] == "text" else json.dumps(data, separators=(",", ":")))
    upstream = UpstreamMessage.FromString(payload)
    if upstream.WhichOneof("message") != "send_to_group_message":
        return None
    data = upstream.send_to_group_message.data
    value = getattr(data, data.WhichOneof("data"))
    return len(value.encode() if isinstance(value, str) else value)


# -- payloads ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("data_type", DATA_TYPES)
@pytest.mark.parametrize("protocol", WEB_PUBSUB)
def test_every_data_type_comes_back_with_its_stamp_and_has_the_size_requested(
    live_emulator: str, protocol: str, data_type: str
) -> None:
    run = Run(live_emulator, 2, protocol=protocol, data_type=data_type, payload="64B*3,1KiB*1", rate="150").settle()
    sent = watch_frames(run.engines[0])
    done = run.measure(120).finish()

    done.assert_whole()
    assert done.totals.foreign == 0
    sizes = Counter(size for payload in sent if (size := data_bytes(payload, protocol)) is not None)
    assert set(sizes) == {64, 1024}
    assert abs(sizes[64] - 3 * sizes[1024]) <= 8, "two streams, each within a turn of its deck of four"


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize(
    ("data_type", "sample"),
    [
        ("text", 'Grüße, "quoted" \\ and 漢字; ' * 4),
        ("json", '{"a": [1, 2.5, null], "b": "Grüße \\" \\\\"}'),
        ("binary", base64.b64encode(bytes(range(256))).decode()),
    ],
    ids=DATA_TYPES,
)
def test_samples_from_a_file_survive_the_way(
    live_emulator: str, tmp_path: Path, protocol: str, data_type: str, sample: str
) -> None:
    file = tmp_path / "samples.txt"
    file.write_text(sample + "\n")
    options: dict[str, Any] = {"protocol": protocol, "data_type": data_type, "payload_file": str(file), "payload": None}
    play(live_emulator, 2, rate="50", **options).assert_whole()


# -- topologies --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("protocol", SUBPROTOCOLS)
def test_group_messages_reach_every_member(live_emulator: str, protocol: str) -> None:
    done = play(live_emulator, 8, scenario="small-group", group_size="4", protocol=protocol, rate="20")
    done.assert_whole()
    assert done.totals.delivered == 4 * done.totals.published
    assert done.count("rtt") == done.totals.published
    assert done.count("delivery") == 3 * done.totals.published


def test_no_echo_spares_the_publisher_and_acks_are_timed(live_emulator: str) -> None:
    done = play(live_emulator, 4, scenario="small-group", no_echo=True, ack=True, rate="20")
    done.assert_whole()
    assert done.totals.delivered == 3 * done.totals.published
    assert done.count("rtt") == 0
    assert done.count("publish_ack") == done.totals.published


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_event_handlers_answer_comes_back(live_emulator: str, protocol: str) -> None:
    done = play(live_emulator, 3, scenario="upstream", protocol=protocol, rate="20")
    done.assert_whole()
    assert done.count("rtt") == done.totals.published


@pytest.mark.parametrize("scenario", ["small-group", "broadcast", "send-to-user"])
def test_one_process_and_three_make_the_same_run(live_emulator: str, scenario: str) -> None:
    options: dict[str, Any] = {"scenario": scenario, "publishers": "4", "rate": "40", "arrival": "poisson"}
    one = play(live_emulator, 10, **options)
    three = play(live_emulator, 10, engines=3, **options)

    def streams(done: object) -> Counter[tuple[int, int]]:
        engines: list[Engine] = done.engines  # type: ignore[attr-defined]
        return Counter((final.stream, final.count) for engine in engines for final in engine.run.ledger.finals())

    for done in (one, three):
        done.assert_whole()
    assert {stream for stream, _ in streams(one)} == {stream for stream, _ in streams(three)}
    assert max(Counter(stream for stream, _ in streams(three)).values()) == 1, "no stream has two publishers"
    assert abs(one.totals.published - three.totals.published) <= 4, "the same schedules, but for the last instant"


def test_two_runs_in_one_hub_do_not_disturb_each_other(live_emulator: str) -> None:
    """Groups and users carry the run's id; what is sent to all is counted apart, as foreign."""
    for scenario, strangers in (("small-group", False), ("send-to-user", False), ("broadcast", True)):
        runs = [
            Run(
                live_emulator,
                4,
                run_id=f"run{n}",
                number=n * 0x9E3779B9 & 0xFFFFFFFF,
                scenario=scenario,
                rate="20",
                hub="shared",
            ).settle()
            for n in (1, 2)
        ]
        for greenlet in gevent.joinall([gevent.spawn(run.measure, 150) for run in runs], raise_error=True):
            assert greenlet.ready()
        first, second = (run.finish() for run in runs)
        for done, other in ((first, second), (second, first)):
            done.assert_whole()
            assert (done.totals.foreign > 0) == strangers
            assert done.totals.foreign <= other.totals.published * 4


# -- REST senders ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("data_type", DATA_TYPES)
@pytest.mark.parametrize("protocol", WEB_PUBSUB)
def test_rest_senders_reach_clients_of_every_protocol(live_emulator: str, protocol: str, data_type: str) -> None:
    options: dict[str, Any] = {"scenario": "broadcast", "protocol": protocol, "data_type": data_type, "publishers": "2"}
    done = play(live_emulator, 3, rate="30", **options)
    done.assert_whole()
    assert done.totals.delivered == 3 * done.totals.published
    assert done.count("delivery") == done.totals.delivered
    assert done.count("rest_publish") == done.totals.published
    assert done.count("rtt") == 0


def test_rest_senders_take_their_users_in_turn(live_emulator: str) -> None:
    done = play(live_emulator, 6, scenario="send-to-user", total_rate="120", publishers="2", duration_ms=300)
    done.assert_whole()
    assert done.totals.delivered == done.totals.published == pytest.approx(36, abs=2)
    counts = [final.count for engine in done.engines for final in engine.run.ledger.finals()]
    assert len(counts) == 6
    assert max(counts) - min(counts) <= 1, "round robin"


def test_busy_requests_make_messages_wait_and_none_fail(live_emulator: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rest_publisher, "IN_FLIGHT", 1)
    run = Run(live_emulator, 1, scenario="send-to-user", rate="200").settle()
    held_back, send = run.engines[0].held_back, RestSender.send_to_user

    def send_when_others_wait(*message: Any) -> None:
        monkeypatch.setattr(RestSender, "send_to_user", send)
        until(lambda: sum(held_back().values()) > 10, "more are due than one request at a time can carry")
        send(*message)

    monkeypatch.setattr(RestSender, "send_to_user", send_when_others_wait)
    done = run.measure(1000).finish()
    assert done.totals.lost == 0
    assert done.totals.published + done.totals.send_failed == 200
    assert done.totals.delivered == done.totals.published
    assert done.count("send_lag") < done.totals.published, "waiting for the service is no lag of the generator"


def test_refused_sends_are_labelled_and_neither_published_nor_lost(live_emulator: str) -> None:
    run = Run(live_emulator, 2, scenario="broadcast", rate="50").settle()
    engine = run.engines[0]
    right = ConnectionString.parse(live_emulator)
    wrong = replace(right, access_key="bm90IHRoZSByaWdodCBrZXkgbm90IHRoZSByaWdodA==")
    config = engine.run.config
    exchange(engine.run, config=replace(config, target=replace(config.target, connection=wrong)))
    done = run.measure(150).finish()
    assert done.totals.published == done.totals.expected == done.totals.lost == 0
    assert done.totals.send_failed > 0
    assert done.snapshot.failures == {("rest_publish", "rest_401"): done.totals.send_failed}
    assert "access key" in run.warnings[0]


def test_closed_loop_keeps_one_request_in_flight_a_sender(live_emulator: str) -> None:
    done = play(live_emulator, 4, scenario="send-to-user", rate="max", publishers="2")
    done.assert_whole()
    counts = [final.count for engine in done.engines for final in engine.run.ledger.finals()]
    assert min(counts) > 1, "every user has its turn"
    assert sum(counts) == done.totals.published


# -- cuts --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["reset", "silent", "close:1001", "close:4000"])
@pytest.mark.parametrize("protocol", [name for name in RELIABLE if name in WEB_PUBSUB])
def test_cut_connections_are_recovered_without_a_loss(live_emulator: str, protocol: str, kind: str) -> None:
    options: dict[str, Any] = {
        "scenario": "recovery",
        "protocol": protocol,
        "cut": f"20/s {kind}",
        "rate": "40",
        "publishers": "50%",
    }
    done = play(live_emulator, 10, duration_ms=500, **options)
    done.assert_whole(held=10)
    assert done.counter("connections_cut") == 10
    assert done.counter("connections_recovered") == done.count("recover") == 10
    assert done.counter("connections_dropped") == done.counter("connections_reconnected") == 0
    assert done.snapshot.failures == {}, "what the scenario provokes is no failure"
    assert done.count("publish_ack") == done.totals.published


def test_replays_of_a_recovery_are_counted_and_are_not_deliveries(live_emulator: str) -> None:
    """Without sequence acks meanwhile, the service sends everything again."""
    run = Run(live_emulator, 2, scenario="recovery", protocol="json-reliable", cut="all@150ms", rate="50").settle()
    engine = run.engines[0]
    engine.populations[0].acknowledge = lambda at_ns: None  # type: ignore[method-assign]
    done = run.measure(300).finish()
    done.assert_whole(held=10)
    assert done.counter("connections_cut") == done.counter("connections_recovered") == 2
    assert done.counter("messages_replayed") > 0
    assert done.counter("sequence_gaps") == 0


def test_clean_close_ends_a_session_so_the_user_connects_again(live_emulator: str) -> None:
    options: dict[str, Any] = {"scenario": "recovery", "protocol": "json-reliable", "cut": "20/s close", "rate": "20"}
    done = play(live_emulator, 10, duration_ms=500, **options)
    done.assert_whole(held=10)
    assert done.counter("connections_cut") == done.counter("connections_reconnected") == 10
    assert done.counter("connections_recovered") == 0
    assert done.snapshot.failures == {}


def test_refused_recovery_is_one_failure_and_a_new_connection(
    live_emulator: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The service answers 101 and closes with 1008: a failed recovery, not another lost connection."""
    gone = {"awps_connection_id": "gone", "awps_reconnection_token": "gone"}
    options: dict[str, Any] = {"scenario": "recovery", "protocol": "protobuf-reliable", "cut": "all@30ms", "rate": "10"}
    run = Run(live_emulator, 3, **options).settle()
    monkeypatch.setattr(Session, "recovery_query", lambda self: gone)
    run.measure(100)
    until(lambda: run.engines[0].open == 3, "everybody back")
    done = run.finish()
    assert done.snapshot.failures == {("recover", "recover_refused"): 3}
    assert done.counter("connections_cut") == done.counter("connections_reconnected") == 3
    assert done.counter("connections_dropped") == done.counter("connections_recovered") == 0


def test_all_idle_users_cut_at_once_come_back(live_emulator: str) -> None:
    run = Run(live_emulator, 20, scenario="idle", cut="all@50ms silent", protocol="simple").settle()
    run.measure(100)
    until(lambda: run.engines[0].open == 20, "everybody back")
    done = run.finish()
    assert done.counter("connections_cut") == done.counter("connections_reconnected") == 20
    assert done.snapshot.failures == {}


def test_a_crowd_that_is_cut_at_once_lets_others_have_their_turn(
    live_emulator: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    happened: list[str] = []
    run = Run(live_emulator, 20, scenario="idle", cut="all@50ms", protocol="simple").settle()
    scheduler = run.engines[0].run.scheduler

    def cut(user: VirtualUser, kind: Cut, code: int) -> bool:
        happened.append("cut")
        if len(happened) == 1:  # due right after the first cut, as a message may be, or the loop's own probe
            scheduler.call_at(now_ns(), lambda _: happened.append("other"))
        return True

    monkeypatch.setattr(VirtualUser, "cut", cut)
    run.measure(100).close()
    assert happened.count("cut") == 20
    assert happened.index("other") < 10, "it does not wait for all of them"


def test_cuts_hit_the_same_users_however_many_processes(live_emulator: str, monkeypatch: pytest.MonkeyPatch) -> None:
    hit: list[tuple[int, Cut]] = []
    engine_of: dict[int, int] = {}

    def cut(self: VirtualUser, kind: Cut, code: int) -> None:
        hit.append((self.role.index, kind))
        engine_of[self.role.index] = id(self._context)

    monkeypatch.setattr(VirtualUser, "cut", cut)
    runs = []
    for engines in (1, 3):
        hit.clear()
        options: dict[str, Any] = {"scenario": "recovery", "protocol": "json-reliable", "cut": "40/s"}
        play(live_emulator, 9, engines=engines, duration_ms=250, **options)
        runs.append(list(hit))
    assert len(set(engine_of.values())) == 3
    for engine in set(engine_of.values()):  # each in its order: a late loop cuts what is due of one, then of the next
        one, several = ([each for each in run if engine_of[each[0]] == engine] for run in runs)
        assert one == several
    assert len(runs[0]) == len(runs[1]) == 10
    assert len({index for index, _ in runs[0][:9]}) == 9, "nobody twice before everybody once"
    assert {kind for _, kind in runs[0]} == {Cut.RESET}
