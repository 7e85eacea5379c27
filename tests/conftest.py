"""For the whole suite: property tests have no deadline (two shared cores), and tests that start programs are known.

A `program` test starts a process: one of the folders below, one that uses a process as a fixture, or one that is marked
so. `make unit` leaves them out. What starts a process without being marked fails.
"""

from __future__ import annotations

import gc
import os
import signal
import sys
from collections.abc import Iterator
from typing import Any

import gevent
import pytest
from hypothesis import HealthCheck, settings

from wps_load.emulator.process import EmulatorProcess

settings.register_profile("suite", deadline=None, suppress_health_check=[HealthCheck.too_slow], max_examples=40)
settings.register_profile("thorough", settings.get_profile("suite"), max_examples=200)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "suite"))


def heed_signals() -> None:
    """What a shell's `&` or nohup lets a program ignore, the programs that it starts ignore, too: tests send it."""
    for number, handler in ((signal.SIGINT, signal.default_int_handler), (signal.SIGHUP, signal.SIG_DFL)):
        if signal.getsignal(number) is signal.SIG_IGN:
            signal.signal(number, handler)


if "PYTEST_XDIST_WORKER" in os.environ:  # who was started so still lives on when its terminal closes
    heed_signals()

FOLDERS = {"calibration", "integration", "sdks"}
"""All of their tests are about whole programs."""

PROCESSES = {"emulator"}
"""Fixtures that start a process."""


@pytest.fixture(scope="session")
def emulator() -> Iterator[EmulatorProcess]:
    """A real emulator without faults, one for all tests of a process of pytest: groups and users have random names."""
    with EmulatorProcess.start() as process:
        yield process


STARTS = {"subprocess.Popen", "os.fork", "os.posix_spawn", "tests.zygote.start"}
"""Events of the interpreter's audit, and one of `tests/zygote.py`."""

_undeclared: list[str] = []
"""The running test, if it may not start a process."""


def _watch(event: str, arguments: tuple[object, ...]) -> None:
    if event in STARTS and _undeclared:
        raise AssertionError(f"{_undeclared[0]} starts a process ({event}): mark it with pytest.mark.program")


sys.addaudithook(_watch)


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup() -> None:
    """Timers of gevent count from the loop's last turn: after tests without a loop they would be due at once."""
    gevent.get_hub().loop.update_now()


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Deals tests out by `tests/together.py`, for `--dist loadscope`."""
    from tests.together import Together

    return Together(config, log) if config.getvalue("dist") == "loadscope" else None


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Any:
    """Thousands of tests and what they import stay: the garbage collector need not walk them, now or ever."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.enable()
        gc.freeze()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Marks what uses a process."""
    for item in items:
        if item.path.parent.name in FOLDERS or PROCESSES & set(getattr(item, "fixturenames", ())):
            item.add_marker("program")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Any:
    if item.get_closest_marker("program") is None:
        _undeclared.append(item.nodeid)
    try:
        return (yield)
    finally:
        _undeclared.clear()
