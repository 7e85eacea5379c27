"""The REST calls of an app server beside its sends: which request each is, and what an answer means."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from tests.client.loopback import Server
from wps_load.auth import DEFAULT_EMULATOR_KEY, ConnectionString
from wps_load.client.rest_access import SignedCalls
from wps_load.client.rest_manager import RestManager
from wps_load.client.rest_sender import RestFailure, RestSender
from wps_load.client.stream import Network

Call = Callable[[RestManager], Any]


@contextmanager
def answering(status: int) -> Iterator[tuple[RestManager, Server]]:
    """A service that answers every request with this status."""

    def script(sock: Any, head: str) -> None:
        sock.sendall(f"HTTP/1.1 {status} Text\r\nContent-Length: 0\r\nConnection: close\r\n\r\n".encode())

    with Server(script) as server:
        access = SignedCalls(ConnectionString(f"http://127.0.0.1:{server.port}", DEFAULT_EMULATOR_KEY))
        rest = RestSender(access, "bench", Network.create(insecure=True), timeout_s=5.0)
        yield RestManager(rest), server
        rest.close()


CALLS: dict[str, tuple[Call, str]] = {
    "add_connection": (lambda it: it.add_connection("a/b", "c d"), "PUT /groups/a%2Fb/connections/c%20d?"),
    "remove_connection": (lambda it: it.remove_connection("g", "c"), "DELETE /groups/g/connections/c?"),
    "add_user": (lambda it: it.add_user("g", "ü"), "PUT /users/%C3%BC/groups/g?"),
    "remove_user": (lambda it: it.remove_user("g", "u"), "DELETE /users/u/groups/g?"),
    "grant": (
        lambda it: it.grant("sendToGroup", "c", "a&b"),
        "PUT /permissions/sendToGroup/connections/c?targetName=a%26b&",
    ),
    "revoke": (
        lambda it: it.revoke("sendToGroup", "c", "g"),
        "DELETE /permissions/sendToGroup/connections/c?targetName=g&",
    ),
    "has_permission": (
        lambda it: it.has_permission("sendToGroup", "c", "g"),
        "HEAD /permissions/sendToGroup/connections/c?targetName=g&",
    ),
    "connection_exists": (lambda it: it.connection_exists("c"), "HEAD /connections/c?"),
    "user_exists": (lambda it: it.user_exists("u"), "HEAD /users/u?"),
    "group_exists": (lambda it: it.group_exists("g"), "HEAD /groups/g?"),
    "close_connection": (lambda it: it.close_connection("c", "go away"), "DELETE /connections/c?reason=go%20away&"),
    "close without a reason": (lambda it: it.close_connection("c", ""), "DELETE /connections/c?"),
}
QUESTIONS = ("has_permission", "connection_exists", "user_exists", "group_exists")


@pytest.mark.parametrize("name", CALLS)
def test_each_call_is_its_request(name: str) -> None:
    call, request = CALLS[name]
    with answering(200) as (manager, server):
        assert call(manager) is (True if name in QUESTIONS else None)
        method, path = request.split(" ")
        assert server.heads[0].startswith(f"{method} /api/hubs/bench{path}api-version=2024-01-01 HTTP/1.1\r\n")


@pytest.mark.parametrize("name", QUESTIONS)
def test_404_answers_a_question_with_no(name: str) -> None:
    with answering(404) as (manager, _):
        assert CALLS[name][0](manager) is False


@pytest.mark.parametrize(("name", "status"), [("add_user", 404), ("close_connection", 403), ("group_exists", 401)])
def test_any_other_status_is_a_failure(name: str, status: int) -> None:
    with answering(status) as (manager, _), pytest.raises(RestFailure) as caught:
        CALLS[name][0](manager)
    assert caught.value.label.startswith(f"rest_{status}")
