"""The load itself: as much as requested, counted from its due times; with less, the run is invalid."""

from __future__ import annotations

import math
import time
import urllib.request

import pytest

from tests.calibration.calibration_runs import Outcome, Run, execute, execute_all
from tests.ports import free_port
from tests.zygote import ForkedProgram
from wps_load.emulator.process import EmulatorProcess

pytestmark = pytest.mark.calibration

RATE = 600
SHARED = f"--headless -u 12 -r 100 --wps-total-rate {RATE} --wps-payload 128B --wps-slo none"
WARMUP_S = 1.0
PORT = free_port()
WEB = f"--autostart --autoquit 0 --web-host 127.0.0.1 --web-port {PORT} -u 12 -r 100 --wps-payload 128B"


def reset_in_the_middle(process: ForkedProgram, emulator: EmulatorProcess) -> None:
    while emulator.stats()["messages_in"] < RATE and process.poll() is None:
        time.sleep(0.02)  # its count has no event to wait for
    reset = urllib.request.Request(f"http://127.0.0.1:{PORT}/stats/reset", method="POST")
    with urllib.request.urlopen(reset, timeout=5) as answer:
        assert answer.status == 200


RUNS = {
    "constant, two workers": Run(f"{SHARED} -t 4s --wps-warmup {WARMUP_S:g}s --processes 2"),
    "poisson": Run(f"{SHARED} -t 3s --wps-arrival poisson --wps-seed 2"),
    "reset on the web page": Run(f"{WEB} -t 4s --wps-total-rate {RATE} --processes 2", during=reset_in_the_middle),
    "--reset-stats": Run(f"{SHARED} -t 3s --reset-stats"),
}


@pytest.fixture(scope="module")
def outcomes() -> dict[str, Outcome]:
    return dict(zip(RUNS, execute_all(list(RUNS.values()), at_once=4), strict=True))


@pytest.mark.parametrize("name", ["constant, two workers", "reset on the web page", "--reset-stats"])
def test_the_total_rate_is_offered_whatever_the_workers(outcomes: dict[str, Outcome], name: str) -> None:
    outcome = outcomes[name]
    assert outcome.messages["offered"] == pytest.approx(RATE * outcome.measured_s, rel=0.005)
    assert outcome.messages["published"] + outcome.messages["send_failed"] == outcome.messages["offered"]


def test_poisson_arrivals_have_the_mean_of_their_rate(outcomes: dict[str, Outcome]) -> None:
    outcome = outcomes["poisson"]
    mean = RATE * outcome.measured_s
    assert outcome.messages["offered"] == pytest.approx(mean, abs=4 * math.sqrt(mean))
    assert outcome.messages["offered"] != pytest.approx(mean, abs=10), "and vary as such: with this seed by 50"


def test_warm_up_is_left_out(outcomes: dict[str, Outcome]) -> None:
    outcome = outcomes["constant, two workers"]
    warmed = outcome.truth["messages_in"] - outcome.messages["published"]
    assert warmed == pytest.approx(RATE * WARMUP_S, rel=0.02)
    assert outcome.timed("rtt") == outcome.timed("rtt_service") == outcome.messages["delivered"]
    assert outcome.messages["lost"] == outcome.messages["foreign"] == 0
    assert outcome.timed("connect") == 12  # these count from the start


def test_a_reset_starts_the_statistics_again_everywhere(outcomes: dict[str, Outcome]) -> None:
    outcome = outcomes["reset on the web page"]
    found = outcome.messages
    assert outcome.truth["messages_in"] - found["published"] >= RATE
    assert outcome.timed("rtt") == found["delivered"] == found["expected"] == found["published"]
    assert outcome.timed("connect") == 0
    assert outcome.summary["connections"]["peak"] == 12


def test_reset_stats_takes_out_what_was_before_all_users_were_there(outcomes: dict[str, Outcome]) -> None:
    outcome = outcomes["--reset-stats"]
    assert outcome.timed("connect") < 12
    assert 0 < outcome.summary["run"]["reset_s"] < 3
    assert outcome.timed("rtt") == outcome.messages["delivered"] == outcome.truth["deliveries"]


def test_a_starved_generator_makes_the_run_invalid() -> None:
    """A rate that one process cannot reach: what it was late for is counted, and nothing passes."""
    asked = 1_000_000
    outcome = execute(Run(f"--headless -u 20 -r 100 -t 3s --wps-total-rate {asked} --wps-payload 128B --wps-slo none"))
    found = outcome.messages
    assert outcome.code == 4
    assert outcome.summary["verdict"] == "invalid"
    assert outcome.doubts["rate_missed"] == "error"
    assert found["offered"] == pytest.approx(asked * outcome.measured_s, rel=0.005)
    assert found["offered"] == found["published"] + found["send_failed"]
    assert found["expected"] == found["published"] == found["delivered"] + found["lost"]
    assert outcome.summary["generator"]["send_lag_ms_p99"] > 100
