"""Names: asked once for all, their addresses by turns."""

from __future__ import annotations

import socket
from collections.abc import Callable

import gevent
import pytest
from loopback import PATIENCE_S

from wps_load.client import stream
from wps_load.client.stream import Resolver
from wps_load.errors import ConnectFailure


def test_a_name_is_asked_once_and_by_all_together(names: Callable[..., list[str]]) -> None:
    asked = names((socket.AF_INET, ("127.0.0.1", 9)))
    resolver = Resolver()
    waiting = [gevent.spawn(resolver.resolve, "h.example", 9) for _ in range(3)]
    gevent.joinall(waiting, timeout=PATIENCE_S, raise_error=True)
    assert resolver.known("h.example", 9) == [(socket.AF_INET, ("127.0.0.1", 9))]
    assert asked == ["h.example"]


def test_addresses_of_a_family_take_turns(names: Callable[..., list[str]]) -> None:
    names((socket.AF_INET, ("10.0.0.1", 1)), (socket.AF_INET, ("10.0.0.2", 1)))
    resolver = Resolver()
    resolver.resolve("h", 1)
    firsts = [(resolver.known("h", 1) or [])[0][1][0] for _ in range(4)]
    assert firsts == ["10.0.0.1", "10.0.0.2"] * 2


def test_another_family_stays_behind(names: Callable[..., list[str]]) -> None:
    names((socket.AF_INET6, ("::2", 1)), (socket.AF_INET, ("10.0.0.2", 1)))
    resolver = Resolver()
    resolver.resolve("h", 1)
    assert [(resolver.known("h", 1) or [])[0][0] for _ in range(3)] == [socket.AF_INET6] * 3


def test_a_failure_to_resolve_is_not_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    answers: list[object] = [OSError(-2, "unknown"), [(socket.AF_INET, ("127.0.0.1", 1))]]
    monkeypatch.setattr(stream, "_look_up", lambda host, port: answers.pop(0))
    resolver = Resolver()
    with pytest.raises(ConnectFailure):
        resolver.resolve("h", 1)
    assert resolver.resolve("h", 1)
