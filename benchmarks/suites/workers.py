"""What a master does that hears hundreds of workers, over Locust's own sockets."""

from __future__ import annotations

import json
import subprocess
import sys

from benchmarks.harness import REPOSITORY, BenchError, Row, clean_environment
from benchmarks.suites.plan import Plan

_SUITE = "many workers"
WORKERS = (100, 200, 400)
_ROWS = {
    "master's CPU": ("CPU of the master", "% of a core", 1.0, 50.0),
    "bytes a second": ("both ways, Locust's own included", "MB/s", 1e6, 1.0),
    "drain s": ("drain", "s", 1.0, 5.0),
    "drain bytes": ("drain, both ways", "MB", 1e6, 50.0),
}
"""Of `benchmarks.many_workers`: figure -> name, unit, its size, goal."""


def workers(plan: Plan) -> list[Row]:
    """Raises BenchError if a master or its workers fail."""
    rows = []
    for count in WORKERS:
        found = [_measured(count) for _ in range(plan.rounds)]
        for figure, (name, unit, size, goal) in _ROWS.items():
            rows.append(Row(_SUITE, f"{count}: {name}", unit, [each[figure] / size for each in found], goal=goal))
            plan.say(f"{count} workers: {name}: {rows[-1].median:.3g} {unit}")
    return rows


def _measured(count: int) -> dict[str, float]:
    argv = [sys.executable, "-m", "benchmarks.many_workers", str(count)]
    done = subprocess.run(argv, cwd=REPOSITORY, env=clean_environment(), capture_output=True, text=True, check=False)
    if done.returncode:
        raise BenchError(f"{count} simulated workers failed: {done.stderr[-500:]}")
    found: dict[str, float] = json.loads(done.stdout)
    return found
