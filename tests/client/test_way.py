"""doctor's checks against a scripted target: one cause gives one failure, and dependent checks are skipped."""

from __future__ import annotations

import socket
from collections.abc import Callable
from typing import Any

import orjson
import pytest

from tests.client.connection_peer import Peer
from tests.client.engine_runs import settings
from tests.client.health_service import HealthService
from tests.client.json_service import JsonService, ack, say, usual
from tests.client.loopback import Server, upgrade_answer
from wps_load.client.checks import Check, Level
from wps_load.client.stream import Network
from wps_load.client.way import Way
from wps_load.settings.load import load
from wps_load.settings.run_config import RunConfig

PASS, WARN, FAIL, SKIP = Level.PASS, Level.WARN, Level.FAIL, Level.SKIP


class Target(HealthService):
    def walk(self, *only: str, limit: str = "5s", **options: Any) -> dict[str, Check]:
        """The checks by name, of a run with these options."""
        return walked(settings(self.connection_string, 1, connect_timeout=limit, **options), *only)


def walked(config: RunConfig, *only: str, run_s: float | None = None) -> dict[str, Check]:
    return {check.name: check for check in Way(config, Network.create(insecure=True), run_s).checks(only)}


def levels(found: dict[str, Check]) -> dict[str, Level]:
    return {name: check.level for name, check in found.items()}


def refusing(*kinds: str) -> Callable[[Peer, dict[str, Any]], None]:
    """Requests of these kinds are forbidden."""

    def on_message(peer: Peer, message: dict[str, Any]) -> None:
        if message["type"] in kinds:
            say(peer, type="ack", ackId=message["ackId"], success=False, error={"name": "Forbidden", "message": "no"})
        else:
            usual(peer, message)

    return on_message


def test_a_way_that_is_well_from_end_to_end() -> None:
    with Target() as service:
        found = service.walk()
        assert levels(found) == {
            "client URL": PASS, "token": PASS, "name": PASS, "TCP": PASS, "TLS": SKIP, "health": PASS,
            "clock": PASS, "upgrade": PASS, "echo": PASS, "REST": SKIP,
        }  # fmt: skip
        assert found["upgrade"].found.startswith("json.webpubsub.azure.v1, in ")
        assert found["echo"].found.startswith("through a group in ")
        assert "Server: the test" in found["health"].found
        assert service.count("joinGroup") == service.count("sendToGroup") == 1


def test_the_clock_is_judged_by_the_date_of_the_health_endpoint() -> None:
    with Target() as service:
        service.clock_ahead_s = 3600.0
        check = service.walk()["clock"]
        assert (check.level, check.found.split(" ", 2)[2]) == (FAIL, "behind the target's")


def test_a_health_endpoint_that_is_not_well_is_a_warning_and_no_ground_of_anything() -> None:
    with Target() as service:
        service.health = "HTTP/1.1 503 Unavailable\r\nContent-Length: 0\r\n"
        found = service.walk()
        assert (found["health"].level, found["echo"].level) == (WARN, PASS)


def test_a_health_endpoint_that_says_nothing_leaves_the_clock_unknown() -> None:
    with Target() as service:
        service.health = "nonsense\r\n"
        found = service.walk()
        assert (found["health"].level, found["clock"].level, found["echo"].level) == (WARN, SKIP, PASS)


def test_a_run_begins_with_one_connection_and_no_message() -> None:
    with Target() as service:
        way = Way(settings(service.connection_string, 1), Network.create(insecure=True), None)
        assert [(check.name, check.level) for check in way.quick()] == [("client URL", PASS), ("upgrade", PASS)]
        assert (service.connections, service.messages) == (1, [])


def test_nobody_listens() -> None:
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        string = f"Endpoint=http://127.0.0.1:{bound.getsockname()[1]};AccessKey={'k' * 44};Version=1.0;"
        found = walked(settings(string, 1))
    assert found["TCP"].level is FAIL
    behind = [found[name] for name in ("TLS", "health", "clock", "upgrade", "echo", "REST")]
    assert {(check.level, check.found) for check in behind} == {(SKIP, "TCP failed")}


def test_a_refused_upgrade_is_the_one_failure() -> None:
    with Target() as service:
        service.refusal = "HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\n\r\n"
        found = service.walk()
        assert [name for name, check in found.items() if check.level is FAIL] == ["upgrade"]
        assert found["upgrade"].label == "http_401"
        assert found["echo"].found == found["REST"].found == "upgrade failed"


@pytest.mark.parametrize(
    ("on_message", "label", "advice"),
    [
        (refusing("joinGroup"), "ack_forbidden", "webpubsub.joinLeaveGroup"),
        (refusing("sendToGroup"), "ack_forbidden", "webpubsub.sendToGroup"),
        (lambda peer, message: None, "ack_timeout", "the state of the resource"),
        (ack, "no_answer", "the state of the resource"),
    ],
    ids=["no join", "no publication", "no answer", "no copy"],
)
def test_what_an_echo_fails_by(on_message: Callable[[Peer, dict[str, Any]], None], label: str, advice: str) -> None:
    with Target(on_message) as service:
        check = service.walk("client URL", "upgrade", "echo", limit="200ms")["echo"]
        assert (check.level, check.label) == (FAIL, label)
        assert advice in check.advice


def test_a_connection_that_ends_under_a_wait_says_how() -> None:
    with Target(lambda peer, message: peer.sock.close()) as service:
        check = service.walk("client URL", "upgrade", "echo")["echo"]
        assert (check.level, check.label) == (FAIL, "closed_1006")


def answered(kind: str, **fields: Any) -> Callable[[Peer, dict[str, Any]], None]:
    """An event handler: events come back as messages, invocations have these fields in their response."""

    def on_message(peer: Peer, message: dict[str, Any]) -> None:
        if message["type"] == "event":
            said = {name: message[name] for name in ("dataType", "data")}
            say(peer, type="message", **{"from": "server"}, **said)
        elif message["type"] == "invoke":
            say(peer, type="invokeResponse", invocationId=message["invocationId"], **fields)
        ack(peer, message)

    return on_message


SUCCESS = {"success": True, "dataType": "text", "data": "anything"}
FORBIDDEN = {"success": False, "error": {"name": "Forbidden", "message": "not you"}}


@pytest.mark.parametrize(
    ("scenario", "fields", "level", "said"),
    [
        ("upstream", {}, PASS, "the event handler answered in "),
        ("invoke", SUCCESS, PASS, "an invocation was answered in "),
        ("invoke", FORBIDDEN, FAIL, "an invocation failed (Forbidden): not you [invoke_forbidden]"),
        ("idle", {}, SKIP, "no user publishes in idle"),
        ("broadcast", {}, SKIP, "no user publishes in broadcast"),
    ],
)
def test_the_echo_is_of_the_scenarios_kind(scenario: str, fields: dict[str, Any], level: Level, said: str) -> None:
    with Target(answered(scenario, **fields)) as service:
        check = service.walk("client URL", "upgrade", "echo", scenario=scenario)["echo"]
        assert check.level is level
        assert check.found.startswith(said)


def test_an_event_handler_that_says_nothing() -> None:
    with Target(ack) as service:
        for scenario, label in (("upstream", "no_answer"), ("invoke", "invoke_timeout")):
            check = service.walk("client URL", "upgrade", "echo", limit="200ms", scenario=scenario)["echo"]
            assert (check.level, check.label) == (FAIL, label)


@pytest.mark.parametrize(("scenario", "whom"), [("broadcast", "connection"), ("send-to-user", "connection")])
def test_rest_is_tried_where_the_scenario_sends_so_and_to_our_connection_only(scenario: str, whom: str) -> None:
    def on_rest(service: JsonService, body: str) -> int:
        service.broadcast(body)
        return 202

    with Target(on_rest=on_rest) as service:
        check = service.walk("client URL", "upgrade", "REST", scenario=scenario)["REST"]
        assert (check.level, check.found.split(",")[0]) == (PASS, f"sent to one {whom}")
        assert levels(service.walk("client URL", "upgrade", "REST"))["REST"] is SKIP


def test_rest_that_is_refused() -> None:
    with Target(on_rest=lambda service, body: 403) as service:
        check = service.walk("client URL", "upgrade", "REST", scenario="broadcast")["REST"]
        assert (check.level, check.label) == (FAIL, "rest_403")


def test_a_negotiated_url_is_requested_once_and_its_token_read() -> None:
    with Target() as service:
        place = service.connection_string.partition("http://")[2].partition(";")[0]
        url = f"ws://{place}/client/hubs/h?access_token=no-jwt"

        def script(sock: Any, head: str) -> None:
            body = orjson.dumps({"url": url})
            sock.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(body))
            sock.sendall(body)

        with Server(script) as app:
            asked = {"wps_negotiate_url": f"http://127.0.0.1:{app.port}/negotiate", "wps_scenario": "idle"}
            found = walked(load(asked, users=1, spawn_rate=1.0, environ={}))
        assert len(app.heads) == 1
        assert found["client URL"].found.startswith("negotiated in ")
        assert (found["token"].level, found["token"].found) == (FAIL, "the URL's access_token is not a JWT")
        assert found["upgrade"].level is PASS, "a token that nobody here can read may open the connection"


def test_a_negotiate_endpoint_that_refuses_ends_all_of_it() -> None:
    def script(sock: Any, head: str) -> None:
        sock.sendall(b"HTTP/1.1 500 Oh\r\nContent-Length: 0\r\n\r\n")

    with Server(script) as app:
        asked = {"wps_negotiate_url": f"http://127.0.0.1:{app.port}/negotiate"}
        found = walked(load(asked, users=1, spawn_rate=1.0, environ={}))
    assert levels(found) == {name: FAIL if name == "client URL" else SKIP for name in found}
    assert found["REST"].found == "client URL failed"


def test_a_token_that_ends_before_the_run_is_reported_before_it() -> None:
    with Target() as service:
        config = settings(service.connection_string, 1, token_lifetime="60s")
        assert walked(config, "client URL", "token", run_s=30)["token"].level is PASS
        assert walked(config, "client URL", "token", run_s=90)["token"].level is WARN


def test_a_simple_client_needs_no_connected_message() -> None:
    def on_message(peer: Peer, message: dict[str, Any]) -> None:
        raise AssertionError("it sends none")

    with Target(on_message) as service:
        found = service.walk("client URL", "upgrade", "echo", protocol="simple", scenario="idle")
        assert (found["upgrade"].level, found["upgrade"].found.split(",")[0]) == (PASS, "no subprotocol")


def test_a_service_that_never_says_connected() -> None:
    class Mute(Target):
        def serve(self, sock: Any, head: str) -> None:
            sock.sendall(upgrade_answer(head, "json.webpubsub.azure.v1"))
            sock.recv(1)

    with Mute() as service:
        check = service.walk("client URL", "upgrade", limit="100ms")["upgrade"]
        assert (check.level, check.label) == (FAIL, "connected_timeout")
