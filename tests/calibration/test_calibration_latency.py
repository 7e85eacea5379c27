"""Injected delays and stalls: latencies are what was injected, as arithmetic says."""

from __future__ import annotations

import csv
import os
import re
import signal
import time
from pathlib import Path

import pytest

from tests.calibration.calibration_runs import Outcome, Run, execute, execute_all
from tests.zygote import ForkedProgram
from wps_load.emulator.process import EmulatorProcess

pytestmark = pytest.mark.calibration

QUIET = "--headless -u 10 -r 100 -t 2s --wps-rate 20 --wps-payload 128B"
ATTEMPTS = 8
"""A bias of the instrument fails each attempt; a noisy neighbour, seldom all."""
LATE_MS = 3.0
"""How late the median message may be as its timer was, beside as many tests as `make test` runs at once."""

STALL_S = 2.0
STALLED = "--headless -u 10 -r 100 -t 5s --wps-payload 128B --wps-slo none"


@pytest.mark.parametrize("delay_ms", [5, 20, 200])
def test_a_delay_shifts_latencies_by_itself(delay_ms: int) -> None:
    """With and without the delay side by side: what else the machine does is then the same for both.

    A busy machine's timers are late for half of the messages, but not for all: the fastest tells a bias from lateness.
    """
    shifts = []
    for _ in range(ATTEMPTS):
        runs = execute_all([Run(QUIET), Run(QUIET, f"delay={delay_ms}ms")], at_once=2)
        undelayed, delayed = (run.summary["metrics"]["rtt"] for run in runs)
        fastest_ms, median_ms = (delayed[name] - undelayed[name] for name in ("min", "p50"))
        shifts.append((fastest_ms, median_ms))
        if abs(fastest_ms - delay_ms) <= 1.0 and -1.0 <= median_ms - delay_ms <= LATE_MS:
            return
    pytest.fail(f"the fastest and the median came {shifts} ms later, not {delay_ms} ms")


@pytest.fixture(scope="module")
def stalls() -> list[Outcome]:
    """An open loop, and a closed one."""
    faults = f"delay=5ms,stall={STALL_S:g}s@1s"
    return execute_all([Run(f"{STALLED} --wps-rate {rate}", faults) for rate in ("20", "max")], at_once=2)


@pytest.fixture
def stalled(stalls: list[Outcome]) -> Outcome:
    return stalls[0]


def test_a_stall_is_in_every_percentile_that_it_should_be_in(stalled: Outcome) -> None:
    """Messages are due evenly for T s. One due x s before the end of the stall waits for x s, whatever it meets on top.

    So the slowest share p of the messages are the p T s due first in the stall: the quantile at 1 - p is S - p T,
    and the mean is S^2 / 2 / T.
    """
    rtt, measured_s = stalled.summary["metrics"]["rtt"], stalled.measured_s
    slack_ms = 60  # what 400 messages, let go at once, cost
    assert rtt["p99"] == pytest.approx(1000 * (STALL_S - 0.01 * measured_s), abs=slack_ms)
    assert rtt["p90"] == pytest.approx(1000 * (STALL_S - 0.10 * measured_s), abs=slack_ms)
    assert rtt["mean"] == pytest.approx(1000 * STALL_S**2 / 2 / measured_s, abs=slack_ms)
    assert stalled.messages["lost"] == 0


def test_what_the_service_holds_is_service_time_too(stalled: Outcome) -> None:
    """The messages of a stall of deliveries have left in time, so `rtt_service` sees the stall as well; the
    generator's own lateness is all that it leaves out."""
    rtt, service = stalled.summary["metrics"]["rtt"], stalled.summary["metrics"]["rtt_service"]
    for name in ("mean", "p50", "p90", "p99", "max"):
        assert service[name] <= rtt[name] * 1.001  # to within a bucket
    assert service["p99"] > 0.9 * rtt["p99"]


def test_a_closed_loop_hides_the_stall(stalls: list[Outcome]) -> None:
    """What an open loop is for: the same stall, seen by publishers that wait, is one slow message each."""
    opened, closed = (run.summary["metrics"]["rtt"] for run in stalls)
    assert closed["max"] > 1000 * (STALL_S - 0.1)
    assert closed["p90"] < opened["p90"] / 4
    assert closed["mean"] < opened["mean"] / 2


def test_waiting_for_a_peer_that_does_not_read_is_not_service_time() -> None:
    """The emulator is stopped while more is sent than the sockets hold: messages are held back, and leave late."""

    def stand_still(process: ForkedProgram, emulator: EmulatorProcess) -> None:
        while emulator.stats()["messages_in"] < 10:
            time.sleep(0.02)  # its count has no event to wait for
        os.kill(emulator.pid, signal.SIGSTOP)
        try:
            time.sleep(STALL_S)  # the stall itself
        finally:
            os.kill(emulator.pid, signal.SIGCONT)

    options = "--headless -u 2 -r 100 -t 5s --wps-rate 25 --wps-payload 512KiB --wps-slo none"
    outcome = execute(Run(options, during=stand_still))
    rtt, service = outcome.summary["metrics"]["rtt"], outcome.summary["metrics"]["rtt_service"]
    assert "send_stalled" in outcome.doubts
    assert outcome.messages["lost"] == outcome.messages["send_failed"] == 0
    assert rtt["p99"] > 1000 * STALL_S * 0.8
    assert service["mean"] < 0.8 * rtt["mean"]


def test_locusts_table_agrees_with_ours_and_shows_fractions(tmp_path: Path) -> None:
    options = "--headless -u 10 -r 100 -t 3s --wps-rate 50 --wps-payload 128B --processes 2"
    outcome = execute(Run(f"{options} --wps-table --csv {tmp_path}/table", "delay=3ms,jitter=1ms"))
    with open(tmp_path / "table_stats.csv", newline="") as file:
        rows = {row["Name"]: row for row in csv.DictReader(file)}
    ours = outcome.summary["metrics"]["rtt"]
    table = rows["rtt"]
    assert int(table["Request Count"]) == ours["count"] == outcome.messages["delivered"]
    assert float(table["Average Response Time"]) == pytest.approx(ours["mean"], rel=1e-6)
    assert float(table["Min Response Time"]) == pytest.approx(ours["min"], rel=1e-6)
    assert float(table["Max Response Time"]) == pytest.approx(ours["max"], rel=1e-6)
    assert float(table["Median Response Time"]) == pytest.approx(ours["p50"], rel=0.01)
    # Locust cuts these to whole ms; where a busy machine has few and late messages, its rank is the next one's
    for column, name, rank in (("90%", "p90", 0.0), ("99%", "p99", 0.2)):
        assert float(table[column]) == pytest.approx(ours[name], abs=1.1 + rank * ours[name])
    assert int(rows["Aggregated"]["Request Count"]) == ours["count"] + 10
    shown = [line for line in outcome.output.splitlines() if line.split()[:2] == ["WPS", "rtt"]]
    assert re.search(rf" {ours['mean']:.1f} ", "\n".join(shown))
