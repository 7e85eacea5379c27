"""What a service does not have, or says in codes that nobody has written down: not a failed SLO, but an invalid run."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.integration.program import ROOT, clean_environment, run

USERS = ("-u", "2", "-r", "2")


@contextmanager
def service(lacks: str) -> Iterator[str]:
    """The option with its connection string."""
    command = [sys.executable, "-m", "tests.integration.silent_service", lacks]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT, env=clean_environment())
    assert process.stdout is not None
    try:
        yield f"--wps-connection-string={process.stdout.readline().strip()}"
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


@pytest.mark.parametrize(("scenario", "event"), [("stream", "the start of a stream"), ("invoke", "an invocation")])
def test_what_is_never_answered_is_not_available(tmp_path: Path, scenario: str, event: str) -> None:
    with service("features") as target:
        limit = ("--wps-answer-timeout", "500ms", "--wps-drain", "1s")
        done = run(tmp_path / "reports", *USERS, "-t", "2s", "--wps-scenario", scenario, *limit, target)
    assert done.code == 4, done.output
    assert f"Not available here: not once was {event} answered" in done.output
    summary = done.summary
    assert summary["verdict"] == "invalid"
    assert {"name": "not_available", "level": "error"}.items() <= summary["doubts"][0].items()
    assert "fail" not in {slo["verdict"] for slo in summary["slo"]}


@pytest.mark.parametrize(
    ("lacks", "label", "sentence"),
    [
        ("subprotocol", "subprotocol_refused", "the server did not choose the subprotocol mqtt that was offered"),
        ("connack", "connack_0xee", "the service refused the connection (CONNACK 0xee): not today"),
    ],
)
def test_an_mqtt_client_that_is_not_let_in_says_how(tmp_path: Path, lacks: str, label: str, sentence: str) -> None:
    with service(lacks) as target:
        done = run(tmp_path / "reports", *USERS, "-t", "2s", "--wps-protocol", "mqtt5", target)
    assert done.code == 4, done.output
    assert sentence in done.output
    assert {name for (metric, name) in done.failures if metric == "connect"} == {label}
    assert done.summary["verdict"] == "invalid"
