"""How a process ends: whether a run is over or has an end, what makes the exit code, and who shuts down."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import gevent
import pytest

from tests.swarm.runs import conducted, planned
from wps_load.errors import ExitCode
from wps_load.swarm import ending
from wps_load.swarm.conductor import Conductor
from wps_load.swarm.ending import MAX_NAMES, Ending, outside
from wps_load.swarm.guard import Trouble


@dataclass
class RunOn:
    conductor: Conductor = field(default_factory=lambda: conducted(planned()))
    explorer: object | None = None

    def ended(self) -> RunOn:
        self.conductor.drain(0)
        return self


@dataclass
class Reporter:
    used: bool
    exit_code: int = 0


@dataclass
class Failed:
    """A row of Locust's table of failures."""

    method: str | None
    name: str
    occurrences: int


@dataclass
class Runner:
    """Locust's, with its tables of failures and exceptions."""

    errors: dict[str, Failed] = field(default_factory=dict)
    exceptions: dict[str, dict[str, int]] = field(default_factory=dict)


@dataclass
class Environment:
    shape_class: Any = None


@dataclass
class Process:
    runner: Any = field(default_factory=Runner)
    run: RunOn | None = None
    reporter: Reporter | None = None
    trouble: Trouble | None = None
    environment: Any = field(default_factory=Environment)
    parsed: dict[str, Any] = field(default_factory=dict)
    conducts: bool = True
    console: Any = None
    agent: Any = None


@pytest.mark.parametrize(
    ("process", "over"),
    [
        (Process(), False),
        (Process(run=RunOn()), False),
        (Process(run=RunOn().ended()), True),
        (Process(reporter=Reporter(used=False)), False),
        (Process(reporter=Reporter(used=True)), True),
        (Process(run=RunOn(), reporter=Reporter(used=True)), False),
    ],
    ids=["nothing", "a run", "a run in its drain", "one prepared", "one reported", "the second of two"],
)
def test_when_a_run_is_over(process: Process, over: bool) -> None:
    assert Ending(process).over is over


@pytest.mark.parametrize(
    ("process", "has_end"),
    [
        (Process(run=RunOn()), False),
        (Process(run=RunOn(), parsed={"run_time": 30}), True),
        (Process(run=RunOn(), environment=Environment("a shape")), True),
        (Process(run=RunOn(explorer="a search")), True),
        (Process(), False),
    ],
    ids=["until Ctrl-C", "-t", "a load shape", "a search", "no run"],
)
def test_whether_it_ends_by_itself(process: Process, has_end: bool) -> None:
    assert Ending(process).has_end is has_end


@pytest.mark.parametrize(
    ("reporter", "trouble", "stopped_by", "code"),
    [
        (None, None, None, ExitCode.PASSED),
        (None, None, "SIGTERM before it had begun", ExitCode.STOPPED),
        (None, Trouble("wrong", ExitCode.USAGE), None, ExitCode.USAGE),
        (None, Trouble("wrong", ExitCode.USAGE), "SIGTERM before it had begun", ExitCode.USAGE),
        (Reporter(used=False, exit_code=3), None, None, ExitCode.PASSED),
        (Reporter(used=True, exit_code=3), Trouble("wrong", ExitCode.USAGE), None, 3),
    ],
)
def test_what_makes_the_exit_code(
    reporter: Reporter | None, trouble: Trouble | None, stopped_by: str | None, code: int
) -> None:
    """A run that is reported has weighed all of it; without one, the worst of what happened."""
    found = Ending(Process(reporter=reporter, trouble=trouble))
    found.signals.stopped_by = stopped_by
    assert found.exit_code() == code


def test_requests_of_one_name_are_added_up_and_only_the_worst_are_named() -> None:
    rows = [Failed("GET", "/slow", 2), Failed("GET", "/slow", 5), Failed(None, "task", 3)]
    many = [Failed("GET", f"/{number}", 1) for number in range(100)]
    found = outside(rows + many, [{"count": 2}, {"count": "1"}], stopped_by=None, exit_code_on_error=1)
    assert found.failures[:2] == ["GET /slow 7", "task 3"]
    assert len(found.failures) == MAX_NAMES
    assert (found.failed, found.exceptions) == (110, 3)


def test_a_name_of_a_locustfile_cannot_write_to_the_terminal() -> None:
    (text,) = outside([Failed("GET", "\x1b[2Jgone\n", 1)], [], stopped_by=None, exit_code_on_error=1).failures
    assert text.isprintable()


@pytest.mark.parametrize(
    ("trouble", "misused"),
    [
        (None, None),
        (Trouble("a slip", ExitCode.USAGE), "a slip"),
        (Trouble("no answer", ExitCode.INVALID), None),
    ],
)
def test_what_bears_on_the_code_of_the_process(trouble: Trouble | None, misused: str | None) -> None:
    runner = Runner({"a": Failed("GET", "/", 1)}, {"b": {"count": 4}})
    found = Ending(Process(runner=runner, trouble=trouble, parsed={"exit_code_on_error": "0"})).outside()
    assert (found.misused, found.failed, found.exceptions, found.exit_code_on_error) == (misused, 1, 4, 0)


def test_who_shuts_down_second_waits_for_the_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ending, "MASTER_PATIENCE_S", 60)
    found = Ending(Process())
    found.take_over()
    second = gevent.spawn(found.take_over)
    gevent.sleep(0.01)
    assert not second.dead
    second.kill()
