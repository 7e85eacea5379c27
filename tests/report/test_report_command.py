"""The command in the report gives the run's own configuration again."""

from __future__ import annotations

import shlex

from tests.report.report_runs import facts
from wps_load.report.command import reproduce
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
    again = load(read_back(line), users=20, spawn_rate=5.0, environ={}, run_time_s=90.0)
    assert again.settings_hash == settings_hash
    assert (again.population.slo, again.seed) == ("delivery p99 < 1s, loss = 0", 42)
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
