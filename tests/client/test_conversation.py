"""doctor's one connection survives what a run would survive, and reports at once what ends it."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from tests.client.engine_runs import settings
from wps_load.client.access import MintedAccess
from wps_load.client.conversation import Conversation
from wps_load.client.dial import ConnectSpec, dial
from wps_load.client.stream import Network
from wps_load.errors import ConnectionLost
from wps_load.protocol.codecs import CODECS


@contextmanager
def talking(connection_string: str, protocol: str) -> Iterator[Conversation]:
    """Connected and usable."""
    config, network = settings(connection_string, 1, protocol=protocol), Network.create()
    assert config.target.connection is not None
    access = MintedAccess(config.target.connection, config.population.hub, config.population.roles, 600, False)
    grant = access.grant("anna", ())
    dialed = dial(ConnectSpec(grant.url, grant.headers, CODECS[protocol].subprotocol, 5), network)
    talk = Conversation(config, network, grant, dialed, number=7, limit_s=5)
    try:
        talk.connected()
        yield talk
    finally:
        talk.close()


def drop(talk: Conversation) -> None:
    """Its socket ends unexpectedly."""
    sock: Any = talk._link.connection._sock
    sock.shutdown(socket.SHUT_RDWR)


def test_a_lost_connection_of_a_reliable_subprotocol_is_recovered_as_in_a_run(live_emulator: str) -> None:
    with talking(live_emulator, "json-reliable") as talk:
        drop(talk)
        assert talk.echo_in_group("g") > 0


def test_a_lost_connection_of_any_other_is_told_by_every_wait(live_emulator: str) -> None:
    with talking(live_emulator, "json") as talk:
        drop(talk)
        for _ in range(2):
            with pytest.raises(ConnectionLost):
                talk.echo_in_group("g")
