"""The command in the report gives the run's own configuration again."""

from __future__ import annotations

import shlex

import pytest

from tests.report.report_runs import facts
from wps_load.commands import ready
from wps_load.report.command import again, reproduce
from wps_load.report.summary import build_summary
from wps_load.settings.load import load

KEY = "Endpoint=https://x.webpubsub.azure.com;AccessKey=c2VjcmV0c2VjcmV0c2VjcmV0;Version=1.0;"


def command(values: dict[str, str | bool], environ: dict[str, str] | None = None) -> tuple[str, str]:
    config = load(values, users=20, spawn_rate=5.0, environ=environ or {}, run_time_s=90.0)
    run = facts(settings=config.settings(), seed=1, target=config.target.describe())
    return reproduce(build_summary(run)), config.settings_hash


def read_back(line: str) -> dict[str, str | bool]:
    words = shlex.split(line.replace("\\\n", ""))
    found: dict[str, str | bool] = {}
    for word, following in zip(words, [*words[1:], ""], strict=True):
        if word.startswith("--wps-"):
            value = True if following.startswith("--") or not following else following
            found[word[2:].replace("-", "_")] = value
    return found


def test_it_configures_the_same_run() -> None:
    given: dict[str, str | bool] = {
        "wps_scenario": "small-group",
        "wps_rate": "0.5",
        "wps_payload": "512B*9,16KiB*1",
        "wps_slo": "delivery p99 < 1s, loss = 0",
        "wps_ack": True,
        "wps_report_dir": "elsewhere",
    }
    line, settings_hash = command(given)
    repeated = load(read_back(line), users=20, spawn_rate=5.0, environ={}, run_time_s=90.0)
    assert repeated.settings_hash == settings_hash
    assert (repeated.population.slo, repeated.seed) == ("delivery p99 < 1s, loss = 0", 42)
    assert line.startswith("locust -f locustfile.py --headless --users 20 --spawn-rate 5 --run-time 90s \\\n")
    assert "elsewhere" not in line


def test_secrets_are_named_not_shown() -> None:
    line, _ = command({"wps_connection_string": KEY})
    assert line.startswith("LOCUST_WPS_CONNECTION_STRING=... locust")
    assert "c2VjcmV0" not in line
    assert "redacted" not in line
    line, _ = command({}, {"WebPubSubConnectionString": KEY})
    assert line.startswith("WebPubSubConnectionString=... locust")
    line, _ = command({})
    assert line.startswith("locust")


@pytest.mark.parametrize(
    ("changes", "begins"),
    [
        ({}, "wps-load run echo -u 50 -r 25 -t 33s --wps-protocol json "),
        ({"users": None, "spawn-rate": None, "run-time": None}, "wps-load run echo --wps-protocol json "),
        ({"users": 100_000_000, "run-time": 0.5}, "wps-load run echo -u 100000000 -r 25 -t 0.5s "),
        ({"wps-mix": "own.toml"}, "wps-load run -u 50 -r 25 -t 33s "),
        ({"wps-mix": str(ready.mixes()["chat"])}, "wps-load run chat -u 50 -r 25 -t 33s --wps-protocol json "),
        ({"wps-connection-string": "(set)"}, "LOCUST_WPS_CONNECTION_STRING=... wps-load run echo "),
    ],
)
def test_a_run_again_with_other_settings(changes: dict[str, object], begins: str) -> None:
    line = again(build_summary(facts()), changes)
    assert line.startswith(begins)
    assert "(set)" not in line
    assert not (changes.get("wps-mix") and "chat" in begins and "chat.toml" in line), "its path says nothing elsewhere"


def test_a_run_of_a_locustfile_again_has_no_scenario() -> None:
    assert again(build_summary(facts(scenario="locustfile")), {}).startswith("wps-load run -u 50 ")


def test_switches_have_no_value_and_a_run_without_a_seed_none() -> None:
    summary = build_summary(facts())
    summary["run"]["seed"] = None
    summary["run"]["settings"] |= {"wps-insecure": True, "users": None}
    line = reproduce(summary)
    assert line.splitlines()[0] == "locust -f locustfile.py --headless --spawn-rate 25 --run-time 33s \\"
    assert "  --wps-insecure" in [each.removesuffix(" \\") for each in line.splitlines()]
    assert "--wps-seed" not in line
    assert " --wps-insecure" in again(summary, {})
