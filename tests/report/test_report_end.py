"""A run's end: what its exit code is when reports can or cannot be written, and what is said of it."""

from __future__ import annotations

import io
import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from tests.report.report_runs import facts
from tests.swarm.runs import conducted
from wps_load.report.model import Outside
from wps_load.settings.load import load
from wps_load.swarm.console import Console
from wps_load.swarm.reporter import Reporter


class Ended:
    """A reporter whose run has just ended, and all that it has said."""

    def __init__(self, folder: Path, outside: Outside, slo: str = "rtt p99 < 1s") -> None:
        config = load({"wps_report_dir": str(folder)}, users=1, spawn_rate=None, environ={})
        self.said = io.StringIO()
        self.reporter = Reporter(config, Console(self.said))
        self.reporter.used = True
        self.reporter.facts = lambda *_: facts(slo=slo)  # type: ignore[method-assign]
        self.outside = outside

    def finish(self) -> None:
        self.reporter.finish(conducted(), self.outside)

    @property
    def folder(self) -> Path:
        assert self.reporter.folder is not None
        return self.reporter.folder

    @property
    def written(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads((self.folder / "summary.json").read_text())
        return found

    def tell(self, code: int) -> str:
        self.reporter.tell(code)
        return self.said.getvalue()


def test_a_run_that_passes(tmp_path: Path) -> None:
    run = Ended(tmp_path, Outside())
    run.finish()
    assert run.reporter.exit_code == 0
    assert "Exit code" not in run.tell(0)
    assert f"Report: {run.folder}" in run.said.getvalue()


def test_what_comes_after_the_report_is_written_into_it(tmp_path: Path) -> None:
    run = Ended(tmp_path, Outside())
    run.finish()
    before = (run.folder / "junit.xml").read_bytes()
    run.reporter.amend(Outside())
    assert (run.folder / "junit.xml").read_bytes() == before
    run.reporter.amend(Outside(failed=3, failures=["GET / 3"]))
    assert run.reporter.exit_code == run.written["exit"]["code"] == 1
    for name in ("summary.md", "junit.xml", "report.html"):
        assert "3 failed requests (GET / 3)" in (run.folder / name).read_text()
    assert "Exit code 1: 3 failed requests (GET / 3)" in run.tell(1)


@pytest.mark.parametrize(("slo", "code"), [("rtt p99 < 1s", 4), ("rtt p99 < 1ms", 4)])
def test_a_report_that_cannot_be_written_is_not_exit_code_0(tmp_path: Path, slo: str, code: int) -> None:
    run = Ended(tmp_path / "reports", Outside(), slo)
    shutil.rmtree(tmp_path / "reports")
    (tmp_path / "reports").write_text("a file in its place")
    run.finish()
    assert run.reporter.exit_code == code
    said = run.tell(code)
    assert "Exit code 4: the report could not be written to " in said
    assert "Report: " not in said
    assert "Traceback" not in said


def test_a_folder_removed_under_way_is_made_again(tmp_path: Path) -> None:
    run = Ended(tmp_path / "reports", Outside())
    shutil.rmtree(tmp_path / "reports")
    run.finish()
    assert run.reporter.exit_code == 0
    assert run.written["verdict"] == "pass"


def test_a_code_of_the_locustfiles_own_is_reported(tmp_path: Path) -> None:
    run = Ended(tmp_path, Outside())
    run.finish()
    assert "Exit code 9: set by the locustfile" in run.tell(9)
    assert run.written["exit"]["code"] == 9
    assert "set by the locustfile" in (run.folder / "junit.xml").read_text()


def test_a_page_that_cannot_be_written_stands_in_the_files_that_can(tmp_path: Path) -> None:
    run = Ended(tmp_path, Outside())
    (run.folder / "report.html" / "in the way").mkdir(parents=True)
    run.finish()
    assert run.reporter.exit_code == run.written["exit"]["code"] == 4
    for name in ("summary.md", "junit.xml"):
        assert "the report could not be written to" in (run.folder / name).read_text()
    assert "Exit code 4: the report could not be written to" in run.tell(4)


def test_an_index_that_cannot_be_written_costs_the_run_nothing_but_is_said(tmp_path: Path) -> None:
    (tmp_path / "index.html" / "in the way").mkdir(parents=True)
    run = Ended(tmp_path, Outside())
    run.finish()
    assert run.reporter.exit_code == 0
    assert f"{tmp_path / 'index.html'} could not be written: " in run.tell(0)
    assert run.written["verdict"] == "pass"


def test_each_run_is_listed(tmp_path: Path) -> None:
    runs = [Ended(tmp_path, Outside()) for _ in range(2)]
    for run in runs:
        run.finish()
        run.tell(0)
    text = (tmp_path / "index.html").read_text()
    assert all(f'href="{run.folder.name}/report.html"' in text for run in runs)
