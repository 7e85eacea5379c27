"""A long run's master: what a made-up day of it keeps, takes and leaves behind."""

from __future__ import annotations

import json
import subprocess
import sys

from benchmarks.harness import GENERATOR_CORE, REPOSITORY, BenchError, Row, clean_environment
from benchmarks.suites.plan import Plan

_SUITE = "a day"
_MIB = 1 << 20
_ROWS = {
    "memory above its start bytes": ("memory above its start", "MiB", _MIB, 200.0),
    "a second, median s": ("a second, median", "ms of CPU", 1e-3, 5.0),
    "a second, p99 s": ("a second, p99", "ms of CPU", 1e-3, None),
    "a second of the last ten minutes, median s": ("a second of its last ten minutes", "ms of CPU", 1e-3, 5.0),
    "report s": ("its report", "s of CPU", 1.0, 2.0),
    "report.html bytes": ("report.html", "KB", 1000.0, 500.0),
    "summary.json bytes": ("summary.json", "MB", 1e6, 5.0),
    "timeline.csv bytes": ("timeline.csv", "MB", 1e6, None),
    "histograms.hlog bytes": ("histograms.hlog", "MB", 1e6, None),
}
"""Of `benchmarks.day`: figure -> name, unit, its size, goal."""


def day(plan: Plan) -> list[Row]:
    """Once, whatever the rounds: it takes some minutes. Raises BenchError if it cannot be played."""
    argv = ["taskset", "-c", str(GENERATOR_CORE), sys.executable, "-m", "benchmarks.day"]
    done = subprocess.run(argv, cwd=REPOSITORY, env=clean_environment(), capture_output=True, text=True, check=False)
    if done.returncode:
        raise BenchError(f"the made-up day failed: {done.stderr[-500:]}")
    found = json.loads(done.stdout)
    rows = []
    for figure, (name, unit, size, goal) in _ROWS.items():
        rows.append(Row(_SUITE, name, unit, [found[figure] / size], goal=goal))
        plan.say(f"a day: {name}: {rows[-1].median:.3g} {unit}")
    return rows
