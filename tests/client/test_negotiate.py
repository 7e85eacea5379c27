from __future__ import annotations

from collections.abc import Callable
from typing import Any

import gevent
import gevent.event
import pytest
from loopback import PATIENCE_S, Server, header, read_head_text

from wps_load.client.negotiate import Negotiator
from wps_load.client.stream import Network
from wps_load.errors import ConnectFailure
from wps_load.measure.catalog import is_label

CLIENT_URL = "wss://demo.example/client/hubs/bench?access_token=SECRET"


def response(body: bytes, status: str = "200 OK", extra: str = "") -> bytes:
    return f"HTTP/1.1 {status}\r\n{extra}Content-Length: {len(body)}\r\n\r\n".encode() + body


def answering(answer: bytes) -> Server:
    return Server(lambda sock, head: sock.sendall(answer))


def negotiator(server: Server, path: str = "/negotiate?code=SECRET", timeout_s: float = PATIENCE_S) -> Negotiator:
    return Negotiator(f"http://127.0.0.1:{server.port}{path}", Network.create(), timeout_s=timeout_s)


def fails(server: Server, **options: Any) -> ConnectFailure:
    with pytest.raises(ConnectFailure) as caught:
        negotiator(server, **options).client_url()
    failure = caught.value
    assert "SECRET" not in f"{failure}{failure!r}{failure.advice}{failure.__cause__!r}"
    assert failure.advice
    assert is_label(failure.label)
    return failure


@pytest.mark.parametrize(
    "body",
    [
        f'{{"url": "{CLIENT_URL}"}}',
        f'{{"baseUrl": "wss://x.example", "token": "T", "url": "{CLIENT_URL}"}}',
        '{"baseUrl": "wss://demo.example/client/hubs/bench", "token": "SECRET"}',
    ],
)
def test_the_client_url_of_an_answer(body: str) -> None:
    with answering(response(body.encode())) as server:
        assert negotiator(server).client_url() == CLIENT_URL
    assert server.heads[0].startswith("GET /negotiate?code=SECRET HTTP/1.1\r\n")
    assert header(server.heads[0], "Host") == f"127.0.0.1:{server.port}"


@pytest.mark.parametrize(
    "framing",
    [
        lambda body: b"HTTP/1.1 200 OK\r\n\r\n" + body,
        lambda body: b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\n0\r\n\r\n" % (len(body), body),
        lambda body: b"HTTP/1.1 103 Early Hints\r\n\r\n" + response(body),
    ],
    ids=["until close", "chunked", "after an interim response"],
)
def test_every_framing_of_a_body(framing: Callable[[bytes], bytes]) -> None:
    with answering(framing(f'{{"url":"{CLIENT_URL}"}}'.encode())) as server:
        assert negotiator(server).client_url() == CLIENT_URL


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html>",
        b"[]",
        b'"wss://x"',
        b"{}",
        b'{"url": null}',
        b'{"url": 1}',
        b'{"url": "https://x/?access_token=SECRET"}',
        b'{"url": "wss://x/ HTTP/1.1\\r\\nEvil: 1"}',
        b'{"token": "SECRET"}',
        b"\xff",
    ],
)
def test_nonsense_is_invalid(body: bytes) -> None:
    with answering(response(body)) as server:
        failure = fails(server)
    assert failure.label == "negotiate_invalid"
    assert failure.permanent
    assert "--wps-negotiate-url" in failure.advice


@pytest.mark.parametrize(
    ("status", "permanent"), [(204, True), (302, True), (401, True), (404, True), (429, False), (500, False)]
)
def test_a_status_is_a_label(status: int, permanent: bool) -> None:
    answer = response(b"", f"{status} Text", "Retry-After: 3\r\nLocation: http://x/?code=SECRET\r\n")
    with answering(answer) as server:
        failure = fails(server)
    assert failure.label == f"negotiate_http_{status}"
    assert failure.permanent is permanent
    assert failure.retry_after_s == 3.0


def test_an_endpoint_that_never_answers() -> None:
    released = gevent.event.Event()
    with Server(lambda sock, head: released.wait(PATIENCE_S)) as server:
        failure = fails(server, timeout_s=0.05)
        released.set()
    assert failure.label == "negotiate_timeout"


def test_an_endpoint_that_does_not_listen() -> None:
    with answering(b"") as server:
        pass
    assert fails(server).label == "negotiate_connect_refused"


@pytest.mark.parametrize("answer", [b"", b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc", b"HTTP/1.1 20"])
def test_an_endpoint_that_hangs_up(answer: bytes) -> None:
    with answering(answer) as server:
        assert fails(server).label == "negotiate_reset"


@pytest.mark.parametrize(
    "answer", [b"SSH-2.0-x\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: 3000000\r\n\r\n" + b"x" * 2_000_000]
)
def test_an_answer_that_is_no_http_or_too_long(answer: bytes) -> None:
    with answering(answer) as server:
        assert fails(server).label == "negotiate_invalid"


@pytest.mark.parametrize("url", ["ws://x/", "nonsense", "http://", "http://h:port/"])
def test_what_is_no_url(url: str) -> None:
    with pytest.raises(ValueError, match="http://"):
        Negotiator(url, Network.create())


def test_connections_are_kept_and_a_closed_one_is_replaced() -> None:
    answer = response(f'{{"url":"{CLIENT_URL}"}}'.encode())
    hang_up = gevent.event.Event()
    gone = gevent.event.Event()

    def script(sock: Any, head: str) -> None:
        sock.sendall(answer)
        read_head_text(sock)
        sock.sendall(answer)
        hang_up.wait(PATIENCE_S)
        sock.shutdown(2)
        gone.set()

    with Server(script) as server:
        one = negotiator(server)
        one.client_url()
        one.client_url()
        assert len(server.heads) == 1
        hang_up.set()
        gone.wait(PATIENCE_S)
        assert one.client_url() == CLIENT_URL
        assert len(server.heads) == 2
        one.close()


def test_greenlets_ask_at_the_same_time() -> None:
    with answering(response(f'{{"url":"{CLIENT_URL}"}}'.encode())) as server:
        one = negotiator(server)
        asking = [gevent.spawn(one.client_url) for _ in range(10)]
        gevent.joinall(asking, timeout=PATIENCE_S, raise_error=True)
        assert [greenlet.value for greenlet in asking] == [CLIENT_URL] * 10
