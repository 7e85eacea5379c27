"""A resource without keys, tested by forks: one question to Entra ID, one client token, and no secret anywhere."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.entra_fake import ISSUER, fake_entra, quiet_environment
from tests.integration.program import clean_environment, run
from wps_load.auth import DEFAULT_EMULATOR_KEY

pytestmark = pytest.mark.program


def test_forks_share_what_their_master_was_given(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "wps_load.emulator", "--port", "0", "--exit-with-stdin"]
    command += ["--entra-issuer", ISSUER, "--disable-local-auth"]
    with (
        fake_entra(tmp_path) as fake,
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as emulator,
    ):
        assert emulator.stdin is not None
        assert emulator.stdout is not None
        endpoint = emulator.stdout.readline().partition("Endpoint=")[2].partition(";")[0]
        environment = {**quiet_environment(clean_environment()), **fake.environ("managed-identity", tmp_path)}
        finished = run(
            tmp_path / "reports", "-u", "6", "-r", "6", "-t", "3s", "--processes", "2",
            "--wps-endpoint", endpoint, "--wps-credential", "managed-identity", environment=environment,
        )  # fmt: skip
        emulator.stdin.close()
    assert finished.code == 0, finished.output
    assert fake.asked == ["imds"]
    summary = finished.summary
    assert summary["connections"]["opened"] == 6
    assert summary["metrics"]["token_request"]["count"] == 1
    assert finished.folder is not None
    written = b"".join(path.read_bytes() for path in finished.folder.iterdir()) + finished.output.encode()
    assert fake.issued
    for secret in (*fake.issued, DEFAULT_EMULATOR_KEY, "access_token=ey"):
        assert secret.encode() not in written
