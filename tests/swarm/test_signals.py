"""What a signal does, by the table and by a fake process; the whole program's tests send real ones."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import gevent
import pytest

from tests.swarm.runs import conducted, planned
from wps_load.clock import NS_PER_S
from wps_load.errors import ExitCode
from wps_load.swarm import signals
from wps_load.swarm.conductor import Conductor
from wps_load.swarm.early import INTERRUPTED
from wps_load.swarm.signals import Reaction, Signals, Where, has_begun, react, where_is

INT, TERM, HUP = signal.SIGINT, signal.SIGTERM, signal.SIGHUP


@pytest.mark.parametrize(
    ("where", "reactions"),
    [
        (Where.STARTING, (Reaction.LEAVE, Reaction.LEAVE, Reaction.LEAVE)),
        (Where.SHAPE, (Reaction.INTERRUPT, Reaction.INTERRUPT, Reaction.INTERRUPT)),
        (Where.RUNNING, (Reaction.INTERRUPT, Reaction.NOTHING, Reaction.INTERRUPT)),
        (Where.ENDING, (Reaction.NOTHING, Reaction.NOTHING, Reaction.NOTHING)),
    ],
)
def test_the_first_signal(where: Where, reactions: tuple[Reaction, ...]) -> None:
    found = tuple(react(number, where, again=False, forked_worker=False) for number in (INT, TERM, HUP))
    assert found == reactions


@pytest.mark.parametrize("where", list(Where))
@pytest.mark.parametrize("number", [INT, TERM, HUP])
def test_a_second_one_ends_at_once_and_forked_workers_wait_for_their_master(where: Where, number: int) -> None:
    assert react(number, where, again=True, forked_worker=False) is Reaction.ABORT
    assert react(number, where, again=True, forked_worker=True) is Reaction.ABORT
    assert react(number, where, again=False, forked_worker=True) is Reaction.AWAIT_MASTER


@pytest.mark.parametrize(
    ("calls", "prepared", "begun", "where"),
    [
        (["main"], False, False, Where.STARTING),
        (["start_automatic_run", "main"], True, False, Where.STARTING),
        (["start_automatic_run", "main"], True, True, Where.SHAPE),
        (["main"], True, False, Where.RUNNING),
        (["main"], True, True, Where.RUNNING),
        (["shutdown", "main"], True, True, Where.ENDING),
        ([], True, True, Where.RUNNING),
    ],
)
def test_where_locust_is(calls: list[str], prepared: bool, begun: bool, where: Where) -> None:
    assert where_is(iter(calls), prepared=prepared, begun=begun) is where


@pytest.mark.parametrize(
    ("state", "run", "over", "begun"),
    [
        ("ready", False, False, False),
        ("stopped", False, False, False),
        ("spawning", True, False, True),
        ("running", True, False, True),
        ("stopped", False, True, True),
        ("ready", False, True, False),
    ],
)
def test_a_run_has_begun(state: str, run: bool, over: bool, begun: bool) -> None:
    assert has_begun(state, run=run, over=over) is begun


@dataclass
class Runner:
    """Locust's."""

    said: list[str]
    state: str = "running"

    def quit(self) -> None:
        self.said.append("quit")


@dataclass
class Console:
    said: list[str]

    def say(self, text: str) -> None:
        self.said.append(text)


@dataclass
class Begun:
    """A run that is on."""

    conductor: Conductor = field(default_factory=lambda: conducted(planned()))


@dataclass
class Lifecycle:
    """A process in the middle of a headless run that has an end."""

    runner: Any
    console: Any
    parsed: dict[str, Any] = field(default_factory=lambda: {"headless": True, "processes": None})
    conducts: bool = True
    over: bool = False
    has_end: bool = True
    agent: Any = "an agent"
    run: Begun | None = field(default_factory=Begun)


class Process:
    """A process with its lifecycle, main greenlet and clock in the test's hands."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, **lifecycle: Any) -> None:
        self.now_ns = 0
        self.said: list[str] = []
        self.exits: list[int] = []
        self.ended_by: list[BaseException] = []
        self.lifecycle = Lifecycle(**{"runner": Runner(self.said), "console": Console(self.said), **lifecycle})
        monkeypatch.setattr(signals, "now_ns", lambda: self.now_ns)
        monkeypatch.setattr(os, "_exit", self._exit)
        monkeypatch.setattr(signals, "_end_children", lambda: self.said.append("children"))
        main = gevent.spawn(self._main)
        gevent.sleep(0)
        assert main.started

    def _exit(self, code: int) -> None:
        self.exits.append(code)
        raise gevent.GreenletExit

    def _main(self) -> None:
        self.signals = Signals(self.lifecycle, self.lifecycle)
        self.signals.prepared = True
        try:
            gevent.sleep(60)
        except (KeyboardInterrupt, SystemExit) as end:
            self.ended_by.append(end)

    def send(self, number: int, at_s: float) -> None:
        self.now_ns = int(at_s * NS_PER_S)
        gevent.spawn(self.signals.came, number)
        gevent.sleep(0.001)


Make = Callable[..., Process]


@pytest.fixture
def process(monkeypatch: pytest.MonkeyPatch) -> Make:
    return lambda **lifecycle: Process(monkeypatch, **lifecycle)


@pytest.mark.parametrize("number", [INT, HUP])
def test_a_run_is_interrupted_and_it_is_known_by_what_and_when(process: Make, number: int) -> None:
    one = process()
    one.send(number, 3.21)
    assert [type(end) for end in one.ended_by] == [KeyboardInterrupt]
    assert one.signals.stopped_by == f"{signal.Signals(number).name} after 3.2 s"
    assert one.exits == []


def test_sigterm_is_left_to_locust(process: Make) -> None:
    one = process()
    one.send(TERM, 1)
    assert one.ended_by == []
    assert one.signals.stopped_by == "SIGTERM after 1.0 s"


def test_two_signals_at_once_are_one_request_and_a_later_one_is_an_order(process: Make) -> None:
    one = process()
    one.send(TERM, 1)
    one.send(TERM, 1 + (signals.SAME_NS - 1) / NS_PER_S)
    one.send(HUP, 1 + (signals.OF_ONE_REQUEST_NS - 1) / NS_PER_S)
    assert one.exits == []
    one.send(TERM, 1.01)
    assert one.exits == [ExitCode.STOPPED]
    assert one.said[-1] == "children"


@pytest.mark.parametrize(
    ("lifecycle", "stopped"),
    [
        ({"has_end": False}, None),
        ({"over": True}, None),
        ({"parsed": {"headless": False}}, None),
        ({"run": None}, "SIGINT before it had begun"),
    ],
)
def test_what_is_not_a_stop_before_its_time(process: Make, lifecycle: dict[str, Any], stopped: str | None) -> None:
    one = process(**lifecycle)
    one.send(INT, 1)
    assert one.signals.stopped_by == stopped


@pytest.mark.parametrize(("headless", "code"), [(True, ExitCode.STOPPED), (False, INTERRUPTED)])
@pytest.mark.parametrize("number", [INT, TERM, HUP])
def test_before_a_run_the_process_leaves_with_its_workers(
    process: Make, number: int, headless: bool, code: int
) -> None:
    one = process(run=None, agent=None, parsed={"headless": headless, "processes": 2})
    one.signals.prepared = False
    one.send(number, 0.2)
    (end,) = one.ended_by
    assert isinstance(end, SystemExit)
    assert end.code == code
    assert "quit" in one.said


def test_a_forked_worker_waits_while_a_run_is_on_and_leaves_where_none_is(process: Make) -> None:
    forked = {"conducts": False, "parsed": {"headless": True, "processes": 2}}
    busy = process(**forked)
    busy.send(INT, 1)
    busy.send(TERM, 1.2)
    assert (busy.ended_by, busy.exits) == ([], [])
    waiting = gevent.spawn(busy.signals.await_master)  # Locust's own handler of SIGTERM
    gevent.sleep(0.001)
    assert not waiting.dead
    waiting.kill()
    busy.send(INT, 3)
    assert busy.exits == [0], "its code is its master's to explain"
    idle = process(**forked, agent=None)
    idle.send(INT, 1)
    assert [getattr(end, "code", None) for end in idle.ended_by] == [0]


@dataclass
class Draining:
    """A worker's part in a run."""

    draining: bool = False
    finished: bool = False


def test_a_worker_of_its_own_waits_for_a_run_that_is_about_to_end(
    process: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    agent = Draining()
    worker = process(conducts=False, agent=agent)
    worker.send(TERM, 1)
    waiting = gevent.spawn(worker.signals.await_master)  # Locust's own handler of SIGTERM
    gevent.sleep(0.001)
    agent.draining = True
    monkeypatch.setattr(signals, "DRAIN_PATIENCE_S", 0.0)
    gevent.sleep(0.05)
    assert not waiting.dead, "its accounts are not sent"
    agent.finished = True
    waiting.join(5)
    assert waiting.dead
    assert (worker.ended_by, worker.exits) == ([], [])


@pytest.mark.parametrize("agent", [Draining(), None], ids=["a run that goes on", "no run"])
def test_a_worker_of_its_own_leaves_where_the_run_does_not_end(
    process: Make, agent: Draining | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(signals, "DRAIN_PATIENCE_S", 0.01)
    worker = process(conducts=False, agent=agent)
    worker.send(TERM, 1)
    waiting = gevent.spawn(worker.signals.await_master)
    waiting.join(5)
    assert waiting.dead


@pytest.mark.parametrize(
    ("program", "argv", "code"),
    [
        ("locust.main", ["--headless"], ExitCode.STOPPED),
        ("locust.main", [], INTERRUPTED),
        ("other", [], -signal.SIGINT),
    ],
)
@pytest.mark.program
def test_while_locust_still_imports_ctrl_c_is_not_a_traceback(program: str, argv: list[str], code: int) -> None:
    source = (
        f"import sys, os, signal, types; sys.modules[{program!r}] = types.ModuleType('x'); import wps_load.swarm; "
        "os.kill(os.getpid(), signal.SIGINT)"
    )
    done = subprocess.run(
        [sys.executable, "-c", source, *argv], capture_output=True, text=True, timeout=30, check=False
    )
    assert done.returncode == code
    assert ("Traceback" in done.stderr) is (program == "other"), "another program's Ctrl-C is left alone"
