"""Lost, duplicated and reordered messages: the summary's counts equal the emulator's, exactly."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.calibration.calibration_runs import Outcome, Run, execute, execute_all
from wps_load.emulator.process import EmulatorProcess

pytestmark = pytest.mark.calibration

FAULTS = "drop=1/100,duplicate=1/200,reorder=1/500,seed=3"
ECHO = "--headless -u 40 -r 100 -t 3s --wps-rate 40 --wps-payload 128B"
GROUPS = "--headless -u 20 -r 100 -t 3s --wps-rate 12 --wps-payload 128B --wps-scenario small-group"

RUNS = {
    "echo, one process": Run(ECHO, FAULTS),
    "echo, two workers": Run(f"{ECHO} --processes 2", FAULTS),
    "echo over protobuf": Run(f"{ECHO} --wps-protocol protobuf", FAULTS),
    "groups, one process": Run(GROUPS, FAULTS),
    "groups, two workers": Run(f"{GROUPS} --processes 2", FAULTS),
    "groups, two workers, half of them publish": Run(f"{GROUPS} --processes 2 --wps-publishers 50%", FAULTS),
    "groups, two workers, without echo": Run(f"{GROUPS} --processes 2 --wps-no-echo", FAULTS),
}


@pytest.fixture(scope="module")
def outcomes() -> dict[str, Outcome]:
    return dict(zip(RUNS, execute_all(list(RUNS.values()), at_once=4), strict=True))


@pytest.mark.parametrize("name", RUNS)
def test_counts_are_what_the_emulator_did(outcomes: dict[str, Outcome], name: str) -> None:
    found, truth = outcomes[name].messages, outcomes[name].truth
    assert found["lost"] == truth["dropped"]
    assert found["duplicated"] == truth["duplicated"]
    assert found["reordered"] == truth["reordered"]
    assert found["delivered"] + found["duplicated"] == truth["deliveries"]
    assert found["published"] == truth["messages_in"]
    assert found["offered"] == found["published"] + found["send_failed"]
    assert found["expected"] == found["delivered"] + found["lost"]
    assert found["foreign"] == 0


def test_every_fault_was_there_to_be_found(outcomes: dict[str, Outcome]) -> None:
    # of all runs together: one that began slowly on a busy machine may be too short for the rarest of them
    for fault in ("dropped", "duplicated", "reordered"):
        assert sum(outcome.truth[fault] for outcome in outcomes.values()) > 0


@pytest.mark.parametrize("name", RUNS)
def test_each_delivered_message_is_timed_once(outcomes: dict[str, Outcome], name: str) -> None:
    outcome = outcomes[name]
    assert outcome.timed("rtt") + outcome.timed("delivery") == outcome.messages["delivered"]
    assert outcome.timed("rtt_service") == outcome.timed("rtt")
    assert (outcome.timed("rtt") == 0) == ("--wps-no-echo" in RUNS[name].options)


def test_every_loss_is_of_an_eligible_receiver(outcomes: dict[str, Outcome]) -> None:
    audiences = {"groups, two workers, half of them publish": 10, "groups, two workers, without echo": 9}
    for name, receivers in audiences.items():
        assert outcomes[name].messages["expected"] == receivers * outcomes[name].messages["published"]


def test_a_lost_message_fails_the_slo(outcomes: dict[str, Outcome]) -> None:
    results = outcomes["echo, one process"].summary["slo"]
    assert {slo["expression"]: slo["verdict"] for slo in results}["loss = 0"] == "fail"


def test_two_runs_in_one_hub_do_not_disturb_each_other() -> None:
    with EmulatorProcess.start(faults="duplicate=1/200") as emulator, ThreadPoolExecutor(2) as pool:
        run = Run(GROUPS)
        first, second = pool.map(lambda _: execute(run, emulator), range(2))
        truth = emulator.stats()
    for outcome in (first, second):
        assert outcome.messages["foreign"] == outcome.messages["lost"] == 0
        assert outcome.messages["expected"] == 10 * outcome.messages["published"]
    assert first.messages["duplicated"] + second.messages["duplicated"] == truth["duplicated"] > 0
