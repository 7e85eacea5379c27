"""What to do next: the command fits what the run was, and can be run."""

from __future__ import annotations

import shlex
from typing import Any

import pytest

from tests.report.capacity_runs import searched
from tests.report.report_runs import facts
from wps_load.commands import ready
from wps_load.report.next_steps import next_steps
from wps_load.report.summary import build_summary
from wps_load.settings.load import load
from wps_load.settings.options import BY_FLAG

FOLDER = "reports/20260314T092653Z-echo"


def made(**changes: Any) -> Any:
    return build_summary(facts(**changes))


def commands(summary: Any, before: str | None = None) -> list[str]:
    if before is not None:
        summary["previous"] = {"folder": before, "id": "1", "started_at": "", "verdict": None, "sentence": "s"}
    return [step.command for step in next_steps(summary, FOLDER)]


def doubted(*names: str, level: str = "error", **changes: Any) -> Any:
    summary = made(**changes)
    summary["doubts"] = [{"name": name, "level": level, "message": "m", "advice": "a"} for name in names]
    summary["verdict"] = "invalid" if level == "error" else summary["verdict"]
    return summary


def test_a_run_that_passed() -> None:
    assert commands(made()) == ["WebPubSubConnectionString='Endpoint=...' wps-load doctor"]
    assert commands(made(target="wss://a.example")) == ["wps-load compare --last 5 reports"]
    assert commands(made(target="wss://a.example"), "before") == [f"wps-load compare reports/before {FOLDER}"]


def test_doctor_walks_each_way_of_a_mix() -> None:
    run = made()
    run["run"]["settings"]["wps-mix"] = "my mix.toml"
    assert commands(run) == ["WebPubSubConnectionString='Endpoint=...' wps-load doctor --wps-mix 'my mix.toml'"]
    run["run"]["settings"]["wps-mix"] = str(ready.mixes()["chat"])
    assert commands(run) == ["WebPubSubConnectionString='Endpoint=...' wps-load doctor chat"]


@pytest.mark.parametrize(
    ("names", "first"),
    [
        (("send_lag", "cpu"), "wps-load doctor --machine"),
        (("connections_missing",), "wps-load doctor"),
        (("interrupted",), "wps-load run echo -u 50 -r 25 -t 33s"),
        (("no_messages",), "wps-load run echo -u 50 -r 25 -t 99s"),
    ],
)
def test_a_run_that_cannot_be_trusted(names: tuple[str, ...], first: str) -> None:
    assert commands(doubted(*names))[0].startswith(first)


def test_many_users_are_written_as_locust_reads_them() -> None:
    many = doubted("interrupted")
    many["run"]["settings"].update({"users": 1_234_567, "run-time": 1_000_000.0})
    assert commands(many)[0].startswith("wps-load run echo -u 1234567 -r 25 -t 1000000s")


def test_a_failed_latency_leads_to_a_search_and_a_comparison() -> None:
    found = commands(made(slo="rtt p99 < 1ms"), "before")
    assert found[0].startswith("wps-load run echo -u 50 -r 25 -t 600s")
    assert "--wps-capacity rate:5..100" in found[0]
    assert "--wps-slo 'rtt p99 < 1ms'" in found[0]
    assert "--wps-rate" not in found[0]
    assert found[1] == f"wps-load compare reports/before {FOLDER}"


def test_a_failed_way_in_leads_to_doctor_and_not_to_a_search() -> None:
    assert commands(made(slo="connect p99 < 1ms")) == ["wps-load doctor"]


def test_an_slo_without_data_leads_to_a_longer_run() -> None:
    """Of a population, say, that begins after the run's end: nothing is wrong with the way to the target."""
    summary = made(slo="connect p99 < 1ms")
    summary["slo"][0].update(verdict="no_data", value=None)
    assert commands(summary)[0].startswith("wps-load run echo -u 50 -r 25 -t 99s")
    summary["connections"]["failed"] = 3
    assert commands(summary)[0] == "wps-load doctor"


def test_searches() -> None:
    summary: Any = build_summary(searched())
    assert commands(summary)[0] == f"wps-load report {FOLDER} --growth 2,5,10"
    summary["capacity"]["bound_by"] = "generator"
    assert commands(summary)[0] == "wps-load doctor --machine"
    summary["capacity"].update(bound_by="range", value=500.0, high=None)
    assert "--wps-capacity rate:500..5000" in commands(summary)[-1]
    summary["capacity"].update(value=None)
    assert "the same search with a lower range" in next_steps(summary, FOLDER)[0].why


def test_a_drift_asks_for_a_warm_up_and_few_samples_for_time() -> None:
    found = commands(doubted("drift", "few_samples", level="warning", measure_s=5))
    assert "-t 24s" in found[0]
    assert "--wps-warmup 10s" in found[1]


def test_what_a_locustfiles_own_tasks_do_is_their_own_affair() -> None:
    assert commands(made(scenario="locustfile")) == []


@pytest.mark.parametrize("slo", ["rtt p99 < 1ms", "rtt p99 < 1ms, loss = 0"])
def test_the_options_of_a_command_are_accepted_together(slo: str) -> None:
    words = shlex.split(commands(made(slo=slo))[0])[3:]
    given = dict(zip(words[::2], words[1::2], strict=True))
    texts = {BY_FLAG[flag].dest: text for flag, text in given.items() if flag in BY_FLAG}
    config = load(texts, users=int(given["-u"]), spawn_rate=float(given["-r"]), run_time_s=600.0, environ={})
    assert config.capacity is not None
