"""What is asked of a target before a headless run, and which answers end it."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.integration.program import run
from wps_load.client.checks import Check, Level, failed
from wps_load.errors import Finding
from wps_load.swarm.preflight import judge


@pytest.mark.parametrize(
    ("label", "hopeless"),
    [
        ("http_401", True),
        ("http_403", True),
        ("http_404", True),
        ("negotiate_http_404", True),
        ("dns_failed", True),
        ("tls_certificate", True),
        ("subprotocol_refused", True),
        ("connack_0x87", False),
        ("http_429", False),
        ("http_503", False),
        ("connect_refused", False),
        ("connect_timeout", False),
        ("tls_failed", False),
        ("no_answer", False),
    ],
)
def test_lasting_reasons_end_the_run(label: str, hopeless: bool) -> None:
    passed = Check("client URL", Level.PASS, "made")
    found = [passed, failed("upgrade", Finding(label, "it said no", "ask another"))]
    assert judge(found) == (hopeless, [f"it said no [{label}]: ask another"])
    assert judge([passed]) == (False, [])


@pytest.mark.program
def test_a_name_that_is_unknown_ends_the_run_at_once(tmp_path: Path) -> None:
    done = run(
        tmp_path / "reports",
        *("-u", "1", "-t", "40s", "--wps-target", "azure"),
        environment={"WebPubSubConnectionString": "Endpoint=http://nowhere.invalid;AccessKey=Zm9vYmFy;Version=1.0;"},
    )
    assert done.code == 4, done.output
    assert "[dns_failed]" in done.output
    assert done.failures["connect", "dns_failed"] >= 1
    assert done.summary["verdict"] == "invalid"
    assert done.summary["run"]["duration_s"] < 10, "of 40"
