"""Whole runs of the program against an emulator that tells the truth about what it did."""

from __future__ import annotations

import json
import os
import shlex
import tempfile
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.ports import free_port
from tests.zygote import ForkedProgram, zygote
from wps_load.emulator.process import EmulatorProcess

ROOT = Path(__file__).parents[2]
PATIENCE_S = 60

During = Callable[[ForkedProgram, EmulatorProcess], None]


@dataclass(frozen=True)
class Run:
    """`options`: Locust's and ours. `during`: what is done to the program or the emulator during the run."""

    options: str
    faults: str | None = None
    locustfile: Path = ROOT / "locustfile.py"
    during: During | None = None


@dataclass(frozen=True)
class Outcome:
    """`truth`: what the emulator did."""

    code: int
    summary: dict[str, Any]
    truth: dict[str, Any]
    output: str = field(repr=False)

    @property
    def messages(self) -> dict[str, int]:
        found: dict[str, int] = self.summary["messages"]
        return found

    @property
    def doubts(self) -> dict[str, str]:
        """name -> level"""
        return {doubt["name"]: doubt["level"] for doubt in self.summary["doubts"]}

    @property
    def measured_s(self) -> float:
        """Length of the measure phase; of the last one, which a reset of the statistics began."""
        return float([p["duration_s"] for p in self.summary["phases"] if p["name"] == "measure"][-1])

    def timed(self, metric: str) -> int:
        row = self.summary["metrics"].get(metric)
        return 0 if row is None else int(row["count"] - row["failures"])


def execute(run: Run, emulator: EmulatorProcess | None = None, *, patience_s: float = PATIENCE_S) -> Outcome:
    """Runs the program to its end, against an emulator of its own unless one is given."""
    if emulator is None:
        with EmulatorProcess.start(faults=run.faults) as own:
            return execute(run, own, patience_s=patience_s)
    with tempfile.TemporaryDirectory() as folder:
        log = Path(folder) / "output.log"
        with log.open("w") as output:
            process = zygote().start(
                *("locust", "-f", str(run.locustfile), *shlex.split(run.options)),
                *("--wps-connection-string", emulator.connection_string, "--wps-report-dir", folder),
                *("--wps-drain", "1s", "--only-summary", *_master_port(run.options)),
                output=output,
                environment=clean_environment(),
            )
        try:
            if run.during is not None:
                run.during(process, emulator)
            code = process.wait(patience_s)
        finally:
            process.kill()
        found = list(Path(folder).glob("*/summary.json"))
        assert len(found) == 1, log.read_text()
        return Outcome(code, json.loads(found[0].read_text()), emulator.stats(), log.read_text())


def execute_all(runs: Sequence[Run], at_once: int) -> list[Outcome]:
    """Several runs side by side: for counts, which a busy machine does not change."""
    with ThreadPoolExecutor(at_once) as pool:
        return list(pool.map(execute, runs))


def _master_port(options: str) -> list[str]:
    """Masters side by side need ports of their own."""
    if "--processes" not in options:
        return []
    port = str(free_port())
    return ["--master-bind-host", "127.0.0.1", "--master-bind-port", port, "--master-port", port]


def clean_environment() -> dict[str, str]:
    """Without what would give the program options, a target, or a file to write to."""
    unwanted = ("LOCUST_", "WEBPUBSUB", "GITHUB_")
    return {name: value for name, value in os.environ.items() if not name.upper().startswith(unwanted)}
