"""Ctrl-C, SIGTERM and SIGHUP: a run that is stopped still drains and reports; a second signal ends it at once.

A table (`react`) decides from the signal and from what Locust is doing; the rest carries it out.

A Python signal handler that raises, as the default one for SIGINT does, would raise in the middle of whatever runs, the
hub's callbacks included. So signals are taken by gevent's handlers, and SIGINT is handed to the main greenlet as the
KeyboardInterrupt that Locust waits for, where it waits for it. A terminal's Ctrl-C and a supervisor's SIGTERM reach the
whole process group: workers that a master has forked leave the ending to it.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from enum import Enum, auto
from typing import Any, Final, Protocol

import gevent
from gevent.event import Event

from wps_load.clock import NS_PER_MS, NS_PER_S, now_ns
from wps_load.errors import ExitCode
from wps_load.settings.options import OptionValues
from wps_load.swarm.conductor import Conductor
from wps_load.swarm.console import Console
from wps_load.swarm.early import INTERRUPTED
from wps_load.swarm.locust_seam import calls_of_program

MASTER_PATIENCE_S: Final = 90.0
"""How long a worker that was told to end waits for its master to end it, and how long a second greenlet that shuts down
waits for the first: a drain, with some reserve.
"""
DRAIN_PATIENCE_S: Final = 3.0
"""How long a stand-alone worker that was told to end waits for its master to end the run.

A supervisor that stops all of a run's processes stops them at about the same time.
"""
SAME_NS: Final = NS_PER_MS // 10
"""`timeout` sends its signal twice, to the process and to its group. Signals this close together count as one, if the
event loop has not already merged them.
"""
OF_ONE_REQUEST_NS: Final = 500 * NS_PER_MS
"""The same for different signals: supervisors and closed terminals send SIGHUP beside SIGTERM or SIGINT."""
_POLL_S: Final = 0.02
_NUMBERS: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Where(Enum):
    """What the main greenlet is doing."""

    STARTING = auto()
    """No run has begun: options are being judged, the emulator is starting, or workers are waited for."""
    SHAPE = auto()
    """It waits for a load shape to end; Locust's own SIGTERM handler is not installed yet."""
    RUNNING = auto()
    """It waits for the run, or the web page, to end."""
    ENDING = auto()
    """Locust shuts down."""


class Reaction(Enum):
    LEAVE = auto()
    """End the process: there is nothing to report."""
    INTERRUPT = auto()
    """Give Locust the KeyboardInterrupt that it waits for."""
    NOTHING = auto()
    """Do nothing: Locust's own handler acts, or the end is already under way."""
    AWAIT_MASTER = auto()
    """A forked worker waits: the master ends it when the run has drained."""
    ABORT = auto()
    """End the process now, whatever it is doing."""


def react(number: int, where: Where, *, again: bool, forked_worker: bool) -> Reaction:
    """The reaction to a signal. `again`: another came before it, some time ago."""
    if again:
        return Reaction.ABORT
    if forked_worker:
        return Reaction.AWAIT_MASTER
    if where is Where.STARTING:
        return Reaction.LEAVE
    if where is Where.ENDING or (where is Where.RUNNING and number == signal.SIGTERM):
        return Reaction.NOTHING
    return Reaction.INTERRUPT


def where_is(calls: Iterator[str], *, prepared: bool, begun: bool) -> Where:
    """`calls`: the functions of Locust's program that the main greenlet is in.

    `prepared`: our part of the start is done. `begun`: a run has begun.
    """
    names = set(calls)
    if "shutdown" in names:
        return Where.ENDING
    if "start_automatic_run" in names:
        return Where.SHAPE if begun else Where.STARTING
    return Where.RUNNING if prepared else Where.STARTING


def has_begun(state: str, *, run: bool, over: bool) -> bool:
    """Whether a run has begun, from Locust's state and ours.

    A master's state alone does not say it: it is "stopped" when its only worker has left before the run.
    """
    return state != "ready" and (run or over)


class Conducted(Protocol):
    """A run that has begun; `Run` implements it."""

    @property
    def conductor(self) -> Conductor: ...


class DrainedAgent(Protocol):
    """A worker's part in a run; `Agent` implements it."""

    @property
    def draining(self) -> bool: ...

    @property
    def finished(self) -> bool: ...


class SignalledProcess(Protocol):
    """The facts of this process that are needed here; its lifecycle provides them."""

    conducts: bool
    runner: Any
    console: Console

    @property
    def agent(self) -> DrainedAgent | None: ...

    @property
    def run(self) -> Conducted | None: ...

    @property
    def parsed(self) -> OptionValues: ...


class Course(Protocol):
    """The progress of the run."""

    @property
    def over(self) -> bool: ...

    @property
    def has_end(self) -> bool: ...


class Signals:
    """The signals of one process. Must be created in the main greenlet; `install` installs the handlers."""

    def __init__(self, process: SignalledProcess, course: Course) -> None:
        self._process = process
        self._course = course
        self._main = gevent.getcurrent()
        self._first: tuple[int, int] | None = None
        self.prepared = False
        """Set when our part of the start is done."""
        self.asked = Event()
        """Set by the first signal: somebody wants the process to end."""
        self.stopped_by: str | None = None
        """The first signal and its time, if it came before the end of a headless run."""

    def install(self) -> None:
        for number in _NUMBERS:
            if number == signal.SIGHUP and signal.getsignal(number) is signal.SIG_IGN:
                continue  # nohup
            gevent.signal_handler(number, self.came, number)

    @property
    def code_before_a_run(self) -> int:
        if not self._process.conducts:
            return 0  # workers never decide the code
        return int(ExitCode.STOPPED) if self._process.parsed.get("headless") else INTERRUPTED

    @property
    def _forked_worker(self) -> bool:
        """`--processes N` without `--worker`: Locust forked this worker from the process that is the master."""
        process = self._process
        asked_to_be_worker = "--worker" in sys.argv or bool(os.environ.get("LOCUST_MODE_WORKER"))
        return not process.conducts and bool(process.parsed.get("processes")) and not asked_to_be_worker

    def came(self, number: int) -> None:
        """Handles a signal in a greenlet of its own."""
        at_ns = now_ns()
        again = self._first is not None
        if self._first is not None:
            before, before_ns = self._first
            if at_ns - before_ns < (SAME_NS if number == before else OF_ONE_REQUEST_NS):
                return
        else:
            self._first = number, at_ns
            self.asked.set()
            self._note(number)
        begun = has_begun(self._process.runner.state, run=self._process.run is not None, over=self._course.over)
        where = where_is(calls_of_program(self._main), prepared=self.prepared, begun=begun)
        reaction = react(number, where, again=again, forked_worker=self._forked_worker)
        _CARRIED_OUT[reaction](self)

    def _note(self, number: int) -> None:
        """Records whether the run is stopped before its time; for a run without an end, this is its normal end."""
        name = signal.Signals(number).name
        if not self._process.parsed.get("headless") or self._course.over:
            return
        run = self._process.run
        if run is None:
            self.stopped_by = f"{name} before it had begun"
        elif self._course.has_end:
            self.stopped_by = f"{name} after {(now_ns() - run.conductor.plan.started_ns) / NS_PER_S:.1f} s"

    # -- reactions -------------------------------------------------------------------------------------------

    def _leave(self) -> None:
        if self._process.conducts:
            if self.stopped_by is not None:
                self._process.console.say(f"wps-load: stopped by {self.stopped_by}")
            with suppress(Exception):  # for workers that have connected already; later ones find no master
                self._process.runner.quit()
        if not self._main.dead:
            gevent.get_hub().loop.run_callback(self._main.throw, SystemExit(self.code_before_a_run))

    def _interrupt(self) -> None:
        if not self._main.dead:
            gevent.get_hub().loop.run_callback(self._main.throw, KeyboardInterrupt())

    def _await_master(self) -> None:
        """Locust's handler of SIGTERM waits too, see `await_master`."""
        if self._process.agent is not None:
            gevent.sleep(MASTER_PATIENCE_S)
        self._leave()

    def await_master(self) -> None:
        """Makes a worker that a signal told to end wait in Locust's `quitting` for its master.

        The master drains the run, and ends the worker through the main greenlet. A worker that was started on its own
        leaves if the run is not about to end.
        """
        if self._first is None or gevent.getcurrent() is self._main:
            return
        if self._forked_worker:
            gevent.sleep(MASTER_PATIENCE_S)
        elif not self._process.conducts:
            self._await(DRAIN_PATIENCE_S, lambda agent: agent.draining)
            if (agent := self._process.agent) is not None and agent.draining:
                self._await(MASTER_PATIENCE_S, lambda agent: agent.finished)

    def _await(self, at_most_s: float, done: Callable[[DrainedAgent], bool]) -> None:
        with gevent.Timeout(at_most_s, False):
            while (agent := self._process.agent) is not None and not done(agent):
                gevent.sleep(_POLL_S)

    def _abort(self) -> None:
        if self._forked_worker:
            os._exit(0)  # its code would be for its master to explain
        self._process.console.say("wps-load: ended at once by a second signal; what was not reported is lost")
        _end_children()
        os._exit(int(ExitCode.STOPPED) if self.stopped_by is not None else INTERRUPTED)


_CARRIED_OUT: Final[dict[Reaction, Callable[[Signals], None]]] = {
    Reaction.LEAVE: Signals._leave,
    Reaction.INTERRUPT: Signals._interrupt,
    Reaction.NOTHING: lambda signals: None,
    Reaction.AWAIT_MASTER: Signals._await_master,
    Reaction.ABORT: Signals._abort,
}


def _end_children() -> None:
    """Ends forked workers and the emulator: nothing else would end them now."""
    import psutil

    with suppress(psutil.Error):
        for child in psutil.Process().children(recursive=True):
            with suppress(psutil.Error):
                child.kill()
