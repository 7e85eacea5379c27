"""Names: asked once for all, their addresses by turns."""

from __future__ import annotations

import socket
from collections.abc import Callable

import gevent
import pytest

from tests.client.loopback import PATIENCE_S
from wps_load.client import stream
from wps_load.client.stream import Resolver
from wps_load.errors import ConnectFailure


def test_a_name_is_asked_once_and_by_all_together(names: Callable[..., list[str]]) -> None:
    asked = names((socket.AF_INET, ("127.0.0.1", 9)))
    resolver = Resolver()
    waiting = [gevent.spawn(resolver.resolve, "h.example", 9) for _ in range(3)]
    gevent.joinall(waiting, timeout=PATIENCE_S, raise_error=True)
    known = resolver.known("h.example", 9)
    assert known is not None
    assert known.order(0) == [(socket.AF_INET, ("127.0.0.1", 9))]
    assert all(each.value is known for each in waiting)
    assert asked == ["h.example"]


def test_a_failure_to_resolve_is_not_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    answers: list[object] = [OSError(-2, "unknown"), [(socket.AF_INET, ("127.0.0.1", 1))]]
    monkeypatch.setattr(stream, "_look_up", lambda host, port: answers.pop(0))
    resolver = Resolver()
    with pytest.raises(ConnectFailure):
        resolver.resolve("h", 1)
    assert resolver.resolve("h", 1)
