"""Contexts of clients without a network behind them, and connections of which only the counts are there."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from tests.client.engine_runs import settings
from tests.config_texts import CONNECTION
from wps_load.client.access import UrlAccess
from wps_load.client.connection import Cut
from wps_load.client.connections import OpenConnection, SentBytes
from wps_load.client.context import PopulationContext, RunContext
from wps_load.client.stream import Network
from wps_load.errors import ConnectionLost


@contextmanager
def population_context(
    warn: Callable[[str, str], None] = lambda kind, sentence: None, users: int = 1, **options: Any
) -> Iterator[PopulationContext]:
    """Of a run whose number is 7. `warn(kind, sentence)`: who hears of failures."""
    config = settings(CONNECTION, users, **options)
    network = Network.create(insecure=True)
    run = RunContext.create(config, run_id="r", number=7, users=users, network=network, warn=warn)
    try:
        yield PopulationContext.create(run, config.population, UrlAccess("", in_header=False))
    finally:
        run.scheduler.close()


@dataclass(eq=False)
class Link:
    """A connection that has sent and received this many bytes."""

    bytes_sent: int = 0
    bytes_received: int = 0
    stalls: int = 0
    open: bool = True
    writable: bool = True

    @property
    def connection(self) -> OpenConnection:
        return self

    @property
    def outbox(self) -> SentBytes:
        return self

    @property
    def stalled_ns(self) -> int:
        return 10 * self.stalls

    def send(self, frame: bytes, /) -> bool:
        raise AssertionError("nothing is sent here")

    def send_control(self, frame: bytes, /) -> None:
        raise AssertionError("nothing is sent here")

    def cut(self, kind: Cut, lost: ConnectionLost | None = None) -> None:
        raise AssertionError("nothing is cut here")

    def acknowledge(self, at_ns: int) -> None:
        raise AssertionError("nothing is acknowledged here")
