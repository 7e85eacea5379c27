"""What the generator does to its own process while a run is on, and that it takes it back."""

from __future__ import annotations

import errno
import gc
from collections.abc import Iterator
from typing import Any, cast

import gevent
import psutil
import pytest

from wps_load.client.scheduler import Scheduler
from wps_load.measure.recorder import Recorder
from wps_load.swarm.generator_health import FREEZE_USERS, GC_THRESHOLDS, Health


class NoScheduler:
    """Takes what is to be called, and never calls it."""

    def call_at(self, *_: Any) -> None: ...


@pytest.fixture
def health() -> Iterator[Health]:
    health = Health(cast(Scheduler, NoScheduler()), Recorder())
    yield health
    health.stop()


def test_a_run_changes_the_collector_and_gives_it_back(health: Health) -> None:
    thresholds, tracks = gc.get_threshold(), gevent.config.track_greenlet_tree
    health.start()
    assert gc.get_threshold() == GC_THRESHOLDS
    assert gc.get_freeze_count() > 0
    assert not gevent.config.track_greenlet_tree
    health.stop()
    assert gc.get_threshold() == thresholds
    assert gc.get_freeze_count() == 0
    assert gevent.config.track_greenlet_tree == tracks


def test_a_growing_crowd_is_frozen_gradually_and_a_returning_one_is_not(health: Health) -> None:
    health.start()
    kept: list[list[object]] = []

    def newly_frozen(users: int) -> bool:
        before = gc.get_freeze_count()
        kept.append([object()])  # something new for the collector to see
        health.grown(users)
        return gc.get_freeze_count() > before

    assert not newly_frozen(FREEZE_USERS - 1)
    assert newly_frozen(FREEZE_USERS)
    assert not newly_frozen(FREEZE_USERS + 1)
    assert newly_frozen(5 * FREEZE_USERS)
    assert not newly_frozen(0)
    assert not newly_frozen(5 * FREEZE_USERS)


def test_a_process_that_may_open_no_file_goes_on_with_what_it_knows(
    health: Health, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_file(*_: object) -> None:
        raise OSError(errno.EMFILE, "Too many open files")

    health.start()
    known = health.second()
    monkeypatch.setattr(psutil.Process, "cpu_percent", no_file)
    monkeypatch.setattr(psutil.Process, "memory_info", no_file)
    again = health.second()
    assert again[:2] == known[:2]


def test_nothing_is_frozen_when_the_run_is_over(health: Health) -> None:
    health.start()
    health.stop()
    health.grown(10 * FREEZE_USERS)
    assert gc.get_freeze_count() == 0


def test_a_pause_of_the_collector_is_reported_once(health: Health) -> None:
    health.start()
    gc.collect()
    assert health.second().gc_pause_ns > 0
    assert health.second().gc_pause_ns == 0
