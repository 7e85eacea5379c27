"""A run against the last good one with its settings: which that is, and what is said of it."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.report.capacity_runs import searched
from tests.report.report_runs import STARTED, facts, write
from wps_load.report import files, html, markdown
from wps_load.report.closing import closing
from wps_load.report.document import Previous, Summary
from wps_load.report.schema import first_fault

NAME = "20260314T092653Z-echo"


def later(minutes: int, **changes: Any) -> Any:
    return facts(started_at=STARTED + timedelta(minutes=minutes), **changes)


def previous(summary: Summary) -> Previous:
    found = summary["previous"]
    assert found is not None
    assert first_fault(summary) is None
    return found


def test_the_first_run_has_none(tmp_path: Path) -> None:
    assert write(tmp_path / "1", facts())["previous"] is None


@pytest.mark.parametrize(
    ("changes", "verdict", "begins"),
    [
        ({"median_ms": 24.0}, "worse", f"Worse than the previous good run, {NAME}: "),
        ({"median_ms": 6.0}, "better", f"Better than the previous good run, {NAME}: "),
        ({"seed": 2}, "same", f"No worse than the previous good run, {NAME}: "),
        ({"measure_s": 5}, "unclear", "Too short or too noisy to compare with the previous good run"),
    ],
)
def test_the_statistics_of_compare_say_it(tmp_path: Path, changes: Any, verdict: str, begins: str) -> None:
    write(tmp_path / NAME, facts(measure_s=60))
    summary = write(tmp_path / "2", later(1, **{"measure_s": 60, **changes}))
    found = previous(summary)
    assert (found["verdict"], found["folder"]) == (verdict, NAME)
    assert found["sentence"].startswith(begins)
    if verdict == "worse":
        assert " → " in found["sentence"]
    page = (tmp_path / "2" / "report.html").read_text()
    assert f'href="../{NAME}/report.html"' in page
    assert found["sentence"] in (tmp_path / "2" / "summary.md").read_text()
    said = [line.text for line in closing(summary, report="reports/2/report.html")]
    assert f"  {found['sentence']}" in said


def test_which_one_it_is(tmp_path: Path) -> None:
    """The newest before it that passed, with the same settings: not a later one, another test, a failed one, itself."""
    write(tmp_path / "older", later(0))
    write(tmp_path / "good", later(1))
    write(tmp_path / "other", later(2, settings_hash="other"))
    write(tmp_path / "failed", later(3, slo="rtt p99 < 1ms"))
    write(tmp_path / "later", later(9))
    run = later(5)
    assert previous(write(tmp_path / "new", run))["folder"] == "good"
    assert previous(write(tmp_path / "new", run))["folder"] == "good", "written anew, as at a run's end"


def test_a_run_that_cannot_be_trusted_is_not_compared(tmp_path: Path) -> None:
    write(tmp_path / "1", facts())
    found = previous(write(tmp_path / "2", later(1, offered=9_000_000)))
    if found["verdict"] is not None:
        pytest.fail("compared")
    assert found["sentence"].startswith("Not compared with the previous good run, 1: the figures of this run")


def test_searches_compare_what_they_held(tmp_path: Path) -> None:
    files.write_run(tmp_path / "1", searched())
    found = previous(files.write_run(tmp_path / "2", searched(started_at=STARTED + timedelta(minutes=1))))
    assert "the previous good run, 1, held" in found["sentence"]
    assert found["sentence"].endswith("(+0%).")


def test_another_target_of_the_same_kind_is_named(tmp_path: Path) -> None:
    write(tmp_path / "1", facts(target="https://a.example", measure_s=60))
    found = previous(write(tmp_path / "2", later(1, target="https://b.example", measure_s=60)))
    assert "the previous good run, 1 (of https://a.example): " in found["sentence"]


def test_a_broken_earlier_run_costs_nothing_but_the_comparison(tmp_path: Path) -> None:
    write(tmp_path / "1", facts())
    (tmp_path / "1" / "histograms.hlog").write_text("nonsense")
    found = previous(write(tmp_path / "2", later(1)))
    assert found["verdict"] is None
    assert found["sentence"].startswith("Not compared with the previous good run, 1: ")


def test_summaries_without_it_are_rendered(tmp_path: Path) -> None:
    summary: Any = dict(write(tmp_path / "1", facts()))
    del summary["previous"]
    assert "../index.html" not in html.render(summary, None).decode()
    markdown.render(summary)
