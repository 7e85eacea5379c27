"""`wps-load doctor` in this process, against a service that a test scripts: its lines, its document, its exit code."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.cli_program import Run
from tests.client.health_service import HealthService
from wps_load import machine
from wps_load.client.checks import Check, Level
from wps_load.commands import packages


@pytest.fixture(autouse=True)
def installed(monkeypatch: pytest.MonkeyPatch) -> None:
    """The look at the installation starts a process; tests/cli/test_cli_packages.py has it."""
    monkeypatch.setattr(packages, "checks", lambda: [Check("packages", Level.PASS, "all here")])


@pytest.fixture
def service() -> Iterator[HealthService]:
    with HealthService() as made:
        yield made


@pytest.fixture
def target(service: HealthService) -> list[str]:
    return ["--wps-connection-string", service.connection_string, "--wps-connect-timeout", "5s"]


def lines(out: str) -> dict[str, str]:
    """What each check said, by its name."""
    rows = [line for line in out.splitlines() if line.startswith("  ") and not line.startswith("   ")]
    return {row[8:20].strip(): row[2:6].strip() + " " + row[21:] for row in rows}


def test_each_check_is_a_line_and_all_of_them_a_count(run: Run, target: list[str]) -> None:
    result = run("doctor", *target, "-u", "10")
    assert (result.code, result.err) == (0, "")
    assert result.out.startswith("Target: http://127.0.0.1:")
    assert ", echo over json\n" in result.out
    found = lines(result.out)
    assert list(found)[:3] == ["packages", "open files", "processors"]
    assert found["echo"].startswith("pass through a group in ")
    assert found["local ports"].startswith("pass 10 needed, ")
    passed = sum(text.startswith("pass ") for text in found.values())
    warned = sum(text.startswith("warn ") for text in found.values())
    assert result.out.endswith(f"{passed} passed, {warned} warned, 0 failed.\n")


def test_a_check_that_failed_says_what_to_do_and_makes_the_exit_code(
    run: Run, target: list[str], service: HealthService
) -> None:
    service.refusal = "HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\n\r\n"
    result = run("doctor", *target)
    assert result.code == 1
    assert lines(result.out)["upgrade"].startswith("fail ")
    assert "\n                     -> " in result.out
    assert result.out.endswith(" 1 failed.\n")


def test_one_document_has_it_all(run: Run, target: list[str], service: HealthService) -> None:
    service.refusal = "HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\n\r\n"
    result = run("doctor", *target, "--json")
    document = json.loads(result.out)
    assert document["exit_code"] == result.code == 1
    assert document["scenario"] == "echo"
    assert {check["name"]: check["level"] for check in document["checks"]}["upgrade"] == "fail"


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--wps-units", "1", "-u", "2000"], "warn Standard_S1, 1 unit: 1,000 connections, but 2,000 are requested"),
        (["--wps-units", "2", "-u", "2000"], "pass Standard_S1, 2 units: 2,000 connections"),
        (["--wps-tier", "free"], "pass Free_F1, 1 unit: 20 connections"),
    ],
)
def test_what_was_bought_is_held_against_what_is_asked_for(
    run: Run, target: list[str], options: list[str], said: str
) -> None:
    assert lines(run("doctor", *target, *options).out)["units"] == said


def test_connections_that_the_run_closes_itself_hold_their_ports_for_a_minute(run: Run, target: list[str]) -> None:
    found = lines(run("doctor", *target, "--wps-scenario", "churn", "--wps-lifetime", "10s", "-u", "100").out)
    assert found["local ports"].startswith("pass 700 needed, ")


def test_the_ways_of_a_mix_have_a_heading_each(run: Run, target: list[str], tmp_path: Path) -> None:
    file = tmp_path / "mix.toml"
    file.write_text(
        '[[population]]\nname = "chatters"\nusers = 2\nscenario = "echo"\n'
        '[[population]]\nname = "silent"\nusers = 2\nscenario = "idle"\nhub = "other"\n'
    )
    result = run("doctor", *target, "--wps-mix", file)
    assert result.code == 0
    assert "chatters (json, hub bench):\n" in result.out
    assert "silent (json, hub other):\n" in result.out


def test_the_machine_alone_asks_no_target(run: Run, service: HealthService, target: list[str]) -> None:
    result = run("doctor", "--machine", *target, "--wps-scenario", "idle", "-u", "10", "--processes", "-1")
    assert result.code == 0
    assert service.connections == 0
    assert list(lines(result.out))[-1] == "first limit"


def test_as_many_workers_as_processors_may_be_asked_for(
    run: Run, target: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(machine, "cpu_count", lambda: 3)
    assert (
        lines(run("doctor", *target, "--processes", "-1").out)["processors"]
        .split(" ", 1)[1]
        .startswith("3 for 3 processes")
    )


@pytest.mark.parametrize("processes", ["0", "-2", "many"])
def test_a_number_of_workers_that_is_none_is_refused(run: Run, target: list[str], processes: str) -> None:
    result = run("doctor", *target, "--processes", processes)
    assert (result.code, result.out) == (2, "")
    assert f"--processes '{processes}': a number of at least 1, or -1" in result.err


def test_a_secret_is_not_shown(run: Run, service: HealthService) -> None:
    place = service.connection_string.partition("http://")[2].partition(";")[0]
    result = run("doctor", "--wps-client-url", f"ws://{place}/client/hubs/h?access_token=t0ps3cret")
    assert lines(result.out)["client URL"].startswith("pass given")
    assert "t0ps3cret" not in result.out + result.err
