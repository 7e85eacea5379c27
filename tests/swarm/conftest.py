from __future__ import annotations

import gc
import logging
import sys
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import gevent
import pytest

from tests.swarm.unpatched import import_locust

if TYPE_CHECKING:
    from tests.swarm.locust_process import Process


@pytest.fixture(autouse=True)
def refrozen(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """What pytest has frozen stays so: a run that ends unfreezes everything, and the next would begin by walking it."""
    thawed = []

    def unfreeze(really: Callable[[], None] = gc.unfreeze) -> None:
        thawed.append(True)
        really()

    monkeypatch.setattr(gc, "unfreeze", unfreeze)
    yield
    if thawed:
        gc.freeze()


@pytest.fixture(scope="session")
def unpatched_locust() -> None:
    import_locust()


@pytest.fixture
def make_process(unpatched_locust: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Process]]:
    """Makes a process of Locust with wps-load in it inside this one, which keeps its signals and Locust's constants."""
    import locust.argument_parser
    import locust.runners
    import locust.stats

    from tests.swarm.locust_process import Process
    from wps_load.swarm import locust_options, signals

    monkeypatch.delenv("WebPubSubConnectionString", raising=False)
    monkeypatch.setattr(signals.Signals, "install", lambda self: None)
    hub = gevent.get_hub()
    monkeypatch.setattr(hub, "handle_error", hub.handle_error)
    monkeypatch.setattr(locust_options, "_parsers", [])
    monkeypatch.setattr(sys, "argv", ["locust"])  # which its page parses
    for module, name in (
        (locust.runners, "MASTER_HEARTBEAT_TIMEOUT"),
        (locust.runners, "HEARTBEAT_DEAD_INTERNAL"),
        (locust.argument_parser, "default_args_dict"),
        (locust.stats, "bucket_response_time"),
    ):
        monkeypatch.setattr(module, name, getattr(module, name))
    made: list[Process] = []

    def make(*argv: str, **options: Any) -> Process:
        made.append(Process(*argv, **options))
        return made[-1]

    tables = logging.getLogger("locust.stats_logger")
    level = tables.level
    yield make
    tables.setLevel(level)
    for each in made:
        each.end()
