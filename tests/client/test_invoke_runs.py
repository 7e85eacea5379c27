"""Invocations of scenarios and of tasks: timed by their own responses, failed once each, and never sent again."""

from __future__ import annotations

from typing import Any

import gevent
import pytest
from wsproto import events as ws

from tests.client.api_engines import client_of, count, make, taken
from tests.client.connection_peer import Peer
from tests.client.engine_runs import Run, play, until
from tests.client.json_service import JsonService, OnMessage, ack, say
from wps_load.emulator.process import EmulatorProcess
from wps_load.errors import Finding, LocalProtocolError
from wps_load.protocol.traits import INVOKING, NO_INVOKE
from wps_load.settings.load import load

OPTIONS: dict[str, Any] = {"scenario": "invoke", "rate": "40"}


def answering(**fields: Any) -> OnMessage:
    """A service that answers each invocation with these fields of a response."""

    def on_message(peer: Peer, message: dict[str, Any]) -> None:
        ack(peer, message)
        if message["type"] == "invoke":
            say(peer, type="invokeResponse", invocationId=message["invocationId"], **fields)

    return on_message


@pytest.mark.program
@pytest.mark.parametrize("protocol", INVOKING)
def test_each_invocation_has_its_response(protocol: str) -> None:
    with EmulatorProcess.start() as emulator:
        done = play(emulator.connection_string, 3, protocol=protocol, **OPTIONS)
        done.assert_whole()
        assert done.count("invoke") == done.totals.delivered == done.totals.published
        assert (done.count("rtt"), done.count("delivery")) == (0, 0)
        closed = play(emulator.connection_string, 2, protocol=protocol, scenario="invoke", rate="max")
        closed.assert_whole()
        assert closed.count("invoke") == closed.totals.published > 2


def test_an_answer_of_the_handlers_own_is_one_all_the_same() -> None:
    with JsonService(answering(success=True, dataType="json", data={"answer": 42})) as service:
        done = play(service.connection_string, 2, **OPTIONS)
        done.assert_whole()
        assert done.count("invoke") == done.totals.published


@pytest.mark.parametrize(
    ("fields", "label"),
    [
        ({"success": False, "error": {"name": "Forbidden", "message": "m"}}, "invoke_forbidden"),
        ({"success": False, "error": {"name": "What the handler likes", "message": "m"}}, "invoke_other"),
        ({"success": "yes"}, "invoke_malformed"),
    ],
)
def test_errors_are_failures_by_name_and_no_losses(fields: dict[str, Any], label: str) -> None:
    with JsonService(answering(**fields)) as service:
        run = Run(service.connection_string, 2, **OPTIONS).settle().measure(150)
        run.await_failures(run.engines[0].totals().published)
        done = run.finish()
        assert done.snapshot.failures == {("invoke", label): done.totals.published}
        assert (done.totals.lost, done.totals.delivered, done.count("invoke")) == (0, 0, 0)
        assert done.totals.published > 0


def test_what_is_never_answered_fails_once_is_cancelled_and_is_lost() -> None:
    with JsonService(ack) as service:
        run = Run(service.connection_string, 1, answer_timeout="200ms", **OPTIONS).settle().measure(300)
        run.await_failures(1)
        done = run.finish()
        sent = done.totals.published
        assert done.snapshot.failures == {("invoke", "invoke_timeout"): sent}
        assert done.totals.lost == sent > 0
        assert done.counter("invocations_cancelled") == sent
        ids = {message["invocationId"] for message in service.messages if message["type"] == "cancelInvocation"}
        assert ids <= {message["invocationId"] for message in service.messages if message["type"] == "invoke"}
        histogram = done.snapshot.histograms["invocations_pending"]
        assert histogram.max is not None
        assert 1 < histogram.max <= sent


def test_those_that_are_pending_fail_at_once_when_their_connection_ends() -> None:
    def dropping(peer: Peer, message: dict[str, Any]) -> None:
        if message["type"] == "invoke":
            peer.send(ws.CloseConnection(1011))

    with JsonService(dropping) as service:
        run = Run(service.connection_string, 1, **OPTIONS).settle().measure(300)
        failures = run.engines[0].run.recorder.peek().failures
        assert failures["invoke", "invoke_connection_lost"] >= 1, "long before the time limit"
        run.close()


def test_a_response_to_nothing_and_a_message_of_an_unknown_type_are_counted_and_no_more() -> None:
    def odd(peer: Peer, message: dict[str, Any]) -> None:
        if message["type"] == "invoke":
            say(peer, type="groupStateUpdate", group="g", items=[])
            for _ in range(2):
                say(peer, type="invokeResponse", invocationId=message["invocationId"], success=True)

    with JsonService(odd) as service:
        done = play(service.connection_string, 1, **OPTIONS)
        done.assert_whole()
        assert done.counter("responses_unknown") == done.totals.published
        assert done.counter("messages_unknown") == done.totals.published


def test_a_task_gets_the_answer_of_its_own_call() -> None:
    def on_message(peer: Peer, message: dict[str, Any]) -> None:
        if message["type"] == "invoke" and message["event"] != "silent":
            fields: dict[str, Any] = {name: message[name] for name in ("dataType", "data") if name in message}
            error = {"name": "Forbidden", "message": "no"}
            failed: dict[str, Any] = {"success": False, "error": error}
            answered: dict[str, Any] = {"success": True} | fields
            outcome = failed if message["event"] == "no" else answered
            say(peer, type="invokeResponse", invocationId=message["invocationId"], **outcome)

    with JsonService(on_message) as service:
        engine = make(service)  # type: ignore[arg-type]  # it has a connection string as well
        client = client_of(engine)
        for data in ("text", b"\x00", {"a": [1]}, None):
            response = client.invoke("e", data)
            assert (response.success, response.data) == (True, data)
        with pytest.raises(Finding, match="Forbidden") as refused:
            client.invoke("no", "x")
        assert refused.value.label == "invoke_forbidden"
        with pytest.raises(Finding) as late:
            client.invoke("silent", timeout=0.05)
        assert late.value.label == "invoke_timeout"
        until(lambda: service.count("cancelInvocation") == 1, "the cancel")
        waiting = gevent.spawn(client.invoke, "silent")
        until(lambda: sum(message.get("event") == "silent" for message in service.messages) == 2, "it was sent")
        service.peers[0].send(ws.CloseConnection(1011))
        with pytest.raises(Finding) as lost:
            waiting.get()
        assert lost.value.label == "invoke_connection_lost"
        snapshot = taken(engine)
        assert count(snapshot, "invoke") == 4
        assert {label for metric, label in snapshot.failures if metric == "invoke"} == {
            "invoke_forbidden", "invoke_timeout", "invoke_connection_lost"
        }  # fmt: skip
        engine.close()


def test_a_protocol_without_invocations_refuses_the_call() -> None:
    with JsonService() as service:
        engine = make(service, protocol="protobuf")  # type: ignore[arg-type]
        with pytest.raises(LocalProtocolError, match=NO_INVOKE):
            client_of(engine).invoke("e", "x")
        engine.close()


@pytest.mark.parametrize("options", [{"protocol": "protobuf"}, {"protocol": "simple"}, {"ack": True}])
def test_options_that_do_not_go_with_invocations_are_refused(options: dict[str, Any]) -> None:
    values = {f"wps_{name}": value for name, value in {"scenario": "invoke", **options}.items()}
    with pytest.raises(Exception, match=r"public|no ack"):
        load(values, users=2, spawn_rate=2, environ={})
