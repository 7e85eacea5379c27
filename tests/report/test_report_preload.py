"""A report in the middle of a run must not make the load stand still: nothing is imported or compiled then."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = """
import sys
sys.path.insert(0, {here!r})
from tests.report.report_runs import facts
from wps_load.swarm import reporter
from wps_load.report import html, junit, markdown, templates
from wps_load.report.summary import build_summary

templates.preload()
run, known = facts(), set(sys.modules)
templates.environment().compile = None
summary = build_summary(run)
html.render(summary, None), markdown.render(summary), junit.render(summary)
print(sorted(set(sys.modules) - known))
"""


@pytest.mark.program
def test_the_first_snapshot_of_a_run_imports_and_compiles_nothing() -> None:
    script = SCRIPT.format(here=str(Path(__file__).parents[2]))
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=False)
    assert (done.stdout.strip(), done.stderr) == ("[]", "")
