"""The upgrade: what is sent, how an answer is read, and whose fault a refusal is."""

from __future__ import annotations

import contextlib
import gc
import socket
import weakref
from email.utils import format_datetime
from typing import Any

import gevent
import gevent.event
import gevent.socket
import pytest
from hypothesis import given
from hypothesis import strategies as st
from websocket import WebSocket

from tests.client.dialing import answering, connected, fails, upgrading
from tests.client.loopback import PATIENCE_S, Server, header, upgrade_answer
from wps_load.client.dial import ConnectSpec, dial
from wps_load.client.response_head import MalformedHead, parse_retry_after, read_head
from wps_load.client.stream import Network
from wps_load.clock import NS_PER_S, utc_now
from wps_load.errors import ConnectFailure

JSON = "json.webpubsub.azure.v1"


# -- what goes out, what comes back ----------------------------------------------------------------


def test_the_request_is_an_upgrade_with_token_subprotocol_and_headers() -> None:
    with upgrading(JSON) as server:
        dialed = connected(server, subprotocol=JSON, headers={"Authorization": "Bearer T"})
    head = server.heads[0]
    assert head.startswith("GET /client/hubs/bench?access_token=SECRET HTTP/1.1\r\n")
    assert header(head, "Sec-WebSocket-Protocol") == JSON
    assert header(head, "Sec-WebSocket-Version") == "13"
    assert header(head, "Authorization") == "Bearer T"
    assert header(head, "Host") == f"127.0.0.1:{server.port}"
    assert header(head, "Origin") is None
    assert dialed.subprotocol == JSON


def test_parts_are_timed_and_absent_ones_are_unknown() -> None:
    with upgrading() as server:
        timings = connected(server).timings
    assert timings.tls_ns is None
    for part in (timings.dns_ns, timings.tcp_ns, timings.upgrade_ns):
        assert part is not None
        assert 0 < part < PATIENCE_S * NS_PER_S


def test_bytes_behind_the_head_are_handed_over() -> None:
    with upgrading(tail=b"\x81\x02hi") as server:
        assert connected(server).leftover == b"\x81\x02hi"


def test_a_head_that_comes_byte_by_byte() -> None:
    def script(sock: Any, head: str) -> None:
        for byte in upgrade_answer(head):
            sock.sendall(bytes([byte]))
            gevent.sleep(0)

    with Server(script) as server:
        assert connected(server).leftover == b""


def test_cookies_of_one_client_do_not_reach_another() -> None:
    with upgrading(extra="Set-Cookie: affinity=1; Domain=127.0.0.1\r\n") as server:
        connected(server)
        connected(server)
    assert header(server.heads[1], "Cookie") is None


@pytest.mark.parametrize("status", [101, 429])
def test_a_connect_leaves_nothing_to_the_garbage_collector(monkeypatch: pytest.MonkeyPatch, status: int) -> None:
    made: list[weakref.ref[WebSocket]] = []

    class Noted(WebSocket):
        def __init__(self, **options: Any) -> None:
            super().__init__(**options)
            made.append(weakref.ref(self))

    monkeypatch.setattr("wps_load.client.dial.WebSocket", Noted)
    network = Network.create()
    with upgrading() if status == 101 else answering(b"HTTP/1.1 429 Text\r\n\r\n") as server:
        spec = ConnectSpec(server.url())
        gc.collect()
        gc.disable()
        try:
            with contextlib.suppress(ConnectFailure):
                dial(spec, network).sock.close()
            assert [ref() for ref in made] == [None]
        finally:
            gc.enable()


def test_no_secret_in_repr() -> None:
    spec = ConnectSpec("ws://h/?access_token=SECRET", {"Authorization": "Bearer SECRET"})
    assert "SECRET" not in repr(spec)
    with upgrading(tail=b"SECRET") as server:
        assert "SECRET" not in repr(connected(server))


def test_nagle_is_off() -> None:
    with upgrading() as server:
        dialed = dial(ConnectSpec(server.url()), Network.create())
        assert dialed.sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
        dialed.sock.close()


@pytest.mark.parametrize(
    ("url", "line"),
    [
        ("ws://{}/c?a=1#frag", "GET /c?a=1 HTTP/1.1"),
        ("ws://{}/c#frag?a=1", "GET /c HTTP/1.1"),
        ("WS://{}/c?a=b%20c&d=%C3%BC", "GET /c?a=b%20c&d=%C3%BC HTTP/1.1"),
        ("ws://{}?a=1", "GET /?a=1 HTTP/1.1"),
        ("ws://{}/c?", "GET /c HTTP/1.1"),
    ],
)
def test_the_requested_part_of_a_url(url: str, line: str) -> None:
    with upgrading() as server:
        dial(ConnectSpec(url.format(f"127.0.0.1:{server.port}")), Network.create()).sock.close()
    assert server.heads[0].partition("\r\n")[0] == line


# -- refusals of the service ----------------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "permanent", "words"),
    [
        (302, True, "redirects"),
        (400, True, "malformed"),
        (401, True, "token"),
        (403, True, "forbids"),
        (404, True, "path"),
        (408, False, "refuses"),
        (418, True, "refuses"),
        (429, False, "throttles"),
        (500, False, "failed"),
        (503, False, "not available"),
    ],
)
def test_a_status_is_a_label(status: int, permanent: bool, words: str) -> None:
    answer = f"HTTP/1.1 {status} Text\r\nLocation: ws://x/?access_token=SECRET\r\nContent-Length: 6\r\n\r\nSECRET"
    with answering(answer.encode()) as server:
        failure = fails(ConnectSpec(server.url()))
    assert failure.label == f"http_{status}"
    assert failure.permanent is permanent
    assert words in failure.message
    assert failure.retry_after_s is None


def test_wrong_key_audience_or_expiry_is_said() -> None:
    with answering(b"HTTP/1.1 401 Unauthorized\r\n\r\n") as server:
        advice = fails(ConnectSpec(server.url())).advice
    assert "key" in advice
    assert "audience" in advice
    assert "expired" in advice


def test_retry_after_is_kept() -> None:
    with answering(b"HTTP/1.1 429 Too Many\r\nRetry-After: 7\r\n\r\n") as server:
        assert fails(ConnectSpec(server.url())).retry_after_s == 7.0


def test_retry_after_as_a_date() -> None:
    far = format_datetime(utc_now().replace(year=utc_now().year + 1), usegmt=True)
    past = "Wed, 21 Oct 2015 07:28:00 GMT"
    assert (parse_retry_after(far) or 0) > 300 * 24 * 3600
    assert parse_retry_after(past) == 0.0
    for nonsense in ("soon", "", "-1", "0.5", "Wed, 99 Foo 2026 99:99:99 GMT", "Wed, 03 Apr 2030 10:00:00 +9999"):
        assert parse_retry_after(nonsense) is None
    assert 0 < (parse_retry_after("9" * 5000) or 0) < 1e10, "a timer takes it"
    assert parse_retry_after(None) is None


@pytest.mark.parametrize(
    "answer",
    [
        b"SSH-2.0-OpenSSH\r\n\r\n",
        b"HTTP/1.1 abc\r\n\r\n",
        b"HTTP/1.1 101 Switching Protocols\r\n\r\n",
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        b"Sec-WebSocket-Accept: SECRET\r\n\r\n",
        b"HTTP/1.1 101 x\r\nX: " + b"y" * 70_000,
    ],
)
def test_an_answer_that_is_not_an_upgrade(answer: bytes) -> None:
    with answering(answer) as server:
        assert fails(ConnectSpec(server.url())).label == "upgrade_invalid"


@pytest.mark.parametrize("offered", [None, JSON])
@pytest.mark.parametrize("chosen", [None, "other"])
def test_a_subprotocol_that_was_not_offered(offered: str | None, chosen: str | None) -> None:
    with upgrading(chosen) as server:
        if offered == chosen:
            assert connected(server).subprotocol is None
            return
        failure = fails(ConnectSpec(server.url(), subprotocol=offered))
    assert failure.label == "subprotocol_refused"
    assert failure.permanent


@pytest.mark.parametrize(
    "interim",
    [
        b"HTTP/1.1 100 Continue\r\n\r\n",
        b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </y>\r\n\r\n",
        b"HTTP/1.1 102 Processing\n\n",
    ],
)
def test_interim_answers_are_read_over(interim: bytes) -> None:
    with Server(lambda sock, head: sock.sendall(interim + upgrade_answer(head) + b"tail")) as server:
        dialed = dial(ConnectSpec(server.url()), Network.create())
        dialed.sock.close()
    assert dialed.leftover == b"tail"
    with answering(interim + b"HTTP/1.1 401 Unauthorized\r\n\r\n") as server:
        assert fails(ConnectSpec(server.url())).label == "http_401"


def test_interim_answers_without_end_are_not_an_answer() -> None:
    with answering(b"HTTP/1.1 100 Continue\r\n\r\n" * 50) as server:
        assert fails(ConnectSpec(server.url())).label == "upgrade_invalid"


@given(st.lists(st.binary(max_size=30) | st.sampled_from([b"HTTP/1.1 ", b"101", b" 200 OK", b"\r\n", b"\n", b": "])))
def test_any_answer_is_a_head_or_none(pieces: list[bytes]) -> None:
    class Peer:
        def __init__(self) -> None:
            self.left = list(pieces)

        def recv(self, _: int) -> bytes:
            return self.left.pop(0) if self.left else b""

    try:
        head, rest = read_head(Peer())
    except (MalformedHead, ConnectionResetError):
        return
    assert head.status == 101 or head.status >= 200
    assert b"".join(pieces).endswith(rest)


def test_an_interim_answer_in_pieces() -> None:
    def script(sock: Any, head: str) -> None:
        for at in range(len(answer := b"HTTP/1.1 100 C\r\n\r\n" + upgrade_answer(head))):
            sock.sendall(answer[at : at + 1])
            gevent.sleep(0)

    with Server(script) as server:
        dial(ConnectSpec(server.url(), timeout_s=PATIENCE_S), Network.create()).sock.close()


def test_lone_line_feeds_end_lines_too() -> None:
    with Server(lambda sock, head: sock.sendall(upgrade_answer(head).replace(b"\r\n", b"\n") + b"\n\r\n")) as server:
        dialed = dial(ConnectSpec(server.url()), Network.create())
        dialed.sock.close()
    assert dialed.leftover == b"\n\r\n", "what follows is not the head's"


def test_a_peer_that_hangs_up_instead_of_answering() -> None:
    with answering(b"HTTP/1.1 101 Swi") as server:
        assert fails(ConnectSpec(server.url())).label == "connect_reset"


def test_a_server_that_never_answers_the_upgrade() -> None:
    released = gevent.event.Event()
    with Server(lambda sock, head: released.wait(PATIENCE_S)) as server:
        failure = fails(ConnectSpec(server.url(), timeout_s=0.5))
        released.set()
    assert failure.label == "upgrade_timeout"
    assert "0.5 s" in failure.message
    assert not failure.permanent


def test_a_head_without_end_does_not_outlast_the_limit() -> None:
    def drip(sock: Any, head: str) -> None:
        try:
            sock.sendall(b"HTTP/1.1 101 x\r\nX: ")
            while True:
                sock.sendall(b"y")
                gevent.sleep(0.001)
        except OSError:
            pass  # the client gave up

    with Server(drip) as server:
        assert fails(ConnectSpec(server.url(), timeout_s=0.5)).label == "upgrade_timeout"
