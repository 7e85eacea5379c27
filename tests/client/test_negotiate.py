from __future__ import annotations

import base64
import gzip
import zlib
from collections.abc import Callable
from typing import Any

import gevent
import gevent.event
import pytest

from tests.client.loopback import PATIENCE_S, Server, header, read_head_text
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
        '{"BaseUrl": "wss://demo.example/client/hubs/bench", "AccessToken": "SECRET"}',
        f'{{"Url": " {CLIENT_URL}\\n"}}',
        CLIENT_URL,
        f"\ufeff  {CLIENT_URL}\r\n",
        f'"{CLIENT_URL}"',
        '\ufeff\n {"url": "WSS://Demo.Example/client/hubs/bench?access_token=SECRET#x"}',
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
        b'"https://x"',
        b"wss://",
        b"wss://a..b/client/hubs/h",
        b'{"baseUrl": "wss://x", "accessToken": ""}',
        b'{"baseUrl": 1, "accessToken": "SECRET"}',
        b'{"url": "wss://user:SECRET@x/"}',
        b'{"url": "wss://x/?access_token=SECRET"',
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


@pytest.mark.parametrize(("status", "permanent"), [(304, True), (401, True), (404, True), (429, False), (500, False)])
def test_a_status_is_a_label(status: int, permanent: bool) -> None:
    answer = response(b"", f"{status} Text", "Retry-After: 3\r\n")
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
def test_an_answer_that_is_not_http_or_too_long(answer: bytes) -> None:
    with answering(answer) as server:
        assert fails(server).label == "negotiate_invalid"


@pytest.mark.parametrize("url", ["ws://x/", "nonsense", "http://", "http://h:port/"])
def test_what_is_not_a_url(url: str) -> None:
    with pytest.raises(ValueError, match=r"http://|HOST|no host"):
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


def test_a_wrong_answer_says_what_is_wrong_with_it() -> None:
    for body, says in (
        (b"", "nothing in it"),
        (b"<!DOCTYPE html><title>Sign in</title>", "web page"),
        (b'{"error": 1}', "no Client URL"),
        (b"https://x/", "ws://"),
        (b"\xff\xfe\xff", "UTF-8"),
    ):
        with answering(response(body)) as server:
            assert says in fails(server).message


def test_an_answer_without_content_is_one_sentence() -> None:
    with answering(b"HTTP/1.1 204 No Content\r\n\r\n") as server:
        failure = fails(server)
    assert failure.label == "negotiate_invalid"
    assert "status 204" in failure.message
    assert "nothing in it" in failure.message


def test_a_created_client_url_is_one() -> None:
    with answering(response(CLIENT_URL.encode(), "201 Created")) as server:
        assert negotiator(server).client_url() == CLIENT_URL


def test_packed_answers_are_unpacked() -> None:
    body = f'{{"url": "{CLIENT_URL}"}}'.encode()
    for packed, encoding in (
        (gzip.compress(body, mtime=0), "gzip"),
        (zlib.compress(body), "deflate"),
        (zlib.compress(body)[2:-4], "deflate"),
        (gzip.compress(zlib.compress(body), mtime=0), "deflate, GZIP"),
    ):
        with answering(response(packed, extra=f"Content-Encoding: {encoding}\r\n")) as server:
            assert negotiator(server).client_url() == CLIENT_URL
        assert header(server.heads[0], "Accept-Encoding") == "gzip, deflate"


@pytest.mark.parametrize(
    ("packed", "encoding", "says"),
    [
        (b"plain", "gzip", "not the gzip"),
        (gzip.compress(b"x" * 4_000_000, mtime=0), "gzip", "longer than"),
        (gzip.compress(CLIENT_URL.encode(), mtime=0)[:-9], "gzip", "too early"),
        (b"x", "br", "'br'"),
    ],
)
def test_what_cannot_be_unpacked_is_reported(packed: bytes, encoding: str, says: str) -> None:
    with answering(response(packed, extra=f"Content-Encoding: {encoding}\r\n")) as server:
        failure = fails(server)
    assert failure.label == "negotiate_invalid"
    assert says in failure.message


def test_a_refusal_shows_its_body_without_tags_and_secrets() -> None:
    body = b"<html><style>p {}</style><p>no quota for code=SECRET, Bearer abc.def</p>\n\n</html>"
    with answering(response(body, "400 Bad Request")) as server:
        failure = fails(server)
    assert failure.message.endswith("status 400: no quota for code=***, Bearer ***")
    with answering(response(b"x" * 5000, "500 Oops")) as server:
        assert len(fails(server).message) < 300


def test_a_wrong_method_names_those_allowed() -> None:
    with answering(response(b"", "405 No", "Allow: POST\r\nAllow: OPTIONS\r\n")) as server:
        failure = fails(server)
    assert "POST, OPTIONS" in failure.advice


def test_credentials_of_the_url_are_sent_as_basic() -> None:
    with answering(response(CLIENT_URL.encode())) as server:
        one = Negotiator(f"HTTP://bob:s%40cret@127.0.0.1:{server.port}/n?id=Ren\u00e9 x#top", Network.create())
        assert one.client_url() == CLIENT_URL
    assert server.heads[0].startswith("GET /n?id=Ren%C3%A9%20x HTTP/1.1\r\n")
    assert header(server.heads[0], "Authorization") == "Basic " + base64.b64encode(b"bob:s@cret").decode()
    assert header(server.heads[0], "Host") == f"127.0.0.1:{server.port}"


# -- redirects -----------------------------------------------------------------------------------------------


def redirecting(*answers: bytes) -> Server:
    """Answers the requests in turn, each on a connection of its own."""
    left = list(answers)
    return Server(lambda sock, head: sock.sendall(left.pop(0)))


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_to_the_same_host_is_followed(status: int) -> None:
    first = f"HTTP/1.1 {status} Moved\r\nLocation: /negotiate/?code=SECRET\r\nContent-Length: 0\r\n"
    first += "Connection: close\r\n\r\n"
    with redirecting(first.encode(), response(CLIENT_URL.encode())) as server:
        one = Negotiator(f"http://bob:pw@127.0.0.1:{server.port}/negotiate", Network.create())
        assert one.client_url() == CLIENT_URL
    assert server.heads[1].startswith("GET /negotiate/?code=SECRET HTTP/1.1")
    assert header(server.heads[1], "Authorization") is not None


def test_another_server_gets_no_credentials() -> None:
    with answering(response(CLIENT_URL.encode())) as other:
        there = f"HTTP/1.1 307 x\r\nLocation: http://127.0.0.1:{other.port}/n\r\nContent-Length: 0\r\n\r\n"
        with answering(there.encode()) as server:
            one = Negotiator(f"http://bob:pw@127.0.0.1:{server.port}/", Network.create())
            assert one.client_url() == CLIENT_URL
    assert header(server.heads[0], "Authorization") is not None
    assert header(other.heads[0], "Authorization") is None


@pytest.mark.parametrize(
    ("location", "says"),
    [
        ("http://elsewhere.example/?code=SECRET", "to another host without TLS"),
        ("ftp://127.0.0.1/SECRET", "not http"),
        (None, "without saying where"),
        ("/negotiate?code=SECRET", "more than 5 times"),
    ],
)
def test_what_is_not_followed_is_said(location: str | None, says: str) -> None:
    line = "" if location is None else f"Location: {location}\r\n"
    with answering(response(b"", "302 Found", f"{line}Connection: close\r\n")) as server:
        failure = fails(server)
    assert says in failure.message
    assert failure.permanent


# -- kept connections ----------------------------------------------------------------------------------------


def test_a_kept_connection_that_closes_without_a_byte_is_replaced_once() -> None:
    """The server closes it for idleness at the moment in which the request is under way."""

    def script(sock: Any, head: str) -> None:
        sock.sendall(response(CLIENT_URL.encode()))
        read_head_text(sock)  # taken, and never answered

    with Server(script) as server:
        one = negotiator(server)
        assert [one.client_url() for _ in range(3)] == [CLIENT_URL] * 3
        assert len(server.heads) == 3


def test_a_fresh_connection_that_closes_without_a_byte_is_a_failure() -> None:
    with Server(lambda sock, head: None) as server:
        assert fails(server).label == "negotiate_reset"
        assert len(server.heads) == 1


def test_an_answer_that_breaks_off_is_not_requested_again() -> None:
    def script(sock: Any, head: str) -> None:
        sock.sendall(response(CLIENT_URL.encode()))
        read_head_text(sock)
        sock.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc")

    with Server(script) as server:
        one = negotiator(server)
        one.client_url()
        with pytest.raises(ConnectFailure) as caught:
            one.client_url()
        assert caught.value.label == "negotiate_reset"
        assert len(server.heads) == 1
