from __future__ import annotations

import pytest

from wps_load.workload.stages import CapacityRange, LoadStep, Stages


def test_steps_of_users_and_of_rate() -> None:
    users = Stages.parse("100:60s, users:200:1m")
    assert users == Stages("users", (LoadStep(100, 60 * 10**9), LoadStep(200, 60 * 10**9)))
    assert users.peak == 200
    assert users.duration_ns == 120 * 10**9
    assert Stages.parse("rate:500:10s,rate:1000:10s").variable == "rate"


@pytest.mark.parametrize("text", ["", "100", "100:", ":5s", "100:0s", "a:5s", "0:5s", "users:rate:1:5s", "load:1:5s"])
def test_what_is_not_a_stage_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="100:60s,200:60s"):
        Stages.parse(text)


def test_users_and_rate_do_not_change_in_one_run() -> None:
    with pytest.raises(ValueError, match="mixed"):
        Stages.parse("100:60s,rate:5:60s")


def test_a_shape_follows_the_steps_and_ends() -> None:
    stages = Stages.parse("10:2s,30:3s")
    assert [stages.tick(t, users=99, spawn_rate=5) for t in (0, 1.999, 2, 4.999, 5)] == [
        (10, 5),
        (10, 5),
        (30, 5),
        (30, 5),
        None,
    ]


def test_a_shape_obeys_the_run_time_itself() -> None:
    stages = Stages.parse("10:1h")
    assert stages.tick(9.9, users=10, spawn_rate=5, run_time_s=10) == (10, 5)
    assert stages.tick(10, users=10, spawn_rate=5, run_time_s=10) is None


def test_users_stay_while_the_rate_changes() -> None:
    assert Stages.parse("rate:500:1s").tick(0.5, users=40, spawn_rate=8) == (40, 8)


def test_ranges() -> None:
    assert CapacityRange.parse("rate:100..20000") == CapacityRange("rate", 100, 20000)
    assert CapacityRange.parse(" users : 50 .. 2000 ").peak == 2000
    for text in ("", "rate:5..5", "rate:9..5", "rate:0..5", "load:1..2", "rate:1-2", "1..2"):
        with pytest.raises(ValueError, match="LOW"):
            CapacityRange.parse(text)
