"""The commonest first commands, judged complete, Locust's own defaults counted in: one sentence says the way out."""

from __future__ import annotations

import re
from typing import Any

import pytest

from wps_load.errors import ConfigError, Fault
from wps_load.settings.load import load
from wps_load.settings.run_config import RunConfig
from wps_load.settings.sources import Locustfile

OWN_TASKS = Locustfile(plays_scenario=False)
OWN_SHAPE = Locustfile(shape="Ramp")


def read(locustfile: Locustfile | None = None, **given: Any) -> RunConfig:
    """`u`, `r`, `t` as on the command line; the rest are our options."""
    users, spawn_rate, run_time_s = given.pop("u", 1), given.pop("r", None), given.pop("t", None)
    return load(
        {f"wps_{name}": value for name, value in given.items()},
        users=users,
        spawn_rate=spawn_rate,
        run_time_s=run_time_s,
        environ={},
        locustfile=locustfile,
    )


def faults(locustfile: Locustfile | None = None, **given: Any) -> tuple[Fault, ...]:
    with pytest.raises(ConfigError) as caught:
        read(locustfile, **given)
    return caught.value.faults


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        (
            {"u": 500, "t": 20},
            "--spawn-rate: connecting 500 users at 1 a second, Locust's default, takes 500 s of the 20 s: give -r 50",
        ),
        ({"u": 100, "t": 30, "protocol": "json-reliable"}, "takes 100 s of the 30 s: give -r 10"),
        ({"u": 2000, "t": 40, "scenario": "idle"}, "takes 2000 s of the 40 s: give -r 200"),
        ({"u": 50, "t": 20, "scenario": "churn"}, "takes 50 s of the 20 s: give -r 5"),
        ({"u": 100, "r": 10, "t": 10}, "--spawn-rate '10': connecting 100 users at 10 a second takes 10 s of the 10 s"),
        ({"u": 100, "r": 50, "t": 7, "warmup": "5s"}, "takes 2 s and the warm-up 5 s of the 7 s: give -r 100"),
        ({"u": 10, "r": 10, "t": 7, "warmup": "8s"}, "--wps-warmup '8s': it leaves nothing of the 7s"),
        ({"u": 100_000, "r": 100, "t": 60}, "give -r 1000 and -t 101s"),
        ({"u": 2, "r": 0.1, "t": 10}, "connecting 2 users at 0.1 a second takes 20 s of the 10 s: give -r 1"),
        ({"t": 1}, "--run-time '1s': no message is due in the 0.8 s that are left to measure"),
        ({"t": 20, "rate": "0.01"}, "it is 0.01 a second of all publishers; give at least -t 201s"),
        ({"u": 10, "r": 10, "t": 20, "total_rate": "0.01"}, "no message is due"),
        ({"t": 0.5}, "--run-time '0.5s': at least 1s"),
        ({"u": 0}, "--users '0': at least 1"),
        ({"u": -5}, "--users '-5': at least 1"),
        ({"r": 0.0}, "--spawn-rate '0': users per second, a number above zero"),
        ({"r": float("nan")}, "--spawn-rate 'nan'"),
        ({"t": 0}, "--run-time '0': a time above zero"),
        # stages
        (
            {"stages": "20:6s,60:6s", "t": 14},
            "--wps-stages: connecting 20 users at 1 a second, Locust's default, takes 20 s of its 6 s: give -r 14",
        ),
        ({"stages": "20:30s,60:6s"}, "reaching 60 users from 20 at 1 a second, Locust's default, takes 40 s of"),
        ({"stages": "60:5s,1:5s", "r": 20}, None),
        ({"stages": "60:5s,1:2s", "r": 20}, "reaching 1 users from 60 at 20 a second takes 2.95 s of its 2 s"),
        (
            {"stages": "5:60s,9:60s", "t": 60},
            "--wps-stages: they take 120 s, and --run-time ends them after 60 s: leave it out, or give -t 120s",
        ),
        ({"stages": "5:60s,9:60s", "t": 120}, None),
        ({"u": 5, "stages": "rate:5:30s,rate:9:30s", "t": 60}, "they take 60 s, after 4 s of connecting"),
        ({"u": 5, "stages": "rate:5:30s,rate:9:30s", "t": 66}, None),
        # a search
        ({"u": 50, "t": 30, "capacity": "rate:5..90"}, "--spawn-rate: connecting 50 users"),
        ({"t": 300, "capacity": "users:50..2000"}, "connecting 2,000 users at 1 a second, Locust's default, takes"),
        ({"t": 5, "capacity": "rate:5..90"}, "--run-time '5s': too short for a step of the search"),
        ({"u": 10, "t": 300, "capacity": "rate:5..90"}, None),
        # what is right
        ({}, None),
        ({"t": 2}, None),
        ({"t": 5}, None),
        ({"u": 500, "r": 50, "t": 20}, None),
        ({"u": 500}, None),
        ({"u": 10, "r": 10, "t": 2}, None),
        ({"u": 3, "r": 0.5, "t": 6}, None),
        ({"rate": "max", "t": 2}, None),
    ],
)
def test_load_that_cannot_come_about_is_refused(given: dict[str, Any], sentence: str | None) -> None:
    if sentence is None:
        read(**given)
        return
    (fault,) = faults(**given)
    assert sentence in str(fault)


@pytest.mark.parametrize("users", [2, 7, 100, 500, 9_000, 250_000])
@pytest.mark.parametrize("run_time_s", [5, 20, 60, 600])
def test_the_way_out_leads_out(users: int, run_time_s: int) -> None:
    """A run that follows the sentence's advice is accepted."""
    if users <= run_time_s:
        read(u=users, t=run_time_s)
        return
    (fault,) = faults(u=users, t=run_time_s)
    advice = re.search(r"give -r (\d+)(?: and -t (\d+)s)?$", str(fault))
    assert advice is not None, fault
    read(u=users, r=float(advice[1]), t=int(advice[2] or run_time_s))


def test_the_way_out_of_stages_leads_out() -> None:
    for stages in ("20:6s,60:6s", "500:10s", "1:5s,1000:8s,10:3s"):
        (fault,) = faults(stages=stages)
        read(stages=stages, r=float(str(fault).rpartition(" ")[2]))


def test_a_locustfiles_own_tasks_and_shapes_have_their_own_time() -> None:
    read(OWN_TASKS, u=50, r=5, t=8)
    read(OWN_TASKS, u=50, t=8)
    read(OWN_SHAPE, u=None, t=None)
    for load_in_steps in ({"stages": "20:30s"}, {"capacity": "users:5..20"}):
        (fault,) = faults(OWN_SHAPE, u=None, **load_in_steps)
        assert "the locustfile has a load shape of its own, Ramp" in str(fault)


def test_all_faults_are_reported_at_once() -> None:
    found = faults(u=500, t=20, payload="1B", hub="two words", slo="nonsense")
    assert [fault.option for fault in found] == ["--wps-hub", "--wps-payload", "--wps-slo", "--spawn-rate"]


def test_what_a_master_has_judged_is_not_judged_again() -> None:
    load({}, users=500, spawn_rate=None, run_time_s=20, environ={}, judged=True)
