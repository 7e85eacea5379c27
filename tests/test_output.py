"""Output reaches its reader in the reader's encoding, and a missing reader ends nothing."""

from __future__ import annotations

import io
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from wps_load import output
from wps_load.report.live import LiveState
from wps_load.swarm.console import Console

SAMPLE = "µs – p99 ≥ 5 … “yes” ✅ ✓ 猫\n"


def narrow(encoding: str) -> io.TextIOWrapper:
    return io.TextIOWrapper(io.BytesIO(), encoding=encoding, errors="strict", write_through=True)


@pytest.mark.parametrize(
    ("encoding", "shown"),
    [
        ("ascii", 'us - p99 >= 5 ... "yes" [ok] ok ?\n'),
        ("cp1252", "µs – p99 >= 5 … “yes” [ok] ok ?\n"),
        ("utf-8", SAMPLE),
    ],
)
def test_characters_that_an_output_does_not_have(monkeypatch: pytest.MonkeyPatch, encoding: str, shown: str) -> None:
    stream = narrow(encoding)
    monkeypatch.setattr(sys, "stdout", stream)
    output.make_tolerant()
    sys.stdout.write(SAMPLE)
    assert stream.buffer.getvalue().decode(encoding) == shown  # type: ignore[attr-defined]


def test_a_closed_output_is_a_sink(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stderr", None)
    output.make_tolerant()
    print(SAMPLE, file=sys.stderr)
    sys.stderr.close()


@pytest.fixture
def dead_pipe() -> Iterator[io.TextIOWrapper]:
    """Its reader has gone."""
    reading, writing = os.pipe()
    os.close(reading)
    with os.fdopen(writing, "w") as stream:
        yield stream


def test_what_cannot_leave_is_given_up(monkeypatch: pytest.MonkeyPatch, dead_pipe: io.TextIOWrapper) -> None:
    monkeypatch.setattr(sys, "stdout", dead_pipe)
    dead_pipe.write("kept")
    assert output.settle() == os.strerror(32)
    dead_pipe.write("goes nowhere")
    assert output.settle() is None


def live() -> LiveState:
    return LiveState(
        phase="measure", elapsed_s=5.0, total_s=10.0, connections=1, target=1, published_per_s=1.0, delivered_per_s=1.0,
        metric="rtt", p50_ms=1.0, p99_ms=2.0, lost=None, limit_ms=1000.0, limit_percentile="p99",
    )  # fmt: skip


def test_a_console_without_a_listener_is_quiet(monkeypatch: pytest.MonkeyPatch, dead_pipe: io.TextIOWrapper) -> None:
    closed = io.StringIO()
    console = Console(closed)
    closed.close()
    for each in (console, Console(dead_pipe)):
        each.say("x")
        each.live(live())
    output.give_up(dead_pipe)
    monkeypatch.setattr(sys, "stderr", None)
    Console().say("x")


def test_a_console_writes_what_a_strict_stream_can_take() -> None:
    stream = narrow("ascii")
    Console(stream).say("p99 ≥ 5")
    Console(stream).live(live())
    said = stream.buffer.getvalue().decode()  # type: ignore[attr-defined]
    assert said.startswith("p99 ? 5\n")
    assert "p99 2.00" in said


CALL = f"{sys.executable} -m wps_load.cli"


@pytest.mark.parametrize(
    ("shell", "code", "said"),
    [
        (f"{CALL} --help > /dev/full", 2, "wps-load: the output could not be written: No space left on device\n"),
        (f"{CALL} --help | true; exit ${{PIPESTATUS[0]}}", 0, ""),
        (f"{CALL} --help >&-", 0, ""),
        (f"{CALL} --help 2>&- > /dev/null", 0, ""),
        (f"timeout 20 {CALL} emulator --port 0 > /dev/full", 2, "No space left on device\n"),
        (f"PYTHONIOENCODING=ascii:strict {CALL} plan -u 10 --wps-scenario idle > /dev/null", 0, ""),
    ],
)
@pytest.mark.program
def test_a_command_whose_output_goes_nowhere(tmp_path: Path, shell: str, code: int, said: str) -> None:
    found = subprocess.run(
        ["/bin/bash", "-c", shell], capture_output=True, text=True, timeout=60, check=False, cwd=tmp_path
    )
    assert found.returncode == code, found.stderr
    assert found.stderr.endswith(said)
    assert "Traceback" not in found.stderr
    assert found.stderr.count("wps-load:") <= 1
