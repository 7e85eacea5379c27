"""Connections that come, go and break, workers that die: the accounts close all the same."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

import psutil
import pytest

from tests.calibration.calibration_runs import Outcome, Run, execute_all
from tests.zygote import ForkedProgram
from wps_load.emulator.process import EmulatorProcess

pytestmark = pytest.mark.calibration

RAMP = Path(__file__).parent / "ramp_locustfile.py"
GROUPS = "--headless -u 20 --wps-rate 20 --wps-payload 128B --wps-scenario small-group"
MIX = f"--headless -u 20 --wps-mix {RAMP.with_name('ramp.toml')}"
ECHO = "--headless -u 20 -r 100 --wps-rate 20 --wps-payload 128B"


def kill_a_worker(process: ForkedProgram, emulator: EmulatorProcess) -> None:
    while emulator.stats()["messages_in"] < 400 and process.poll() is None:
        time.sleep(0.02)  # its count has no event to wait for
    workers = psutil.Process(process.pid).children()
    os.kill(workers[0].pid, signal.SIGKILL)


RUNS = {
    "ramp": Run(GROUPS, locustfile=RAMP),
    "ramp, two workers": Run(f"{GROUPS} --processes 2", locustfile=RAMP),
    "ramp of a mix, two workers": Run(f"{MIX} --processes 2", locustfile=RAMP),
    "worker killed": Run(f"{ECHO} --processes 2 -t 6s", during=kill_a_worker),
    "disconnects": Run(f"{ECHO} -t 4s", "disconnect=1/100,seed=5"),
}


@pytest.fixture(scope="module")
def outcomes() -> dict[str, Outcome]:
    return dict(zip(RUNS, execute_all(list(RUNS.values()), at_once=4), strict=True))


@pytest.mark.parametrize("name", RUNS)
def test_the_accounts_close(outcomes: dict[str, Outcome], name: str) -> None:
    found = outcomes[name].messages
    assert found["published"] > 0
    assert found["offered"] == found["published"] + found["send_failed"]
    assert found["expected"] == found["delivered"] + found["lost"]
    assert found["duplicated"] == found["reordered"] == found["foreign"] == 0


@pytest.mark.parametrize("name", ["ramp", "ramp, two workers"])
def test_who_joins_and_leaves_loses_nothing(outcomes: dict[str, Outcome], name: str) -> None:
    outcome = outcomes[name]
    connections = outcome.summary["connections"]
    moved = connections["opened"] - 30  # 20 at first, then ten of the 15 that are there in the end
    assert moved == 0 if name == "ramp" else 0 <= moved <= 5, "those who are left by two workers close up"
    assert 15 < connections["peak"] <= 20  # looked at ten times a second, as far as the machine allows
    assert connections["closed_by_plan"] == 15 + moved
    assert connections["dropped"] == 0
    errors = {name for name, level in outcome.doubts.items() if level == "error"}
    assert errors <= {"send_lag", "rate_missed", "loop_lag"}, "another number of users is another load, and no error"
    assert outcome.messages["lost"] == 0
    assert outcome.messages["delivered"] > 5 * outcome.messages["published"]
    assert outcome.messages["published"] == outcome.truth["messages_in"]
    # it delivers to who is on the way out as well
    assert 0 <= outcome.truth["deliveries"] - outcome.messages["delivered"] <= 10 * connections["closed_by_plan"]


def test_the_populations_of_a_mix_come_and_go_together(outcomes: dict[str, Outcome]) -> None:
    outcome = outcomes["ramp of a mix, two workers"]
    summary, found = outcome.summary, outcome.messages
    assert found["lost"] == found["misdelivered"] == found["missed"] == 0
    assert found["published"] == outcome.truth["messages_in"]
    for part in summary["populations"]:
        whole, messages = part["connections"], part["messages"]
        assert whole["opened"] > whole["closed_by_plan"] > 0
        assert messages["expected"] == messages["delivered"]
        assert whole["requested_mean"] <= part["users"]
    assert sum(part["messages"]["delivered"] for part in summary["populations"]) == found["delivered"]
    assert {(row["sender"], row["receiver"]) for row in summary["matrix"]} == {
        ("hosts", name) for name in ("hosts", "viewers", "phones")
    }
    for phase in summary["phases"]:
        if "populations" in phase:
            assert sum(part["offered_per_s"] for part in phase["populations"]) == pytest.approx(phase["offered_per_s"])
            assert [part["offered_per_s"] for part in phase["populations"]][1:] == [0, 0]


def test_a_publisher_that_comes_late_was_not_due_before(outcomes: dict[str, Outcome]) -> None:
    """Nothing is offered before its publisher is connected.

    What a leaver could not send is what fell due while its loop was late: one message, and 20 for each second of lag. A
    publisher that owed what was due before it came would owe 40 and more.
    """
    summary = outcomes["ramp"].summary
    lag_s = summary["generator"]["loop_lag_ms_p99"] / 1000
    failed = outcomes["ramp"].messages["send_failed"]
    assert failed <= summary["connections"]["closed_by_plan"] * (1 + 20 * lag_s)


def test_a_killed_worker_makes_the_run_invalid(outcomes: dict[str, Outcome]) -> None:
    outcome = outcomes["worker killed"]
    assert outcome.code == 4
    assert outcome.summary["verdict"] == "invalid"
    assert outcome.doubts["worker_lost"] == "error"
    assert outcome.summary["generator"]["workers"] == 2


def test_what_the_surviving_worker_measured_is_right(outcomes: dict[str, Outcome]) -> None:
    outcome = outcomes["worker killed"]
    found, truth = outcome.messages, outcome.truth
    assert found["lost"] == 0
    # of the dead worker counts what it had reported, a second at most before its end
    survivor_at_least = 10 * 20 * (outcome.measured_s - 1)
    assert survivor_at_least < found["delivered"] <= truth["deliveries"]
    assert truth["deliveries"] - found["delivered"] < 10 * 20 * 3


def test_what_a_publisher_could_not_send_is_not_lost(outcomes: dict[str, Outcome]) -> None:
    outcome = outcomes["disconnects"]
    found, truth = outcome.messages, outcome.truth
    assert truth["disconnected"] > 0, "how many depends on how much a busy machine has sent"
    assert outcome.summary["connections"]["dropped"] == truth["disconnected"]
    assert found["send_failed"] > 0
    # each loss is of a message on its way when its socket was cut
    assert found["lost"] == found["published"] - found["delivered"]
    assert found["lost"] <= 2 * truth["disconnected"]
