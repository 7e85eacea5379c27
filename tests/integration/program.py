"""Runs the whole program in a process of its own, which the zygote forks."""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.zygote import ForkedProgram, zygote

ROOT = Path(__file__).parents[2]
LOCUSTFILE = ROOT / "locustfile.py"
LIMIT_S = 60


def clean_environment() -> dict[str, str]:
    """Nothing of the developer's shell may point a test at a paid service."""
    return {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("LOCUST_", "GITHUB_")) and name != "WebPubSubConnectionString"
    }


def command(*options: str, locustfile: Path = LOCUSTFILE) -> list[str]:
    return [sys.executable, "-m", "locust", "-f", str(locustfile), *options]


@dataclass(frozen=True)
class Finished:
    """A run that is over. `summary` is what it wrote, if it did."""

    code: int
    output: str
    folder: Path | None

    @property
    def summary(self) -> dict[str, Any]:
        assert self.folder is not None, self.output
        found: dict[str, Any] = json.loads((self.folder / "summary.json").read_text())
        return found

    @property
    def failures(self) -> dict[tuple[str, str], int]:
        """(metric, label) -> how many."""
        return {(row["metric"], row["label"]): row["count"] for row in self.summary["failures"]}

    def doubts(self, level: str) -> set[str]:
        return {doubt["name"] for doubt in self.summary["doubts"] if doubt["level"] == level}


def run(
    report_dir: Path, *options: str, locustfile: Path = LOCUSTFILE, environment: dict[str, str] | None = None
) -> Finished:
    """A headless run to its end."""
    with start(report_dir, "--headless", *options, locustfile=locustfile, environment=environment) as program:
        return program.finish()


@dataclass
class Program:
    process: ForkedProgram
    report_dir: Path
    log: Path

    def signal(self, number: signal.Signals, *, group: bool = False) -> None:
        if group:
            os.killpg(self.process.pid, number)
        else:
            self.process.send_signal(number)

    @property
    def output(self) -> str:
        return self.log.read_text()

    def await_output(self, text: str) -> None:
        until(lambda: text in self.output, f"{text!r} in the output of\n{self.output}")

    def finish(self) -> Finished:
        code = self.process.wait(LIMIT_S)
        folders = sorted(path for path in self.report_dir.glob("*") if path.is_dir())
        return Finished(code, self.output, folders[-1] if folders else None)


@contextmanager
def start(
    report_dir: Path, *options: str, locustfile: Path = LOCUSTFILE, environment: dict[str, str] | None = None
) -> Iterator[Program]:
    """The program, in a process group of its own; ended with the block."""
    report_dir.mkdir(parents=True, exist_ok=True)
    log = report_dir.with_suffix(".log")
    with log.open("w") as out:
        process = zygote().start(
            *("locust", "-f", str(locustfile), "--wps-report-dir", str(report_dir), *options),
            output=out,
            environment={**clean_environment(), **(environment or {})},
        )
    try:
        yield Program(process, report_dir, log)
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def until(condition: Callable[[], Any], what: str, limit_s: float = 60) -> None:
    """Waits for something that another process does."""
    deadline = time.monotonic() + limit_s
    while not condition():
        assert time.monotonic() < deadline, f"not within {limit_s} s: {what}"
        time.sleep(0.02)
