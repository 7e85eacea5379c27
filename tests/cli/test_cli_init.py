"""`wps-load init` and `options`: what they write, and that CI systems take the workflows."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from tests.cli.cli_program import Run
from wps_load.commands.init import WORKFLOWS, workflow
from wps_load.commands.options import page
from wps_load.settings.groups import grouped
from wps_load.settings.options import OPTIONS

ROOT = Path(__file__).parents[2]
SCHEMAS = {
    "github": ("vendor.github-workflows",),
    "gitlab": ("vendor.gitlab-ci", "--data-transform", "gitlab-ci"),
    "azure": ("vendor.azure-pipelines", "--data-transform", "azure-pipelines", "--regex-variant", "python"),
}


@pytest.mark.program
@pytest.mark.parametrize("ci", WORKFLOWS)
def test_the_schemas_of_the_systems_take_the_workflows(run: Run, tmp_path: Path, ci: str) -> None:
    assert run("init", str(tmp_path), "--ci", ci).code == 0
    written = tmp_path / WORKFLOWS[ci]
    done = subprocess.run(
        [sys.executable, "-m", "check_jsonschema", "--builtin-schema", *SCHEMAS[ci], str(written)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    text = written.read_text()
    assert f"wps-load=={version('wps-load')}" in text
    assert "@VERSION@" not in text


def shell_parts(found: Any) -> list[str]:
    """Every script of a workflow that runs wps-load, in order."""
    if isinstance(found, list):
        return [part for each in found for part in shell_parts(each)]
    if not isinstance(found, dict):
        return []
    parts: list[str] = []
    for key, value in found.items():
        if key in ("run", "script", "before_script", "after_script"):
            parts += [value] if isinstance(value, str) else value
        else:
            parts += shell_parts(value)
    return parts


@pytest.mark.program
@pytest.mark.parametrize("ci", WORKFLOWS)
@pytest.mark.parametrize("code", [0, 5])
def test_the_shell_parts_run(tmp_path: Path, ci: str, code: int) -> None:
    """With fake programs that record their calls: the comparison's exit code is the step's."""
    tools = tmp_path / "tools"
    tools.mkdir()
    for name in ("wps-load", "python"):
        (tools / name).write_text(
            f'#!/bin/sh\necho "{name} $*" >> calls\ncase "$*" in compare*) echo compared; exit {code};; esac\n'
        )
        (tools / name).chmod(0o755)
    for day in range(10, 22):
        (tmp_path / f"reports/202603{day}T000000Z-echo").mkdir(parents=True)
    found = YAML(typ="safe").load(workflow(ci))
    codes = [
        subprocess.run(
            ["bash", "-e", "-c", part],
            cwd=tmp_path,
            env={"PATH": f"{tools}:{os.environ['PATH']}", "GITHUB_STEP_SUMMARY": str(tmp_path / "step.md")},
            capture_output=True,
            timeout=30,
            check=False,
        ).returncode
        for part in shell_parts(found)
        if any(word in part for word in ("wps-load ", "wps-load==", "reports/"))
    ]
    assert sorted(codes) == [0] * (len(codes) - 1) + [code]
    calls = (tmp_path / "calls").read_text()
    assert f"python -m pip install wps-load=={version('wps-load')}" in calls
    assert "wps-load run configs/ci.conf\nwps-load compare --last 5 reports\n" in calls
    assert (tmp_path / "compare.md").read_text() == "compared\n"
    assert len(list((tmp_path / "reports").iterdir())) == 10
    if ci == "github":
        assert (tmp_path / "step.md").read_text() == "compared\n"


def test_github_has_the_least_rights_and_one_run_at_a_time() -> None:
    found = YAML(typ="safe").load(workflow("github"))
    assert found["permissions"] == {"contents": "read"}
    assert found["concurrency"]["cancel-in-progress"] is False


def test_init_never_overwrites(run: Run, tmp_path: Path) -> None:
    (tmp_path / "locustfile.py").write_text("mine")
    result = run("init", str(tmp_path))
    assert result.code == 0
    assert (tmp_path / "locustfile.py").read_text() == "mine"
    assert f"kept  {tmp_path / 'locustfile.py'}\n" in result.out
    assert f"wrote {tmp_path / 'configs/echo.conf'}\n" in result.out


def test_init_says_where_it_cannot_write(run: Run, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    result = run("init", str(tmp_path / "file"))
    assert result.code == 2
    assert result.err.startswith("wps-load init: DIR ")


def test_every_option_is_in_one_group() -> None:
    named = [option.flag for _, options in grouped() for option in options]
    assert sorted(named) == sorted(option.flag for option in OPTIONS)


def test_options_finds_by_a_word(run: Run) -> None:
    assert all(option.flag in run("options").out for option in OPTIONS)
    found = run("options", "payload-file").out
    assert "--wps-payload-file" in found
    assert "--wps-hub" not in found
    assert run("options", "zzz").code == 2


def test_the_page_of_the_options_is_the_table() -> None:
    assert (ROOT / "docs/options.md").read_text() == page(), "python -m wps_load.commands.options > docs/options.md"


def summary_of(folder: Path, at: str, settings: str, verdict: str = "pass") -> None:
    folder.mkdir(parents=True)
    run = {"settings_hash": settings, "started_at": at}
    (folder / "summary.json").write_text(json.dumps({"run": run, "verdict": verdict}))


def test_the_last_runs_that_are_like_the_newest(run: Run, tmp_path: Path) -> None:
    from wps_load.report.latest import latest

    for number, (settings, verdict) in enumerate(
        [("a", "pass"), ("b", "pass"), ("a", "fail"), ("a", "invalid"), ("a", "pass"), ("a", "pass")]
    ):
        summary_of(tmp_path / f"run{number}", f"2026-03-14T09:0{number}:00Z", settings, verdict)
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken/summary.json").write_text("{")
    found = latest(tmp_path, 5)
    assert found.newest.name == "run5"
    assert [path.name for path in found.before] == ["run0", "run2", "run4"]
    assert [path.name for path in latest(tmp_path, 1).before] == ["run4"]
    first = run("compare", "--last", "5", str(tmp_path / "none"))
    assert first.code == 2
    summary_of(tmp_path / "alone/run", "2026-03-14T09:00:00Z", "a")
    alone = run("compare", "--last", "5", str(tmp_path / "alone"))
    assert (alone.code, alone.out) == (
        0,
        "run is the first run with its settings: there is nothing to compare it with yet.\n",
    )
