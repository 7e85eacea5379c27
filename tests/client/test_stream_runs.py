"""The scenario `stream`: whole runs against the emulator, and what goes wrong between publisher and service."""

from __future__ import annotations

from typing import Any

import gevent
import pytest
from wsproto import events as ws

from tests.client.api_engines import client_of, make
from tests.client.connection_peer import Peer
from tests.client.engine_runs import Done, Run, play, until
from tests.client.json_service import JsonService, ack, say
from tests.client.stream_service import StreamService
from wps_load.client.engine import Engine
from wps_load.clock import NS_PER_S
from wps_load.measure.causes import Cause
from wps_load.protocol.traits import STREAMING

OPTIONS: dict[str, Any] = {"scenario": "stream", "rate": "50", "stream_length": "200ms", "group_size": "3"}


SEVERAL = [("1", "50"), ("5", "250")]
"""Streams at once, and the rate at which each has fifty fragments a second."""
DRAIN_NS = 300_000_000
"""Where something never comes: what does come comes in milliseconds."""


def failed_by(done: Done) -> dict[Cause, int]:
    return {cause: count for cause, count in (done.totals.send_failed_by or {}).items() if count}


@pytest.mark.parametrize("protocol", STREAMING)
@pytest.mark.parametrize("data_type", ["text", "json", "binary"])
def test_each_stream_is_heard_to_its_end(live_emulator: str, protocol: str, data_type: str) -> None:
    done = play(live_emulator, 6, protocol=protocol, duration_ms=300, data_type=data_type, **OPTIONS)
    done.assert_whole()
    started = done.counter("streams_started")
    assert started >= 4
    assert done.counter("streams_ended") == done.count("stream_start") == done.count("stream_end") == started
    assert done.counter("streams_heard_whole") == done.count("first_fragment") == 2 * started
    assert done.totals.delivered == done.count("delivery") == 2 * done.totals.published
    assert done.count("fragment_gap") == done.count("delivery") - done.count("first_fragment")
    assert done.snapshot.failures == {}
    assert (done.count("rtt"), done.counter("streams_cut_off"), done.counter("fragments_replayed")) == (0, 0, 0)


def test_a_publisher_has_several_streams_open_at_once(live_emulator: str) -> None:
    done = play(live_emulator, 6, duration_ms=300, **{**OPTIONS, "streams": "7", "rate": "350"})
    done.assert_whole()
    started = done.counter("streams_started")
    assert started >= 2 * 7
    assert done.counter("streams_ended") == done.count("stream_start") == done.count("stream_end") == started
    assert done.counter("streams_heard_whole") == done.count("first_fragment") == 2 * started
    assert done.snapshot.failures == {}


def test_the_end_of_a_stream_that_the_runs_end_cuts_short_is_due_when_that_is_reported(
    live_emulator: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    late_ns = 60 * NS_PER_S
    stop = Engine.stop_publishing
    monkeypatch.setattr(Engine, "stop_publishing", lambda engine, end_ns: stop(engine, end_ns - late_ns))
    done = play(live_emulator, 3, **{**OPTIONS, "stream_length": "1m"})
    assert done.count("stream_end") == done.counter("streams_started") == 1
    longest = done.snapshot.histograms["stream_end"].max
    assert longest is not None
    assert longest < late_ns, "the time until it is told is none that the service has taken"


def test_the_streams_of_two_processes_are_accounted_for_together(live_emulator: str) -> None:
    done = play(live_emulator, 6, engines=2, **OPTIONS)
    done.assert_whole()
    assert done.counter("streams_heard_whole") == 2 * done.counter("streams_ended") > 0


@pytest.mark.parametrize("protocol", [name for name in STREAMING if name.endswith("reliable")])
@pytest.mark.parametrize(("streams", "rate"), SEVERAL)
def test_streams_go_on_over_recoveries(live_emulator: str, protocol: str, streams: str, rate: str) -> None:
    options = {**OPTIONS, "streams": streams, "rate": rate}
    done = play(live_emulator, 6, protocol=protocol, duration_ms=1500, cut="8/s reset", **options)
    totals = done.totals
    assert done.counter("connections_recovered") > 0
    assert (totals.lost, totals.duplicated, totals.reordered, totals.corrupted) == (0, 0, 0, 0)
    assert totals.expected == totals.delivered
    assert totals.published > 0
    assert done.counter("streams_failed") == done.counter("streams_cut_off") == 0
    assert done.counter("streams_ended") == done.counter("streams_started")
    assert done.snapshot.failures == {}


def test_with_a_connection_that_cannot_be_recovered_its_streams_are_gone(live_emulator: str) -> None:
    """The cuts are the plan's: what was on its way is owed by nobody."""
    done = play(live_emulator, 6, duration_ms=1500, cut="8/s reset", drain_ns=DRAIN_NS, **OPTIONS)
    assert done.counter("connections_cut") > 0
    assert done.counter("streams_started") > done.counter("streams_ended")
    assert done.totals.expected == done.totals.delivered + (done.totals.lost or 0)


def test_a_service_that_answers_no_start_is_one_without_streams() -> None:
    with JsonService(ack) as service:
        run = Run(service.connection_string, 3, answer_timeout="200ms", **OPTIONS).settle().measure(700)
        done = run.finish()
        started = done.counter("streams_started")
        assert done.snapshot.failures == {("stream_start", "stream_start_timeout"): started}
        assert started > 0
        assert (done.totals.published, done.totals.lost) == (0, 0), "no fragment may leave before"
        assert failed_by(done) == {Cause.SERVICE: done.totals.send_failed}
        assert service.count("streamData") == 0
        until(lambda: service.count("streamEnd") == started, "no stream stays open, should it have begun")


def test_a_refusal_fails_the_start_and_its_fragments() -> None:
    def forbids(peer: Peer, message: dict[str, Any], expected: int) -> bool:
        if message["type"] == "sendToGroup":
            service.close(peer, message["stream"]["streamId"], expected, "Forbidden")
        return True

    with StreamService(answers=forbids) as service:
        done = play(service.connection_string, 3, duration_ms=500, **OPTIONS)
        started = done.counter("streams_started")
        assert done.snapshot.failures == {("stream_start", "stream_start_forbidden"): started}
        assert started > 1, "the next one begins when this one would have ended"
        assert failed_by(done) == {Cause.SERVICE: done.totals.send_failed}
        assert (done.totals.published, done.counter("streams_failed")) == (0, started)


@pytest.mark.parametrize(("streams", "rate"), SEVERAL)
def test_a_stream_that_is_closed_early_is_cut_off_and_the_rest_of_it_has_failed(streams: str, rate: str) -> None:
    def closes(peer: Peer, message: dict[str, Any], expected: int) -> bool:
        if message.get("streamSequenceId") != 3:
            return False
        service.close(peer, message["streamId"], expected, "IdleTimeout")
        return True

    with StreamService(answers=closes) as service:
        options = {**OPTIONS, "streams": streams, "rate": rate}
        done = play(service.connection_string, 3, duration_ms=500, drain_ns=DRAIN_NS, **options)
        failed = done.counter("streams_failed")
        assert done.snapshot.failures == {("stream_end", "stream_end_idle_timeout"): failed}
        assert failed > 0
        assert done.counter("streams_cut_off") == 2 * failed
        assert failed_by(done) == {Cause.SERVICE: done.totals.send_failed}
        assert done.totals.lost == 2 * (done.totals.published - 2 * failed) > 0, "the third fragments had left"


@pytest.mark.parametrize(("streams", "rate"), SEVERAL)
@pytest.mark.parametrize("name", ["TransientError", "InvalidSequenceId"])
def test_a_nack_has_fragments_sent_again_and_nothing_is_lost(name: str, streams: str, rate: str) -> None:
    refused: set[str] = set()

    def refuses(peer: Peer, message: dict[str, Any], expected: int) -> bool:
        if message.get("streamSequenceId") != 2 or message["streamId"] in refused:
            return False
        refused.add(message["streamId"])
        service.nack(peer, message["streamId"], expected, name)
        return True

    with StreamService(answers=refuses) as service:
        done = play(service.connection_string, 3, duration_ms=500, **{**OPTIONS, "streams": streams, "rate": rate})
        done.assert_whole()
        assert done.counter("stream_nacks") >= len(refused) > 0
        assert done.counter("fragments_replayed") >= len(refused)
        assert done.totals.reordered == 0, "what is sent again is in the order of its stream"
        assert done.counter("streams_ended") == done.counter("streams_started")


def test_an_ack_of_what_was_never_sent_ends_the_stream() -> None:
    def acknowledges_too_much(peer: Peer, message: dict[str, Any], expected: int) -> bool:
        if message["type"] != "streamData":
            return False
        service.acknowledge(peer, message["streamId"], 1000)
        return True

    with StreamService(answers=acknowledges_too_much) as service:
        done = play(service.connection_string, 3, duration_ms=300, drain_ns=DRAIN_NS, **OPTIONS)
        failed = done.counter("streams_failed")
        assert done.snapshot.failures == {("stream_end", "stream_end_protocol_violation"): failed}
        ends = [message for message in service.json.messages if message["type"] == "streamEnd"]
        assert {message["error"]["userErrorCode"] for message in ends} == {"ProtocolViolation"}


def test_an_end_that_nobody_hears_of_is_a_stream_cut_off() -> None:
    with StreamService() as service:
        service.ends = False
        done = play(service.connection_string, 3, duration_ms=300, drain_ns=DRAIN_NS, **OPTIONS)
        assert done.totals.lost == 0
        assert done.counter("streams_ended") == done.counter("streams_started") > 0
        assert done.counter("streams_cut_off") == 2 * done.counter("streams_started")


def test_an_end_that_is_not_answered_has_failed() -> None:
    def silent(peer: Peer, message: dict[str, Any], expected: int) -> bool:
        return bool(message["type"] == "streamEnd")

    with StreamService(answers=silent) as service:
        done = play(service.connection_string, 3, duration_ms=300, answer_timeout="200ms", drain_ns=DRAIN_NS, **OPTIONS)
        failures = done.snapshot.failures
        assert failures == {("stream_end", "stream_end_timeout"): done.counter("streams_started")}
        assert done.totals.lost == 0


def test_a_connection_that_is_dropped_takes_its_streams_with_it() -> None:
    def drops(peer: Peer, message: dict[str, Any], expected: int) -> bool:
        if message.get("streamSequenceId") == 3:
            peer.send(ws.CloseConnection(1011))
        return bool(message.get("streamSequenceId", 0) >= 3)

    with StreamService(answers=drops) as service:
        done = play(service.connection_string, 3, duration_ms=300, drain_ns=DRAIN_NS, **OPTIONS)
        assert done.snapshot.failures["stream_end", "stream_end_connection_lost"] >= 1
        assert done.counter("streams_cut_off") >= 2


def test_a_stream_of_somebody_else_is_foreign() -> None:
    with StreamService() as service:
        run = Run(service.connection_string, 3, **OPTIONS).settle()
        measuring = gevent.spawn(run.measure, 300)
        until(lambda: run.engines[0].totals().delivered, "the window is open")
        service.strange("not-of-this-run")
        done = measuring.get().finish()
        assert done.totals.foreign >= 3
        assert done.totals.lost == 0


def test_to_a_task_a_fragment_is_a_message_and_the_end_of_a_stream_none() -> None:
    def streams(peer: Peer, message: dict[str, Any]) -> None:
        ack(peer, message)
        for number, data in enumerate(("a", "b", "", "c"), 1):
            stream = {"streamId": "s", "streamSequenceId": number, "endOfStream": not data}
            fields = {"group": "g", "dataType": "text", "data": data, "stream": stream}
            say(peer, type="message", **{"from": "group"}, **fields)

    with JsonService(streams) as service:
        engine = make(service)  # type: ignore[arg-type]  # it has a connection string as well
        client = client_of(engine)
        client.join_group("g")
        came = [client.receive(timeout=5) for _ in range(3)]
        assert [each and each.data for each in came] == ["a", "b", "c"]
        engine.close()
