"""`wps-load report` and `compare` on runs whose figures are known."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.cli.cli_program import Run
from tests.entra_fake import fake_entra
from tests.report.report_runs import append, facts, write
from tests.report.test_report_azure_fetched import ID, Monitor
from wps_load.client.azure_monitor import MANAGER
from wps_load.report.files import write_snapshot

AZURE = Path(__file__).parents[1] / "report" / "azure_metrics.json"
PRICES = Path(__file__).parents[2] / "docs" / "prices.example.json"


@pytest.fixture
def make(tmp_path: Path) -> Callable[..., Path]:
    """A finished run's folder."""

    def written(name: str, **changes: Any) -> Path:
        folder = tmp_path / name
        folder.mkdir()
        write(folder, facts(**changes))
        return folder

    return written


class TestReport:
    def test_a_killed_run_gets_its_charts(self, run: Run, tmp_path: Path) -> None:
        folder = tmp_path / "killed"
        folder.mkdir()
        append(folder, facts())
        write_snapshot(folder, facts(), lambda: None)
        assert 'id="chart-distribution"' not in (folder / "report.html").read_text()
        result = run("report", folder)
        assert (result.code, result.err) == (0, "")
        assert result.out.splitlines()[-1] == str(folder / "report.html")
        assert 'id="chart-distribution"' in (folder / "report.html").read_text()

    def test_several(self, run: Run, make: Callable[..., Path]) -> None:
        first, second = make("a"), make("b")
        (first / "junit.xml").unlink()
        assert run("report", first, second).code == 0
        assert (first / "junit.xml").exists()

    def test_a_folder_of_runs_gets_its_index(self, run: Run, make: Callable[..., Path]) -> None:
        folder = make("a").parent
        (folder / "empty").mkdir()
        result = run("report", folder)
        assert result.code == 0
        first, second, last = result.out.splitlines()
        assert (first, last) == ("1 run", str(folder / "index.html"))
        assert second.startswith("skipped empty: no summary.json")
        assert "a/report.html" in (folder / "index.html").read_text()

    def test_runs_that_were_killed_at_once_are_named(self, run: Run, tmp_path: Path) -> None:
        killed = tmp_path / "reports" / "20261128T120000Z-echo"
        killed.mkdir(parents=True)
        (killed / "timeline.csv").write_text("t_s\n")
        result = run("report", killed.parent)
        assert result.code == 0
        assert result.out.startswith(f"0 runs\nskipped {killed.name}: no summary.json")
        result = run("report", killed)
        assert result.code == 2
        assert "the run was killed, or is in its first seconds; its timeline.csv has what it measured" in result.err

    def test_units_for_the_measured_load_and_more(self, run: Run, make: Callable[..., Path]) -> None:
        folder = make("a")  # 50 users, 100 messages a second
        result = run("report", folder, "--growth", "10", "--prices", PRICES)
        assert result.code == 0
        assert "  measured       50 connections\n                 100/s in, 100/s out\n" in result.out
        assert "  this load      1 x Standard_S1: connections 5%" in result.out
        assert "  10 times       3 x Standard_S1: " in result.out
        assert " EUR a day, " in result.out
        assert "Units" not in run("report", folder).out

    def test_what_was_bought_is_in_the_settings(self, run: Run, make: Callable[..., Path]) -> None:
        settings = {**facts().settings, "wps-units": "1", "wps-tier": "standard"}
        result = run("report", make("a", settings=settings), "--growth", "1")
        assert "  bought         1 x Standard_S1 holds it\n" in result.out

    def test_azure_monitors_view(self, run: Run, make: Callable[..., Path]) -> None:
        folder = make("a")
        result = run("report", folder, "--azure-metrics", AZURE)
        assert result.code == 0
        assert "Server Load was 83 % at most" in (folder / "report.html").read_text()
        assert "| SlowClient | 2 |" in (folder / "summary.md").read_text()

    def test_azure_metrics_of_another_day(self, run: Run, make: Callable[..., Path]) -> None:
        folder = make("a", started_at=facts().started_at + timedelta(days=1))
        before = (folder / "report.html").read_bytes()
        result = run("report", folder, "--azure-metrics", AZURE)
        assert (result.code, result.out) == (2, "")
        assert "it covers 2026-03-14 09:25:00 UTC to " in result.err
        assert (folder / "report.html").read_bytes() == before

    @pytest.mark.program  # azure-core asks uname what machine this is
    def test_azure_monitor_is_asked_itself(
        self, run: Run, make: Callable[..., Path], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
    ) -> None:
        folder = make("a")
        with fake_entra(tmp_path) as fake, Monitor() as monitor:
            monkeypatch.setenv(MANAGER, f"http://127.0.0.1:{monitor.port}")
            for name, value in fake.environ("managed-identity", tmp_path).items():
                monkeypatch.setenv(name, value)
            result = run("report", folder, "--azure-resource", ID, "--azure-credential", "managed-identity")
        assert result.code == 0
        assert fake.asked == ["imds"]
        assert "Server Load was 83 % at most" in (folder / "report.html").read_text()
        assert "| SlowClient | 2 |" in (folder / "summary.md").read_text()
        assert "subscriptions" not in (folder / "report.html").read_text()

    def test_azure_monitor_of_what_is_not_a_resource(self, run: Run, make: Callable[..., Path]) -> None:
        result = run("report", make("a"), "--azure-resource", "wps")
        assert (result.code, result.out) == (2, "")
        assert "a resource id, /subscriptions/" in result.err

    def test_settings_that_nobody_knows(self, run: Run, make: Callable[..., Path]) -> None:
        result = run("report", make("a", settings={**facts().settings, "wps-payload": "huge"}), "--growth", "1")
        assert result.code == 2
        assert "a has settings that this version of wps-load does not know" in result.err

    @pytest.mark.parametrize("name", ["missing", "empty"])
    def test_no_run(self, run: Run, tmp_path: Path, name: str) -> None:
        (tmp_path / "empty").mkdir()
        result = run("report", name)
        assert (result.code, result.out) == (2, "")
        assert len(result.err.splitlines()) == 1


class TestCompare:
    def test_the_same_twice(self, run: Run, make: Callable[..., Path]) -> None:
        base, new = make("base", seed=1), make("new", seed=2)
        result = run("compare", base, new)
        assert (result.code, result.err) == (0, "")
        assert "No regression" in result.out

    def test_slower(self, run: Run, make: Callable[..., Path]) -> None:
        base, new = make("base"), make("new", seed=2, median_ms=24.0)
        result = run("compare", base, new)
        assert result.code == 5
        assert "Regression: " in result.out
        assert run("compare", new, base).code == 0

    def test_a_regression_is_red_in_a_pipelines_own_file(
        self, run: Run, make: Callable[..., Path], tmp_path: Path
    ) -> None:
        base, new, junit = make("base"), make("new", seed=2, median_ms=24.0), tmp_path / "compare.xml"
        assert run("compare", base, new, "--junit", junit).code == 5
        assert '<failure message="rtt p50: ' in junit.read_text()
        assert run("compare", new, base, "--junit", junit).code == 0
        assert "<failure" not in junit.read_text()
        refused = run("compare", base, new, "--junit", tmp_path / "nowhere" / "compare.xml")
        assert refused.code == 2
        assert "--junit" in refused.err

    def test_a_tolerance(self, run: Run, make: Callable[..., Path]) -> None:
        base, new = make("base"), make("new", seed=2, median_ms=13.5)
        assert run("compare", base, new).code == 5
        assert run("compare", base, new, "--tolerance", "50%").code == 0

    @pytest.mark.parametrize("argv", [["a", "b", "--", "c"], ["--base", "a", "b", "--new", "c"]])
    def test_several_a_side(self, run: Run, make: Callable[..., Path], argv: list[str]) -> None:
        for number, name in enumerate("abc"):
            make(name, seed=number)
        result = run("compare", *argv, "--json") if "--" not in argv else run("compare", "--json", *argv)
        document = json.loads(result.out)
        assert (document["base"], document["new"]) == (["a", "b"], ["c"])
        assert document["schema"] == "wps-load.comparison/1"

    @pytest.mark.parametrize(
        "argv",
        [
            [], ["a"], ["a", "b", "c"], ["--base", "a"], ["a", "--new", "b"], ["a", "--"], ["--", "a"],
            ["--base", "a", "--new", "b", "--", "c"],
        ],
    )  # fmt: skip
    def test_unclear_sides(self, run: Run, argv: list[str]) -> None:
        result = run("compare", *argv)
        assert (result.code, result.out) == (2, "")
        assert "which runs are to be compared" in result.err

    @pytest.mark.parametrize("text", ["x", "101%", "-1"])
    def test_a_tolerance_that_is_none(self, run: Run, make: Callable[..., Path], text: str) -> None:
        assert run("compare", make("a"), make("b"), f"--tolerance={text}").code == 2

    def test_different_tests(self, run: Run, make: Callable[..., Path]) -> None:
        result = run("compare", make("a"), make("b", settings_hash="f" * 16))
        assert result.code == 2
        assert "were different tests" in result.err
