"""The loop that continues a lost connection, with an owner and sockets of the test's own."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import orjson
import pytest
from gevent.event import Event

from tests.client.contexts import population_context
from wps_load.client import recovery
from wps_load.client.access import ConnectGrant
from wps_load.client.context import PopulationContext
from wps_load.client.stream import Network
from wps_load.clock import NS_PER_S, now_ns
from wps_load.errors import ConnectFailure
from wps_load.protocol.codecs import CODECS
from wps_load.protocol.session import CONNECTION_GONE, RECOVERY_WINDOW_NS, Session
from wps_load.protocol.session_states import State

CONNECTED = {
    "type": "system",
    "event": "connected",
    "userId": "u",
    "connectionId": "c",
    "reconnectionToken": "token",
}
GRANT = ConnectGrant("ws://127.0.0.1:1/client/hubs/h?access_token=secret")


class Socket:
    """`proven` at once. `up` False: the service has closed it."""

    def __init__(self, up: bool) -> None:
        self.up = up
        self.proven = Event()
        self.proven.set()
        self.upgraded_ns = now_ns()


class Owner:
    def __init__(self, session: Session, sockets: list[Socket], patience: int = 99) -> None:
        self._session = session
        self._sockets = sockets
        self._patience = patience
        self.failures = 0

    @property
    def gives_up(self) -> bool:
        return self.failures >= self._patience

    def reopen(self, dialed: Any, session: Session, unanswered: list[bytes]) -> Any:
        socket = self._sockets.pop(0)
        if not socket.up:
            session.lost(now_ns(), CONNECTION_GONE)
        return socket

    def not_recovered(self) -> None:
        self.failures += 1


@pytest.fixture
def context() -> Iterator[PopulationContext]:
    with population_context(protocol="json-reliable", scenario="echo") as made:
        yield made


@pytest.fixture
def session() -> Session:
    """Of a connection that has just been lost."""
    made = Session(CODECS["json-reliable"])
    made.receive(1, orjson.dumps(CONNECTED))
    made.lost(now_ns())
    assert made.state is State.RECOVERING
    return made


def dials(monkeypatch: pytest.MonkeyPatch, *results: ConnectFailure | None) -> list[str]:
    """What each attempt to dial comes to; the URLs that are dialed."""
    urls: list[str] = []
    waiting = list(results)

    def dial(spec: Any, network: Network) -> Any:
        urls.append(spec.url)
        if (failure := waiting.pop(0)) is not None:
            raise failure
        return Socket(True)

    monkeypatch.setattr(recovery, "dial", dial)
    monkeypatch.setattr(recovery, "RECOVERY_RETRY_S", 0.0)
    return urls


def test_it_tries_until_the_service_takes_it_back(
    context: PopulationContext, session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    urls = dials(monkeypatch, ConnectFailure("connect_refused", "no"), ConnectFailure("http_503", "no"), None)
    owner = Owner(session, [Socket(True)])
    assert recovery.recover(context, GRANT, session, now_ns(), owner)
    assert (owner.failures, session.state) == (2, State.CONNECTED)
    seen = context.recorder.take()
    assert (seen.counters["connections_recovered"], seen.failures) == (1, {})
    assert seen.histograms["recover"].count == 1
    assert all("awps_connection_id=c" in url and "secret" not in url for url in urls)


@pytest.mark.parametrize("failure", [None, ConnectFailure("http_404", "gone", permanent=True)])
def test_what_the_service_no_longer_has_is_refused_once_and_final(
    context: PopulationContext, session: Session, monkeypatch: pytest.MonkeyPatch, failure: ConnectFailure | None
) -> None:
    dials(monkeypatch, failure)
    owner = Owner(session, [Socket(False)])
    assert not recovery.recover(context, GRANT, session, now_ns(), owner)
    assert (owner.failures, session.state) == (1, State.CLOSED)
    seen = context.recorder.take()
    assert seen.failures == {("recover", "recover_refused"): 1}
    assert "connections_recovered" not in seen.counters


def test_after_the_window_it_is_given_up(
    context: PopulationContext, session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    dials(monkeypatch)
    late_ns = now_ns() + RECOVERY_WINDOW_NS + NS_PER_S
    monkeypatch.setattr(recovery, "now_ns", lambda: late_ns)
    assert not recovery.recover(context, GRANT, session, now_ns(), Owner(session, []))
    assert context.recorder.take().failures == {("recover", "recover_timeout"): 1}


def test_an_owner_that_gives_up_has_not_failed(
    context: PopulationContext, session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    dials(monkeypatch, ConnectFailure("connect_refused", "no"))
    assert not recovery.recover(context, GRANT, session, now_ns(), Owner(session, [], patience=1))
    assert (context.recorder.take().failures, session.state) == ({}, State.CLOSED)
