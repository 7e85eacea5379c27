"""Acks that never come, come late, or come for nothing: counted once each, by label, and never a reason to end."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import gevent
import pytest
from wsproto import events as ws

from tests.client.connection_peer import Peer
from tests.client.engine_runs import Run, until
from tests.client.json_service import JsonService, ack, echo, say, usual
from wps_load.client import rest_publisher
from wps_load.measure.snapshot import Snapshot

LIMIT: dict[str, Any] = {"answer_timeout": "200ms"}


def silent_about(*kinds: str) -> Callable[[Peer, dict[str, Any]], None]:
    """Never acknowledges requests of these kinds."""

    def on_message(peer: Peer, message: dict[str, Any]) -> None:
        echo(peer, message)
        if message["type"] not in kinds:
            ack(peer, message)

    return on_message


def snapshot(run: Run) -> Snapshot:
    return run.engines[0].run.recorder.peek()


def counted_open(run: Run) -> int:
    """The connections that count as open at this moment."""
    return run.engines[0].populations[0].connections.open_time.count


def failures(run: Run) -> dict[tuple[str, str], int]:
    return snapshot(run).failures


def test_publications_without_an_ack_have_failed_each_once() -> None:
    with JsonService(silent_about("sendToGroup")) as service:
        done = Run(service.connection_string, 2, ack=True, rate="20", **LIMIT).settle().measure(400).finish()
        assert done.totals.published >= 14
        assert done.snapshot.failures == {("publish_ack", "ack_timeout"): done.totals.published}
        row = done.snapshot.row("publish_ack")
        assert row["count"] == row["failures"] == done.totals.published, "so that fail_ratio is 100 %"
        assert done.totals.delivered == done.totals.published, "the messages themselves came"


def test_an_ack_after_its_failure_is_late_and_counts_no_more() -> None:
    held: list[tuple[Peer, dict[str, Any]]] = []

    def on_message(peer: Peer, message: dict[str, Any]) -> None:
        echo(peer, message)
        held.append((peer, message)) if message["type"] == "sendToGroup" else ack(peer, message)

    with JsonService(on_message) as service:
        run = Run(service.connection_string, 1, ack=True, rate="20", **LIMIT).settle().measure(150)
        published = len(held)
        run.await_failures(published)
        for peer, message in held:
            ack(peer, message)
        until(lambda: snapshot(run).counters.get("acks_late") == published, "late")
        done = run.finish()
        assert done.snapshot.failures == {("publish_ack", "ack_timeout"): published}
        assert done.count("publish_ack") == 0
        assert "acks_unknown" not in done.snapshot.counters


def test_what_was_pending_when_a_connection_went_for_good_has_failed() -> None:
    sent = 0

    def on_message(peer: Peer, message: dict[str, Any]) -> None:
        nonlocal sent
        if message["type"] != "sendToGroup":
            return ack(peer, message)
        sent += 1
        if sent == 3:
            peer.send(ws.CloseConnection(1001, "going away"))
        return None

    with JsonService(on_message) as service:
        run = Run(service.connection_string, 1, ack=True, rate="20", answer_timeout="9s").settle().measure(200)
        until(lambda: failures(run).get(("publish_ack", "ack_connection_lost"), 0) >= 3, "told")
        run.close()
        assert ("publish_ack", "ack_timeout") not in failures(run)


def test_a_connection_that_is_closed_by_plan_owes_no_answer() -> None:
    with JsonService(silent_about("sendToGroup")) as service:
        run = Run(service.connection_string, 1, ack=True, rate="20", answer_timeout="9s").settle().measure(100)
        engine = run.engines[0]
        assert engine.run.answers.awaited
        engine.dismiss(engine.populations[0].users[0])
        until(lambda: not engine.run.answers.awaited, "nothing is waited for")
        engine.run.answers.end()
        assert failures(run) == {}
        run.close()


def test_a_member_whose_join_was_never_answered_settles_and_has_failed_once() -> None:
    with JsonService(silent_about("joinGroup")) as service:
        run = Run(service.connection_string, 3, **LIMIT)
        beat = gevent.spawn(run.beat)
        run.settle()
        assert failures(run) == {("join_group", "join_timeout"): 3}
        assert run.engines[0].status[2:] == (3, 0)
        assert counted_open(run) == 0, "who hears nothing is no open connection of a run"
        beat.kill()
        run.close()


def test_a_member_whose_join_is_acknowledged_late_is_a_member_from_then_on() -> None:
    joins: list[tuple[Peer, dict[str, Any]]] = []

    def on_message(peer: Peer, message: dict[str, Any]) -> None:
        joins.append((peer, message)) if message["type"] == "joinGroup" else usual(peer, message)

    with JsonService(on_message) as service:
        run = Run(service.connection_string, 1, rate="50", **LIMIT)
        beat = gevent.spawn(run.beat)
        run.settle()
        beat.kill()
        receiver = run.engines[0].populations[0].users[0].receiver
        assert receiver.memberships == {}
        assert counted_open(run) == 0
        ack(*joins[0])
        until(lambda: snapshot(run).counters.get("acks_late") == 1, "late")
        assert run.engines[0].status.joined == 1
        assert counted_open(run) == 1
        done = run.measure(100).finish()
        assert done.snapshot.failures == {("join_group", "join_timeout"): 1}
        assert done.count("join_group") == 0
        done.assert_whole()


@pytest.mark.parametrize("ack_id", ['"1"', "null", "1.5", "-1", "true", "9" * 40, "77"])
def test_acks_of_no_request_end_nothing_and_are_counted(ack_id: str) -> None:
    def on_message(peer: Peer, message: dict[str, Any]) -> None:
        if message["type"] == "joinGroup":
            peer.send(ws.TextMessage(f'{{"type":"ack","ackId":{ack_id},"success":true}}'))
            say(peer, type="ack", success=True)
        usual(peer, message)

    with JsonService(on_message) as service:
        done = Run(service.connection_string, 2, rate="20").settle().measure(100).finish()
        assert done.snapshot.failures == {}
        assert done.counter("acks_unknown") == 4
        done.assert_whole()


# -- REST --------------------------------------------------------------------------------------------------------------


@pytest.fixture
def short_finish(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rest_publisher, "FINISH_S", 0.02)


@pytest.mark.usefixtures("short_finish")
@pytest.mark.parametrize("delivers", [True, False])
def test_a_rest_send_without_an_answer_has_failed_and_its_message_is_expected_where_it_comes(delivers: bool) -> None:
    def on_rest(service: JsonService, body: str) -> None:
        if delivers:
            service.broadcast(body)

    with JsonService(on_rest=on_rest) as service:
        run = Run(service.connection_string, 2, scenario="broadcast", rate="20", **LIMIT).settle()
        done = run.measure(300).finish()
        totals = done.totals
        assert totals.published >= 5
        assert totals.send_failed == 0, "its bytes have left"
        assert done.snapshot.failures == {("rest_publish", "rest_timeout"): totals.published}
        assert (totals.expected, totals.lost) == (2 * totals.published if delivers else 0, 0)
        assert any("unknown" in warning for warning in run.warnings)


@pytest.mark.parametrize(("status", "sent"), [(504, True), (502, True), (500, False), (429, False)])
def test_a_gateways_answer_says_nothing_about_the_message_a_refusal_does(status: int, sent: bool) -> None:
    with JsonService(on_rest=lambda service, body: status) as service:
        done = Run(service.connection_string, 1, scenario="broadcast", rate="40").settle().measure(100).finish()
        totals = done.totals
        assert (totals.published > 0, totals.send_failed > 0) == (sent, not sent)
        assert done.snapshot.failures == {
            ("rest_publish", f"rest_{status}"): totals.published + totals.send_failed,
        }
        assert totals.lost == 0


@pytest.mark.usefixtures("short_finish")
def test_a_response_that_comes_in_the_drain_is_timed_and_no_failure() -> None:
    def on_rest(service: JsonService, body: str) -> int:
        service.broadcast(body)
        gevent.sleep(0.15)
        return 202

    with JsonService(on_rest=on_rest) as service:
        run = Run(service.connection_string, 1, scenario="broadcast", rate="50", answer_timeout="5s").settle()
        done = run.measure(100).finish()
        assert done.snapshot.failures == {}
        assert done.count("rest_publish") == done.totals.published
        done.assert_whole()
