"""The way to an address: names, dead addresses, attempts beside each other, what the kernel says."""

from __future__ import annotations

import errno
import gc
import os
import resource
import socket
from collections.abc import Callable, Iterator

import gevent
import gevent.event
import gevent.socket
import pytest

from tests.client.dialing import answering, fails, upgrading
from tests.client.loopback import PATIENCE_S, Server
from wps_load.client import tcp
from wps_load.client.dial import ConnectSpec, dial
from wps_load.client.response_head import ResponseHead
from wps_load.client.stream import Network
from wps_load.clock import NS_PER_S, now_ns


def test_nothing_listens() -> None:
    with answering(b"") as server:
        url = server.url()
    failure = fails(ConnectSpec(url))
    assert failure.label == "connect_refused"
    assert str(server.port) in failure.message


@pytest.fixture
def dead_port() -> Iterator[int]:
    """Listens, but its backlog is full: the kernel drops every SYN."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        port = listener.getsockname()[1]
        waiting = [gevent.socket.socket() for _ in range(4)]
        for sock in waiting:
            sock.setblocking(False)
            sock.connect_ex(("127.0.0.1", port))
        yield port
        for sock in waiting:
            sock.close()


def test_a_host_that_drops_packets_is_a_timeout(dead_port: int) -> None:
    failure = fails(ConnectSpec(f"ws://127.0.0.1:{dead_port}/", timeout_s=0.5))
    assert failure.label == "connect_timeout"
    assert "TCP" in failure.message


def test_a_dead_address_does_not_use_up_the_limit(dead_port: int, names: Callable[..., list[str]]) -> None:
    with upgrading() as server:
        names((socket.AF_INET, ("127.0.0.1", dead_port)), (socket.AF_INET, ("127.0.0.1", server.port)))
        network = Network.create()
        told: list[str] = []
        network.resolver.tell_unanswered(lambda address, sentence: told.append(sentence))
        for _ in range(4):
            dial(ConnectSpec("ws://h.example/", timeout_s=PATIENCE_S), network).sock.close()
        order = network.resolver.resolve("h.example", 80).order(now_ns())
    assert told == ["the address 127.0.0.1 of h.example did not answer; 127.0.0.1 was used"], "once"
    assert [address[1][1] for address in order] == [server.port, dead_port], "it is tried last from now on"


def test_doctor_tries_each_address(dead_port: int) -> None:
    with upgrading() as server, socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        dead, live = ((socket.AF_INET, ("127.0.0.1", port)) for port in (dead_port, server.port))
        refusing = (socket.AF_INET, unused.getsockname())
        found = tcp.unreachable([dead, live, refusing], 0.1)
    assert found == {dead: "does not answer", refusing: "says: connection refused"}


def test_a_refusal_is_not_waited_for(names: Callable[..., list[str]], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tcp, "ATTEMPT_DELAY_NS", 3600 * NS_PER_S)
    with upgrading() as server, socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))  # bound, not listening: refuses
        names((socket.AF_INET, unused.getsockname()), (socket.AF_INET, ("127.0.0.1", server.port)))
        network = Network.create()
        for _ in range(3):
            dial(ConnectSpec("ws://h.example/", timeout_s=PATIENCE_S), network).sock.close()


def test_an_address_that_answers_late_keeps_its_chance(
    dead_port: int, names: Callable[..., list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The second attempt is refused while the first is still under way; the first gets its answer in the end."""
    monkeypatch.setattr(tcp, "ATTEMPT_DELAY_NS", NS_PER_S // 1000)
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        names((socket.AF_INET, ("127.0.0.1", dead_port)), (socket.AF_INET, unused.getsockname()))
        failure = fails(ConnectSpec("ws://h.example/", timeout_s=0.2))
    assert failure.label == "connect_timeout", "it still waits for the first"


@pytest.mark.skipif(not os.path.isdir("/proc/self/fd"), reason="needs /proc")
def test_no_attempt_is_left_open(dead_port: int, names: Callable[..., list[str]]) -> None:
    with upgrading() as server:
        names((socket.AF_INET, ("127.0.0.1", dead_port)), (socket.AF_INET, ("127.0.0.1", server.port)))
        before = set(os.listdir("/proc/self/fd"))
        dialed = dial(ConnectSpec("ws://h.example/", timeout_s=PATIENCE_S), Network.create())
        dialed.sock.close()
        gc.disable()
        try:
            left = set(os.listdir("/proc/self/fd")) - before
        finally:
            gc.enable()
    assert len(left) <= 1, "at most the server's own end"


def test_all_dead_is_what_the_last_one_said(names: Callable[..., list[str]]) -> None:
    with socket.socket() as one, socket.socket() as two:
        one.bind(("127.0.0.1", 0))
        two.bind(("127.0.0.1", 0))
        names((socket.AF_INET, one.getsockname()), (socket.AF_INET, two.getsockname()))
        assert fails(ConnectSpec("ws://h.example/")).label == "connect_refused"


def test_an_unknown_name(monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown(*_: object, **__: object) -> None:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(gevent.socket, "getaddrinfo", unknown)
    failure = fails(ConnectSpec("ws://no.such.example/?access_token=SECRET"))
    assert failure.label == "dns_failed"
    assert "no.such.example" in failure.message


@pytest.mark.parametrize(
    "url",
    ["http://h/", "ws:///x", "nonsense SECRET", "ws://h:port/", "ws://[::1/", "ws://h/?a=x\ry", "ws://h/?a=x HTTP/1.1"],
)
def test_what_is_not_a_client_url(url: str) -> None:
    failure = fails(ConnectSpec(url))
    assert failure.label == "url_invalid"
    assert failure.permanent


@pytest.mark.parametrize(
    ("code", "label"),
    [
        (errno.EADDRNOTAVAIL, "connect_ports_exhausted"),
        (errno.EMFILE, "connect_files_exhausted"),
        (errno.ENFILE, "connect_files_exhausted"),
        (errno.ENETUNREACH, "connect_unreachable"),
        (errno.ECONNRESET, "connect_reset"),
        (errno.ETIMEDOUT, "connect_timeout"),
    ],
)
def test_what_the_kernel_says(monkeypatch: pytest.MonkeyPatch, code: int, label: str) -> None:
    def refuse(*_: object) -> None:
        raise OSError(code, "as the kernel says")

    monkeypatch.setattr(tcp, "connect", refuse)
    assert fails(ConnectSpec("ws://127.0.0.1:1/")).label == label


def test_the_last_files_are_not_for_connections(monkeypatch: pytest.MonkeyPatch) -> None:
    with upgrading() as server, socket.socket() as probe:
        limit = probe.fileno() + tcp.RESERVED_FILES
        monkeypatch.setattr(resource, "getrlimit", lambda _: (limit, limit))
        assert fails(ConnectSpec(server.url())).label == "connect_files_exhausted"


def test_the_limit_of_a_caller_passes_through() -> None:
    released = gevent.event.Event()
    with Server(lambda sock, head: released.wait(PATIENCE_S)) as server:
        with pytest.raises(gevent.Timeout) as caught, gevent.Timeout(0.05) as own:
            dial(ConnectSpec(server.url()), Network.create())
        released.set()
    assert caught.value is own


# -- names ----------------------------------------------------------------


def test_a_known_name_has_no_dns_time(names: Callable[..., list[str]]) -> None:
    with upgrading() as server:
        names((socket.AF_INET, ("127.0.0.1", server.port)))
        network = Network.create()
        spec = ConnectSpec(f"ws://h.example:{server.port}/")
        first, second = dial(spec, network), dial(spec, network)
        first.sock.close()
        second.sock.close()
    assert first.timings.dns_ns is not None
    assert second.timings.dns_ns is None


def test_every_address_is_tried(names: Callable[..., list[str]]) -> None:
    with upgrading() as server, socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))  # bound, not listening: refuses
        names(
            (socket.AF_INET, unused.getsockname()),
            (socket.AF_INET, ("127.0.0.1", server.port)),
        )
        dial(ConnectSpec("ws://h.example/"), Network.create()).sock.close()


def test_repeated_headers_are_joined() -> None:
    head = ResponseHead.parse(b"HTTP/1.1 101 x\r\nConnection: keep-alive\r\nconnection: Upgrade\r\n\r\n")
    assert head.headers["connection"] == "keep-alive, Upgrade"
