"""A service whose limit is known: the search must find it. The longest search comes first, for all begin together."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.calibration.calibration_runs import Run, execute
from wps_load.emulator.process import EmulatorProcess

pytestmark = [pytest.mark.calibration, pytest.mark.timeout(180)]

LIMIT_PER_S = 900
CONNECTIONS_OF_A_UNIT = 1_000


def test_the_search_finds_how_many_connections_a_unit_takes() -> None:
    found = execute(
        Run(
            "--headless -u 20 -r 300 -t 110s --wps-capacity users:800..1200",  # the usual SLO, which asks for no users
        ),
        EmulatorProcess.start(units=1),
        patience_s=170,
    )
    capacity = found.summary["capacity"]
    assert capacity["bound_by"] == "service", found.output
    assert 0.95 * CONNECTIONS_OF_A_UNIT <= capacity["value"] <= CONNECTIONS_OF_A_UNIT < capacity["high"]
    assert len(capacity["steps"]) <= 12
    assert found.code == 0
    assert found.output.count("spawn rate is very high") == 1, "Locust's warning, not once a step"


def test_the_search_scales_a_mix_and_keeps_its_shares() -> None:
    mix = Path(__file__).with_name("two.toml")
    found = execute(
        Run(
            f"--headless -u 20 -r 50 -t 80s --wps-mix {mix} --wps-capacity rate:500..1500 "
            "--wps-slo 'rtt p99 < 1s, loss = 0'",
            faults=f"service-rate={LIMIT_PER_S}",
        ),
        patience_s=120,
    )
    capacity = found.summary["capacity"]
    assert capacity["bound_by"] == "service", found.output
    assert 0.95 * LIMIT_PER_S <= capacity["value"] <= 1.02 * LIMIT_PER_S
    many, few = (part["messages"] for part in found.summary["populations"])
    assert many["offered"] == pytest.approx(3 * few["offered"], rel=0.02)
    assert many["lost"] == few["lost"] == found.summary["messages"]["lost"] == 0


def test_the_search_finds_a_known_limit_within_five_percent_and_twelve_steps() -> None:
    found = execute(
        Run(
            "--headless -u 20 -r 50 -t 80s --wps-payload 128B --wps-capacity rate:500..1500",
            faults=f"service-rate={LIMIT_PER_S}",
        ),
        patience_s=120,
    )
    capacity = found.summary["capacity"]
    assert capacity["bound_by"] == "service", found.output
    assert 0.95 * LIMIT_PER_S <= capacity["value"] <= 1.02 * LIMIT_PER_S
    assert capacity["low"] == capacity["value"] < capacity["high"] <= 1.06 * capacity["value"]
    assert len(capacity["steps"]) <= 12
    assert {step["outcome"] for step in capacity["steps"]} == {"held", "failed"}
    assert found.code == 0, "steps that failed do not fail a search that found its answer"
    assert found.summary["messages"]["lost"] == 0
