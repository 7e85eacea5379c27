"""A timer of the hub that is set, moved and stopped."""

from __future__ import annotations

import gevent
from gevent.queue import Queue

from wps_load.client.oneshot import OneShot

PATIENCE_S = 5


def test_a_timer_that_is_set_again_or_stopped_does_not_come_due_as_it_was() -> None:
    came: Queue[str] = Queue()
    loop = gevent.get_hub().loop
    moved, stopped, last = OneShot(loop), OneShot(loop), OneShot(loop)
    moved.start(0.001, lambda: came.put("as it was set first"))
    stopped.start(0.001, lambda: came.put("although it was stopped"))
    moved.start(0.002, lambda: came.put("moved"))
    stopped.stop()
    stopped.stop()
    last.start(0.01, lambda: came.put("last"))
    assert [came.get(timeout=PATIENCE_S) for _ in range(2)] == ["moved", "last"]


def test_a_timer_may_be_set_again_where_it_has_come_due() -> None:
    came: Queue[int] = Queue()
    timer = OneShot(gevent.get_hub().loop)

    def again() -> None:
        came.put(1)
        timer.start(0.0, lambda: came.put(2))

    timer.start(0.0, again)
    assert [came.get(timeout=PATIENCE_S) for _ in range(2)] == [1, 2]
