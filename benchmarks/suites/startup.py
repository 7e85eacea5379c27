"""What one waits for: the import, the help."""

from __future__ import annotations

import subprocess
import sys

from benchmarks.contenders import BIN
from benchmarks.harness import REPOSITORY, Row, clean_environment
from benchmarks.suites.plan import Plan
from wps_load.clock import NS_PER_S, now_ns


def startup(plan: Plan) -> list[Row]:
    """What one waits for: the import, the help."""
    commands = {
        "import wps_load": [sys.executable, "-c", "import wps_load"],
        "wps-load --help": [str(BIN / "wps-load"), "--help"],
    }
    rows = []
    for name, argv in commands.items():
        row = Row("start", name, "s", goal=0.2)
        for _ in range(plan.rounds * 3):
            began = now_ns()
            done = subprocess.run(argv, cwd=REPOSITORY, env=clean_environment(), capture_output=True)
            if done.returncode == 0:
                row.samples.append((now_ns() - began) / NS_PER_S)
        if row.samples:
            rows.append(row)
            plan.say(f"{name}: {row.median:.3f} s")
    return rows
