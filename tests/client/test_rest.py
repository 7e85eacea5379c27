from __future__ import annotations

from collections.abc import Callable
from typing import Any

import gevent.event
import jwt
import pytest

from tests.client.loopback import PATIENCE_S, Server, header
from wps_load.auth import ConnectionString
from wps_load.client.rest_access import SignedCalls
from wps_load.client.rest_sender import RestFailure, RestSender, Unanswered
from wps_load.client.stream import Network
from wps_load.errors import ConnectFailure
from wps_load.protocol.messages import DataType

KEY = "SECRETSECRETSECRETSECRETSECRETSECRET"


def connection_string(port: int) -> ConnectionString:
    return ConnectionString.parse(f"Endpoint=http://127.0.0.1:{port};AccessKey={KEY};Version=1.0;")


def sender(server: Server, **options: Any) -> RestSender:
    return RestSender(SignedCalls(connection_string(server.port)), "bench", Network.create(), **options)


class Accepting(Server):
    """Answers 202 when the whole body has come, and keeps it."""

    def __init__(self, answer: bytes = b"HTTP/1.1 202 Accepted\r\nContent-Length: 0\r\n\r\n") -> None:
        self.bodies: list[bytes] = []
        self.answer = answer
        super().__init__(self._accept)

    def __enter__(self) -> Accepting:
        super().__enter__()
        return self

    def _accept(self, sock: Any, head: str) -> None:
        body = head.encode("latin-1").partition(b"\r\n\r\n")[2]
        while len(body) < int(header(head, "Content-Length") or 0):
            body += sock.recv(65536)
        self.bodies.append(body)
        sock.sendall(self.answer)


@pytest.mark.parametrize(
    ("send", "path"),
    [
        (lambda rest: rest.send_to_all(b"x", DataType.TEXT), "/api/hubs/bench/:send"),
        (
            lambda rest: rest.send_to_group("a/b ü", b"x", DataType.TEXT),
            "/api/hubs/bench/groups/a%2Fb%20%C3%BC/:send",
        ),
        (lambda rest: rest.send_to_user("u1", b"x", DataType.TEXT), "/api/hubs/bench/users/u1/:send"),
        (
            lambda rest: rest.send_to_connection("c", b"", DataType.TEXT),
            "/api/hubs/bench/connections/c/:send",
        ),
    ],
)
def test_paths_and_a_token_for_exactly_this_url(send: Callable[[RestSender], None], path: str) -> None:
    with Accepting() as server:
        send(sender(server))
    head = server.heads[0]
    target = f"{path}?api-version=2024-01-01"
    assert head.startswith(f"POST {target} HTTP/1.1\r\n")
    token = (header(head, "Authorization") or "").removeprefix("Bearer ")
    jwt.decode(token, KEY, algorithms=["HS256"], audience=f"http://127.0.0.1:{server.port}{target}")


@pytest.mark.parametrize(
    ("data_type", "content_type"),
    [
        (DataType.TEXT, "text/plain; charset=utf-8"),
        (DataType.JSON, "application/json"),
        (DataType.BINARY, "application/octet-stream"),
    ],
)
def test_the_content_type_says_the_data_type(data_type: DataType, content_type: str) -> None:
    body = bytes(range(256)) * 400
    with Accepting() as server:
        sender(server).send_to_all(body, data_type)
    assert header(server.heads[0], "Content-Type") == content_type
    assert server.bodies == [body]


@pytest.mark.parametrize("status", [400, 401, 403, 404, 413, 429, 503])
def test_a_refusal_is_labelled(status: int) -> None:
    answer = f"HTTP/1.1 {status} Text\r\nRetry-After: 2\r\nContent-Length: 0\r\n\r\n".encode()
    with Accepting(answer) as server, pytest.raises(RestFailure) as caught:
        sender(server).send_to_all(b"x", DataType.TEXT)
    failure = caught.value
    assert failure.label == f"rest_{status}"
    assert failure.retry_after_s == 2.0
    assert failure.advice
    assert "SECRET" not in f"{failure}{failure!r}{failure.advice}"


def test_what_happens_on_the_way_is_labelled() -> None:
    with Accepting() as server:
        pass
    with pytest.raises(ConnectFailure) as caught:
        sender(server).send_to_all(b"x", DataType.TEXT)
    assert caught.value.label == "rest_connect_refused"

    released = gevent.event.Event()
    with Server(lambda sock, head: released.wait(PATIENCE_S)) as mute:
        rest = sender(mute, timeout_s=0.05)
        with pytest.raises(Unanswered) as unanswered:
            rest.send_to_all(b"x", DataType.TEXT)
        released.set()
    assert unanswered.value.label == "rest_timeout"


def test_a_message_is_never_sent_twice() -> None:
    with Accepting(b"") as server, pytest.raises(Unanswered) as caught:
        sender(server).send_to_all(b"x", DataType.TEXT)
    assert caught.value.label == "rest_reset"
    assert len(server.bodies) == 1


def test_tokens_are_used_again_until_ten_seconds_before_they_expire() -> None:
    now = [1_000_000]
    cache = SignedCalls(connection_string(1), lambda: now[0])
    first = cache.authorization("http://h/a")
    now[0] += 49
    assert cache.authorization("http://h/a") == first
    assert cache.authorization("http://h/b") != first
    now[0] += 1
    assert cache.authorization("http://h/a") != first


def test_the_cache_is_bounded() -> None:
    cache = SignedCalls(connection_string(1), lambda: 0)
    for number in range(10_050):
        cache.authorization(f"http://h/{number}")
    assert len(cache._tokens) <= 10_000
