"""A made-up run of an hour, written with all its files: what one waits for at the end of a long run."""

from __future__ import annotations

import shutil
import sys
from functools import cache
from pathlib import Path
from typing import Any

from benchmarks.harness import REPOSITORY
from wps_load.clock import NS_PER_S, now_ns
from wps_load.report.files import write_run

HOUR_S = 3600


@cache
def _facts() -> Any:
    """As the tests of the report make their runs, but longer: 100 round trips in each of 3,600 seconds."""
    sys.path.insert(0, str(REPOSITORY / "tests" / "report"))
    from report_runs import facts  # type: ignore[import-not-found]

    return facts(measure_s=HOUR_S)


def render_seconds(folder: Path) -> float:
    """Seconds from the facts to the last file: summary, HTML, Markdown, JUnit, CSV, HdrHistogram log."""
    facts = _facts()
    target = folder / "hour"
    shutil.rmtree(target, ignore_errors=True)
    target.mkdir()
    began = now_ns()
    write_run(target, facts)
    return (now_ns() - began) / NS_PER_S
