from __future__ import annotations

import ssl
from collections.abc import Callable, Iterator
from typing import Any

import gevent
import gevent.queue
import gevent.socket
import gevent.ssl
import pytest
import trustme

from tests.client.connection_peer import Link, Peer
from tests.client.loopback import PATIENCE_S, Client, Server, upgrade_answer
from wps_load.emulator.process import EmulatorProcess
from wps_load.protocol.frames import FrameWriter


@pytest.fixture(scope="session")
def live_emulator(emulator: EmulatorProcess) -> str:
    """The connection string of a real emulator."""
    return emulator.connection_string


@pytest.fixture(scope="module")
def certificate() -> Any:
    context = gevent.ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    trustme.CA().issue_cert("127.0.0.1").configure_cert(context)
    return context


@pytest.fixture(params=["ws", "wss"])
def link(request: pytest.FixtureRequest, certificate: Any) -> Iterator[Link]:
    """Makes a connection (not started), and its peer; over TCP and over TLS."""
    peers: Any = gevent.queue.Queue()
    opened: list[tuple[Client, Peer]] = []

    def script(sock: Any, head: str) -> None:
        sock.sendall(upgrade_answer(head))
        peer = Peer(sock)
        peers.put(peer)
        peer.ended.wait()

    with Server(script, certificate if request.param == "wss" else None) as server:

        def connect(**options: Any) -> tuple[Client, Peer]:
            client = Client(server.url(request.param), **options)
            opened.append((client, peers.get(timeout=PATIENCE_S)))
            return opened[-1]

        yield connect
        for client, peer in opened:
            client.connection.release()
            peer.ended.set()


@pytest.fixture
def writer() -> FrameWriter:
    return FrameWriter()


@pytest.fixture
def names(monkeypatch: pytest.MonkeyPatch) -> Callable[..., list[str]]:
    """Names given by hand; returns the list of questions asked."""
    asked: list[str] = []

    def install(*addresses: tuple[int, tuple[str, int]]) -> list[str]:
        def getaddrinfo(host: str, port: int, **_: object) -> list[object]:
            asked.append(host)
            gevent.sleep(0)
            return [(family, 1, 6, "", address) for family, address in addresses]

        monkeypatch.setattr(gevent.socket, "getaddrinfo", getaddrinfo)
        return asked

    return install
