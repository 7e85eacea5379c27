"""`python -m benchmarks [SUITE ...]`: our figures beside our peers', in one run. What they mean: docs/performance.md.

Everything stays on the loopback; the programs that are started are ended again.
"""

from __future__ import annotations

import argparse
import json
import platform
import ssl
import sys
import tempfile
import time
from dataclasses import asdict
from pathlib import Path

from benchmarks.contenders import k6_program
from benchmarks.harness import CORES, GENERATOR_CORE, PINNED, SERVER_CORE, Row, compiler
from benchmarks.suites.plan import Plan
from benchmarks.suites.table import SUITES


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("suite", nargs="*", choices=[*SUITES, []], help="default: all")
    parser.add_argument("--rounds", type=int, default=3, help="how often each is measured (default %(default)s)")
    parser.add_argument("--seconds", type=float, default=4.0, help="of each measurement (default %(default)s)")
    parser.add_argument("--json", metavar="FILE", type=Path, help="also writes every sample")
    arguments = parser.parse_args()
    rows: list[Row] = []
    with tempfile.TemporaryDirectory(prefix="wps-bench-") as folder:
        plan = Plan(arguments.rounds, arguments.seconds, Path(folder), _say)
        for name in arguments.suite or SUITES:
            rows += SUITES[name](plan)
    print(_machine())
    print(table(rows))
    if arguments.json is not None:
        arguments.json.write_text(json.dumps([asdict(row) for row in rows], indent=1))
    return 0


def _say(sentence: str) -> None:
    print(f"{time.strftime('%H:%M:%S')} {sentence}", file=sys.stderr, flush=True)


def _machine() -> str:
    pinned = f"generator on core {GENERATOR_CORE}, server on core {SERVER_CORE}" if PINNED else "one core for both"
    skipped = [name for name, found in (("k6", k6_program()), ("C", compiler())) if found is None]
    left_out = f"; not here, so left out: {', '.join(skipped)}" if skipped else ""
    versions = f"Python {platform.python_version()}, {ssl.OPENSSL_VERSION}"
    return f"{versions}, on {platform.machine()}, {len(CORES)} cores, {pinned}{left_out}\n"


def table(rows: list[Row]) -> str:
    """Markdown: medians, with the least and the greatest sample."""
    lines = ["| suite | figure | median | least to greatest | unit | goal | reached |", "|---|---|--:|---|---|--:|---|"]
    for row in rows:
        goal = "" if row.goal is None else f"{'≤' if row.better == 'less' else '≥'} {_short(row.goal)}"
        reached = {None: "", True: "yes", False: "**no**"}[row.reached]
        spread = f"{_short(min(row.samples))} to {_short(max(row.samples))}"
        name = f"{row.name} ({row.note})" if row.note else row.name
        cells = (row.suite, name, _short(row.median), spread, row.unit, goal, reached)
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def _short(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"


if __name__ == "__main__":
    sys.exit(main())
