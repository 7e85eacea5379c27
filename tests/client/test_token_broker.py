"""Forks get their tokens from the process that has the credential; nobody else gets any."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator

import gevent
import gevent.socket
import pytest

from tests.client.loopback import PATIENCE_S
from wps_load.client import token_broker
from wps_load.client.entra_tokens import EntraToken
from wps_load.client.generate_token import Wanted
from wps_load.client.token_broker import Served, TokenClient, TokenServer
from wps_load.clock import NS_PER_S, now_ns
from wps_load.errors import ConnectFailure

WANTED = Wanted("bench", None, ("webpubsub.sendToGroup",), ("g",), 3600)
pytestmark = pytest.mark.skipif(not token_broker.available(), reason="Linux only")


class Master:
    """A fake process with the credential: records requests, and answers."""

    def __init__(self) -> None:
        self.asked: list[Wanted] = []
        self.failure: ConnectFailure | None = None

    def client(self, wanted: Wanted) -> tuple[str, int]:
        self.asked.append(wanted)
        if self.failure is not None:
            raise self.failure
        return "client-token", now_ns() + 60 * NS_PER_S


@pytest.fixture
def master(monkeypatch: pytest.MonkeyPatch) -> Iterator[Master]:
    """In this process, which takes itself for its own child."""
    monkeypatch.setattr(token_broker, "parent_of", lambda pid: pid)
    found = Master()
    server = TokenServer(Served(found.client, lambda: EntraToken("entra-token", 7, None), lambda: [5, 6]))
    yield found
    server.close()


def test_a_fork_gets_both_kinds(master: Master) -> None:
    client = TokenClient(os.getpid())
    made = client.make(WANTED)
    assert (made.text, made.took_ns) == ("client-token", (5, 6))
    assert made.left_s is not None
    assert 50 < made.left_s <= 60
    assert master.asked == [WANTED]
    assert client.entra() == EntraToken("entra-token", 7, None)


def test_a_failure_is_the_forks_as_well(master: Master) -> None:
    master.failure = ConnectFailure("token_http_403_role", "no role", "give it", permanent=True, retry_after_s=3)
    with pytest.raises(ConnectFailure) as caught:
        TokenClient(os.getpid()).make(WANTED)
    failure = caught.value
    assert (failure.label, failure.message, failure.advice) == ("token_http_403_role", "no role", "give it")
    assert (failure.permanent, failure.retry_after_s) == (True, 3)


def test_who_is_not_a_child_gets_nothing(master: Master, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(token_broker, "parent_of", lambda pid: 1)
    with pytest.raises(ConnectFailure) as caught:
        TokenClient(os.getpid()).make(WANTED)
    assert caught.value.label == "token_master_lost"
    assert master.asked == []


def test_another_user_gets_nothing(master: Master, monkeypatch: pytest.MonkeyPatch) -> None:
    own = token_broker.peer_of
    monkeypatch.setattr(token_broker, "peer_of", lambda sock: (own(sock)[0], os.geteuid() + 1))
    with pytest.raises(ConnectFailure):
        TokenClient(os.getpid()).make(WANTED)
    assert master.asked == []


def test_a_stranger_at_the_address_is_not_asked() -> None:
    """A fork looks at who answers before it says anything."""
    said: list[bytes] = []
    listener = gevent.socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    listener.bind("\0wps-load-tokens-1")  # process 1 is another's
    listener.listen(1)

    def listen() -> None:
        sock, _ = listener.accept()
        said.append(sock.recv(100))
        sock.close()

    listening = gevent.spawn(listen)
    try:
        with pytest.raises(ConnectFailure, match="somebody else answers"):
            TokenClient(1).make(WANTED)
        listening.join(PATIENCE_S)
        assert said == [b""]
    finally:
        listener.close()


def test_a_master_that_is_gone() -> None:
    with pytest.raises(ConnectFailure) as caught:
        TokenClient(2**22 - 3).make(WANTED)
    assert caught.value.label == "token_master_lost"
    assert not caught.value.permanent


def test_parents_are_read_from_the_kernel() -> None:
    assert token_broker.parent_of(os.getpid()) == os.getppid()
    assert token_broker.parent_of(2**22 - 3) is None
