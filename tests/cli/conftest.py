"""Commands are called in this process, as from an empty folder and with no variable that names a target."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.cli.cli_program import Result, Run
from wps_load.cli import main


@pytest.fixture(autouse=True)
def nowhere(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in [*os.environ]:
        if name.startswith("LOCUST_") or name == "WebPubSubConnectionString":
            monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Run:
    """Runs the program with these arguments."""

    def call(*argv: object) -> Result:
        code = main([str(argument) for argument in argv])
        said = capsys.readouterr()
        return Result(code, said.out, said.err)

    return call
