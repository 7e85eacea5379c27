"""Ctrl-C and SIGTERM: a run that is stopped still drains and reports; a second signal ends it at once.

A Python signal handler that raises, as the default one for SIGINT does, would raise in the middle of whatever runs,
the hub's callbacks included. So SIGINT is taken by gevent's handler and handed to the main greenlet as the
KeyboardInterrupt that Locust waits for. A terminal's Ctrl-C reaches the whole process group: workers that a master has
forked leave the ending to it.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import gevent  # type: ignore[import-untyped]

if TYPE_CHECKING:
    from wps_load.swarm.lifecycle import Lifecycle

ABORTED = 130
"""What a shell expects of a process that SIGINT has ended."""
MASTER_PATIENCE_S = 90.0
"""How long a worker that got Ctrl-C waits for its master to end it: a drain, and then some."""


def interrupt_politely() -> None:
    """The first SIGINT interrupts Locust's main greenlet; the second one, of either kind, ends the process at once.

    To be called in the main greenlet.
    """
    main = gevent.getcurrent()
    interrupt = _FirstThenAbort(lambda: gevent.get_hub().loop.run_callback(main.throw, KeyboardInterrupt()))
    gevent.signal_handler(signal.SIGINT, interrupt)
    # beside Locust's own handler, which takes the first one
    gevent.signal_handler(signal.SIGTERM, _FirstThenAbort(lambda: None))


def wait_for_master(lifecycle: Lifecycle) -> None:
    """In a worker: Ctrl-C is the master's to handle, if this worker is a fork of one."""
    main = gevent.getcurrent()

    def leave() -> None:
        if not main.dead:
            gevent.get_hub().loop.run_callback(main.throw, KeyboardInterrupt())

    def later() -> None:
        busy = lifecycle.agent is not None and _is_fork_of_master(lifecycle)
        gevent.spawn_later(MASTER_PATIENCE_S if busy else 0.0, leave)

    gevent.signal_handler(signal.SIGINT, _FirstThenAbort(later))


def _is_fork_of_master(lifecycle: Lifecycle) -> bool:
    """`--processes N` without `--worker`: Locust forked this worker from the process that is the master."""
    asked_to_be_worker = "--worker" in sys.argv or bool(os.environ.get("LOCUST_MODE_WORKER"))
    return bool(lifecycle.parsed.get("processes")) and not asked_to_be_worker


class _FirstThenAbort:
    def __init__(self, first: Callable[[], Any]) -> None:
        self._first = first
        self._seen = False

    def __call__(self) -> None:
        if self._seen:
            os._exit(ABORTED)
        self._seen = True
        self._first()
