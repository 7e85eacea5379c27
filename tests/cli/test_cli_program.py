"""The program as a process of its own."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import orjson
import pytest

from wps_load.emulator.process import EmulatorProcess

pytestmark = pytest.mark.program

PROGRAM = [sys.executable, "-m", "wps_load.cli"]


def call(*argv: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([*PROGRAM, *argv], capture_output=True, text=True, timeout=60, check=False)


def test_a_token_opens_a_connection(emulator: EmulatorProcess) -> None:
    token = call("token", "--wps-connection-string", emulator.connection_string)
    assert (token.returncode, token.stderr) == (0, "")
    doctor = call("doctor", "--wps-client-url", token.stdout.strip())
    assert doctor.returncode == 0
    assert "pass  echo" in doctor.stdout


def test_the_emulator_tells_where_it_is_and_ends_politely() -> None:
    with subprocess.Popen(
        [*PROGRAM, "emulator", "--port", "0"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        line = process.stdout.readline()
        assert line.startswith("Connection string: Endpoint=http://127.0.0.1:")
        assert call("doctor", "--wps-connection-string", line.partition(": ")[2].strip()).returncode == 0
        process.terminate()
        assert process.wait(10) == 0


def test_the_app_server_hands_out_client_urls(emulator: EmulatorProcess) -> None:
    with subprocess.Popen(
        [*PROGRAM, "upstream", "--port", "0", "--connection-string", emulator.connection_string],
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        url = process.stdout.readline().partition(": ")[2].strip()
        doctor = call("doctor", "--wps-negotiate-url", url)
        process.terminate()
    assert doctor.returncode == 0
    assert "client URL   negotiated in" in doctor.stdout


def test_usage_is_one_sentence_and_no_traceback() -> None:
    result = call("token", "--wps-connection-string", "Endpoint=https://h;AccessKey=")
    assert result.returncode == 2
    assert (
        result.stderr == "wps-load token: --wps-connection-string: the connection string has no AccessKey=...; part\n"
    )


def test_a_reader_that_goes_away_is_not_an_error(tmp_path: Path) -> None:
    result = subprocess.run(
        ["/bin/sh", "-c", f"{sys.executable} -m wps_load.cli plan -u 10 --wps-scenario idle | true"],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert result.stderr == ""


def imported_by(code: str) -> set[str]:
    """The packages that a process has imported when it has run this."""
    found = subprocess.run(
        [sys.executable, "-c", f"{code}\nimport sys, json; print(json.dumps(list(sys.modules)))"],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    return {name.partition(".")[0] for name in orjson.loads(found.stdout.splitlines()[-1])}


@pytest.mark.parametrize("code", ["import wps_load.cli", "from wps_load.cli import main; main(['--help'])"])
def test_starting_costs_nothing(code: str) -> None:
    """What is slow to import is not imported: less fickle to test than 0.2 seconds."""
    assert not imported_by(code) & {"gevent", "locust", "numpy", "aiohttp", "jwt", "jinja2", "configargparse"}


def test_entra_id_costs_nothing_where_nobody_asks_for_it() -> None:
    """azure-identity takes most of a second to import, and may not be installed."""
    code = "import wps_load.swarm.install, wps_load.commands.doctor, wps_load.commands.report"
    assert not imported_by(code) & {"azure", "msal", "msal_extensions"}
