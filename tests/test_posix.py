"""A system without the standard library's POSIX modules, as Windows is one."""

from __future__ import annotations

import builtins
import importlib
import resource
import subprocess
import sys
from typing import Any

import pytest

from wps_load.posix import raise_open_files


def test_a_system_without_limits_is_reported_in_one_sentence(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    real = builtins.__import__

    def without_resource(name: str, *rest: Any) -> Any:
        if name == "resource":
            raise ModuleNotFoundError("No module named 'resource'", name="resource")
        return real(name, *rest)

    monkeypatch.delitem(sys.modules, "wps_load.posix", raising=False)
    monkeypatch.setattr(builtins, "__import__", without_resource)
    with pytest.raises(SystemExit) as ended:
        importlib.import_module("wps_load.posix")
    assert ended.value.code == 2
    said = capsys.readouterr().err
    assert said.startswith("wps-load: runs on Linux and macOS")
    assert said.count("\n") == 1


@pytest.mark.program
def test_what_reads_and_writes_files_only_needs_no_posix() -> None:
    commands = ("init", "options", "report", "compare")
    code = "import sys; sys.modules['wps_load.posix'] = None\n" + "\n".join(
        f"import wps_load.commands.{command}" for command in commands
    )
    assert subprocess.run([sys.executable, "-c", code], check=False, timeout=60).returncode == 0


def test_the_limit_of_open_files_is_raised_to_the_hard_one() -> None:
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(256, before[1]), before[1]))
        assert raise_open_files() == before[1]
        assert resource.getrlimit(resource.RLIMIT_NOFILE) == (before[1], before[1])
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)


def test_a_system_that_refuses_its_own_hard_limit_is_left_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise ValueError("current limit exceeds maximum limit")

    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    monkeypatch.setattr(resource, "setrlimit", refuse)
    assert raise_open_files() == soft
