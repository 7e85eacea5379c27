"""What the tests of connecting share: servers that answer an upgrade, and what a failure must have."""

from __future__ import annotations

import pytest

from tests.client.loopback import Server, upgrade_answer
from wps_load.client.dial import ConnectSpec, Dialed, dial
from wps_load.client.stream import Network
from wps_load.clock import now_ns
from wps_load.errors import ConnectFailure
from wps_load.measure.catalog import is_label


def fails(spec: ConnectSpec, network: Network | None = None) -> ConnectFailure:
    with pytest.raises(ConnectFailure) as caught:
        dial(spec, network or Network.create())
    failure = caught.value
    everything = f"{failure}{failure!r}{failure.label}{failure.message}{failure.advice}{failure.__cause__!r}"
    assert "SECRET" not in everything
    assert failure.advice
    assert is_label(failure.label)
    return failure


def answering(answer: bytes) -> Server:
    return Server(lambda sock, head: sock.sendall(answer))


def upgrading(subprotocol: str | None = None, extra: str = "", tail: bytes = b"") -> Server:
    return Server(lambda sock, head: sock.sendall(upgrade_answer(head, subprotocol, extra) + tail))


def connected(server: Server, **spec: object) -> Dialed:
    began_ns = now_ns()
    dialed = dial(ConnectSpec(server.url(), **spec), Network.create())  # type: ignore[arg-type]
    dialed.sock.close()
    assert began_ns <= dialed.upgraded_ns <= now_ns()
    return dialed
