"""The health of the generator itself: CPU, memory, event loop lag, and pauses of the garbage collector."""

from __future__ import annotations

import contextlib
import gc
import os

import gevent
import psutil

from wps_load.client.scheduler import Scheduler
from wps_load.clock import NS_PER_MS, now_ns
from wps_load.measure.recorder import Recorder
from wps_load.swarm.messages import Vitals

PROBE_NS = 10 * NS_PER_MS
"""The loop's lag is sampled a hundred times a second."""

GC_THRESHOLDS = (50_000, 20, 20)
"""The garbage collector's thresholds during a run.

Nearly all of our objects die by their reference count, but a crowd that
connects makes objects that stay: with the usual 700 they are walked again and again, and each full walk is a pause.
"""

FREEZE_USERS = 250
"""Each time a growing crowd has this many new users, their objects are hidden from the collector, because they stay.
They have fewer objects than the first threshold, so no collection of 20 ms that finds nothing delays a ramp.
"""


class Health:
    """The health of this process. `start` with a run; `grown` as users come; `second` once a second; `stop`."""

    def __init__(self, scheduler: Scheduler, recorder: Recorder) -> None:
        self._scheduler = scheduler
        self._recorder = recorder
        self._process = psutil.Process(os.getpid())
        self._known = 0.0, int(self._process.memory_info().rss)
        self._thresholds = gc.get_threshold()
        self._gc_began_ns = 0
        self._gc_pause_ns = 0
        self._most_users = 0
        self._tracks_greenlets = gevent.config.track_greenlet_tree
        self._running = False

    def start(self) -> None:
        # present objects stay: a full collection that walks all of Locust's modules stops this process for 60 ms
        gc.collect()
        gc.freeze()
        self._thresholds = gc.get_threshold()
        gc.set_threshold(*GC_THRESHOLDS)
        # the record of who spawned a greenlet is for debuggers, and costs each user a walk up the stack
        gevent.config.track_greenlet_tree = False
        self._running = True
        self._process.cpu_percent()
        self._lag = self._recorder.buffer("loop_lag")
        self._scheduler.call_at(now_ns() + PROBE_NS, self._probe)
        gc.callbacks.append(self._on_gc)

    def grown(self, users: int) -> None:
        """There are this many users now. Only growth freezes objects, not a user that replaces another."""
        if self._running and users >= self._most_users + FREEZE_USERS:
            self._most_users = users
            gc.freeze()

    def settled(self) -> None:
        """All users have come and stay for the run, so no collection in the measure phase should walk them."""
        gc.freeze()

    def stop(self) -> None:
        if self._running:
            self._running = False
            gc.callbacks.remove(self._on_gc)
            gc.set_threshold(*self._thresholds)
            gc.unfreeze()
            gevent.config.track_greenlet_tree = self._tracks_greenlets

    def second(self) -> Vitals:
        """`cpu_percent` of one core and `gc_pause_ns` (the longest) since the last call, `rss_bytes` now.

        CPU and memory are the last known values if this process cannot open another file, which may well happen in a
        test of connections.
        """
        pause, self._gc_pause_ns = self._gc_pause_ns, 0
        with contextlib.suppress(OSError):
            self._known = float(self._process.cpu_percent()), int(self._process.memory_info().rss)
        return Vitals(*self._known, gc_pause_ns=pause)

    def _probe(self, due_ns: int) -> int | None:
        # the next one is due as if this one had been on time, so a blocked loop is not sampled less often
        self._lag.append(now_ns() - due_ns)
        return due_ns + PROBE_NS if self._running else None

    def _on_gc(self, phase: str, info: dict[str, int]) -> None:
        if phase == "start":
            self._gc_began_ns = now_ns()
        else:
            self._gc_pause_ns = max(self._gc_pause_ns, now_ns() - self._gc_began_ns)
