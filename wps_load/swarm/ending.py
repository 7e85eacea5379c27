"""How a process of wps-load ends: whether its run has completed, its exit code, and which greenlet shuts down."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Any, Final, Protocol, TypedDict

from gevent.event import Event

from wps_load.client.quote import quote
from wps_load.errors import ExitCode, worst
from wps_load.report.model import Outside
from wps_load.swarm.guard import Trouble
from wps_load.swarm.signals import MASTER_PATIENCE_S, Conducted, SignalledProcess, Signals

MAX_NAMES: Final = 20
"""The most names of failed requests in the reasons of the exit code: a locustfile may name each URL."""


class FailedRequest(Protocol):
    """A row of Locust's table of failures."""

    @property
    def method(self) -> str | None: ...

    @property
    def name(self) -> str: ...

    @property
    def occurrences(self) -> int: ...


class RaisedException(TypedDict):
    """A row of Locust's table of exceptions, as far as it is needed here."""

    count: int | str


class EndingRun(Conducted, Protocol):
    """A run that has begun; `Run` implements it."""

    @property
    def explorer(self) -> object | None:
        """The load stepper, if load is driven in steps."""


class EndingReporter(Protocol):
    """What reports a run; `Reporter` implements it."""

    @property
    def used(self) -> bool:
        """Whether its run has begun."""

    @property
    def exit_code(self) -> int: ...


class EndingProcess(SignalledProcess, Protocol):
    """The facts of this process that are needed here; its lifecycle provides them."""

    environment: Any
    trouble: Trouble | None

    @property
    def reporter(self) -> EndingReporter | None: ...

    @property
    def run(self) -> EndingRun | None: ...


class Ending:
    """Must be created in the main greenlet, before anything that takes time."""

    def __init__(self, process: EndingProcess) -> None:
        self._process = process
        self._begun = False
        self.signals = Signals(process, self)

    @property
    def over(self) -> bool:
        """Whether a run has ended, or has begun to, by itself."""
        run, reporter = self._process.run, self._process.reporter
        if run is not None:
            return run.conductor.stopping
        return reporter is not None and bool(reporter.used)

    @property
    def has_end(self) -> bool:
        """Whether the present run ends by itself: by `-t`, a load shape or a search."""
        process = self._process
        searches = process.run is not None and process.run.explorer is not None
        return bool(process.parsed.get("run_time")) or process.environment.shape_class is not None or searches

    def take_over(self) -> None:
        """In Locust's `quitting`: returns to the first greenlet that shuts down, and to no other.

        Both Locust's SIGTERM handler and its main greenlet shut down. A forked worker leaves that to its master.
        """
        self.signals.await_master()
        if self._begun:
            Event().wait(MASTER_PATIENCE_S)
        self._begun = True

    def outside(self) -> Outside:
        """Everything outside the run that affects the exit code, as of now."""
        runner, trouble = self._process.runner, self._process.trouble
        return outside(
            runner.errors.values(),
            runner.exceptions.values(),
            stopped_by=self.signals.stopped_by,
            misused=trouble.sentence if trouble is not None and trouble.code is ExitCode.USAGE else None,
            exit_code_on_error=int(self._process.parsed.get("exit_code_on_error", 1)),
        )

    def exit_code(self) -> int:
        """The worst of wps-load's codes and Locust's own rule for failures."""
        process = self._process
        if process.reporter is not None and process.reporter.used:
            return int(process.reporter.exit_code)
        codes = [ExitCode.PASSED if self.signals.stopped_by is None else ExitCode.STOPPED]
        return int(worst(codes if process.trouble is None else [*codes, process.trouble.code]))


def outside(
    errors: Iterable[FailedRequest],
    exceptions: Iterable[RaisedException],
    *,
    stopped_by: str | None,
    exit_code_on_error: int,
    misused: str | None = None,
) -> Outside:
    """`errors`, `exceptions`: those of Locust's tables, of all classes. A locustfile chose the requests' names."""
    counts: Counter[str] = Counter()
    for error in errors:
        counts[quote(f"{error.method or ''} {error.name}".strip())] += error.occurrences
    return Outside(
        stopped_by=stopped_by,
        misused=misused,
        failed=sum(counts.values()),
        failures=[f"{name} {count:,}" for name, count in counts.most_common(MAX_NAMES)],
        exceptions=sum(int(each["count"]) for each in exceptions),
        exit_code_on_error=exit_code_on_error,
    )
