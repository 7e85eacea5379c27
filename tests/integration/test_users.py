"""Users that come and go in whole programs: a shape of the locustfile's own on two workers, keys, and Edit."""

from __future__ import annotations

import json
import os
import pty
import subprocess
import sys
import urllib.request
from pathlib import Path
from typing import Any

import pytest

from tests.integration.program import ROOT, clean_environment, run, start, until
from tests.ports import free_port
from wps_load.emulator.process import EmulatorProcess

SHAPE = """
from locust import LoadTestShape
from wps_load.swarm.users import ScenarioUser

class Load(ScenarioUser):
    abstract = False

class Steps(LoadTestShape):
    def tick(self):
        steps = ((6, 20), (12, 40), (18, 10))
        return next(((users, 100.0) for until_s, users in steps if self.get_run_time() < until_s), None)
"""


def held(summary: dict[str, Any]) -> dict[int, dict[str, Any]]:
    """The phases in which a number of users was held."""
    return {phase["users"]: phase for phase in summary["phases"] if phase.get("users") is not None}


def test_what_each_number_of_users_sends_arrives(tmp_path: Path) -> None:
    locustfile = tmp_path / "locustfile.py"
    locustfile.write_text(SHAPE)
    port = str(free_port())
    with EmulatorProcess.start() as emulator:
        done = run(
            tmp_path / "reports", "--processes", "2", "--master-port", port, "--master-bind-port", port,
            "--wps-rate", "1", "--wps-payload", "128B",
            locustfile=locustfile, environment={"WebPubSubConnectionString": emulator.connection_string},
        )  # fmt: skip
        arrived = emulator.stats()["messages_in"]
    assert done.code in (0, 3), done.output  # a busy machine may be late, and nothing else
    assert done.doubts("error") == set()
    messages = done.summary["messages"]
    assert messages["published"] == arrived
    assert (messages["lost"], messages["misdelivered"], messages["missed"]) == (0, 0, 0)
    phases = held(done.summary)
    assert list(phases) == [20, 40, 10]
    for users, phase in phases.items():
        # those who close up after others have left are away for a moment
        assert users - 1 <= phase["connections"] <= users
        assert phase["offered_per_s"] == pytest.approx(users, rel=0.15), "a second more or less is on the edge"
    assert done.summary["connections"]["closed_by_plan"] >= 30
    assert "The number of users changed: 20 users for" in done.output
    assert "users_changed" not in done.output


def test_keys_change_the_users_of_a_run_at_a_terminal(tmp_path: Path) -> None:
    master, terminal = pty.openpty()
    log, reports = tmp_path / "log", tmp_path / "reports"
    options = ("echo", "-u", "4", "-r", "100", "-t", "14s", "--wps-payload", "128B", "--wps-report-dir", str(reports))
    with log.open("w") as out:
        process = subprocess.Popen(
            [sys.executable, "-m", "wps_load.cli", "run", *options],
            stdin=terminal, stdout=out, stderr=subprocess.STDOUT, cwd=ROOT, env=clean_environment(),
        )  # fmt: skip
    try:
        until(lambda: "measure " in log.read_text(), "a second of the run was measured")
        os.write(master, b"W")
        assert process.wait(60) == 0, log.read_text()
    finally:
        process.kill()
        os.close(master)
        os.close(terminal)
    (summary,) = reports.glob("*/summary.json")
    text = summary.read_text()
    assert '"14 users"' in text
    assert "14 users for" in log.read_text()


def test_an_edit_that_does_not_fit_is_refused_and_the_run_goes_on(tmp_path: Path) -> None:
    page, port = free_port(), str(free_port())
    worker = ("--worker", "--master-port", port)
    options = ("--master", "--master-bind-port", port, "--web-host", "127.0.0.1", "--web-port", str(page))
    with (
        EmulatorProcess.start() as target,  # not embedded: that has limits of its own
        start(tmp_path / "reports", *options, "--wps-connection-string", target.connection_string) as program,
        start(tmp_path / "first", *worker),
    ):
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        program.await_output("1 workers connected")

        def swarm(users: int) -> dict[str, Any]:
            form = f"user_count={users}&spawn_rate=10&run_time=8s&wps_scenario=idle".encode()
            with opener.open(f"http://127.0.0.1:{page}/swarm", form, timeout=20) as answer:
                found: dict[str, Any] = json.load(answer)
            return found

        assert swarm(10)["success"]
        program.await_output("Settled after")
        first = swarm(100_000_000)
        with start(tmp_path / "second", *worker) as late:
            until(lambda: "these 2 workers hold" in swarm(100_000_000)["message"], "the room of the late worker counts")
            until(lambda: list(program.report_dir.glob("*/junit.xml")), "the run is over")
            assert "Traceback" not in late.output
        (summary,) = program.report_dir.glob("*/summary.json")
    assert not first["success"]
    assert first["message"].startswith("100,000,000 connections do not fit: this process holds ")
    assert first["message"].endswith("The run goes on with 10 users")
    assert first["message"] in program.output, "the log says it, too"
    found = json.loads(summary.read_text())
    assert (found["verdict"], found["connections"]["opened"]) == ("pass", 10)
    assert "users_refused" in {doubt["name"] for doubt in found["doubts"]}
