#!/usr/bin/env python3
"""Whether a run's processes stay as large as they are: ten minutes of 60 users that talk, or come and go.

With two workers and with none. Prints a sentence for each; exit code 1 if one of their processes grows. It takes a
seventh of a core.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import psutil

LENGTH_S = 600
STEADY_S = 180
"""By then everything that a run fills once is full."""
LAST_S = 570
"""Until then nobody has begun to write the report."""
MOST_BYTES = 6 << 20
"""Eight times it was 2.9 to 3.6 MiB on a busy machine: docs/performance.md says of what, and that it has an end."""
EVERY_S = 5.0
WINDOW = 6
"""Samples at both ends, of which the least counts: what is in use for a moment is no growth."""
MIX = """
[[population]]
name = "talkers"
users = "50%"
scenario = "echo"
rate = 2
payload = "128B"

[[population]]
name = "guests"
users = "50%"
scenario = "churn"
lifetime = "5s"
"""
RUNS = {"one process": (), "a master and two workers": ("--processes", "2")}


@contextlib.contextmanager
def started(folder: Path, *more: str) -> Iterator[subprocess.Popen[bytes]]:
    """A run in a session of its own, which is ended with all its processes."""
    mix = folder / "mix.toml"
    mix.write_text(MIX)
    argv = [
        sys.executable, "-m", "locust", "-f", "locustfile.py", "--headless", "--only-summary", "-u", "60",
        "-r", "20", "-t", f"{LENGTH_S}s", "--wps-target", "emulator", "--wps-report-dir", str(folder / "reports"),
        "--wps-mix", str(mix), *more,
    ]  # fmt: skip
    with (folder / "output").open("wb") as output:
        run = subprocess.Popen(argv, stdout=output, stderr=output, start_new_session=True)
    try:
        yield run
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(run.pid, signal.SIGKILL)
        run.wait()


def sizes(run: subprocess.Popen[bytes]) -> dict[int, int]:
    """Resident bytes by process; without those that have just ended."""
    found = {}
    with contextlib.suppress(psutil.NoSuchProcess):
        top = psutil.Process(run.pid)
        for each in (top, *top.children(recursive=True)):
            with contextlib.suppress(psutil.NoSuchProcess):
                found[each.pid] = each.memory_info().rss
    return found


def growth(samples: list[dict[int, int]]) -> int:
    """Of the process that grew most, from the first samples to the last ones."""
    return max(
        min(each[pid] for each in samples[-WINDOW:]) - min(each[pid] for each in samples[:WINDOW])
        for pid in set.intersection(*map(set, samples))
    )


def main() -> int:
    with contextlib.ExitStack() as stack:
        runs = {}
        for name, more in RUNS.items():
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="wps-soak-")))
            runs[name] = folder, stack.enter_context(started(folder, *more))
        began_s, parent = time.monotonic(), os.getppid()
        samples: dict[str, list[dict[int, int]]] = {name: [] for name in runs}
        while (passed_s := time.monotonic() - began_s) < LAST_S:
            for name, (folder, run) in runs.items():
                if run.poll() is not None:
                    print(f"soak: {name}: the run ended after {passed_s:.0f} s:")
                    print((folder / "output").read_text(errors="replace")[-2000:])
                    return 1
                if passed_s >= STEADY_S:
                    samples[name].append(sizes(run))
            if os.getppid() != parent:  # who asked was killed
                return 1
            time.sleep(EVERY_S)
    failed = 0
    for name, found in samples.items():
        grown = growth(found)
        good = grown <= MOST_BYTES
        failed += not good
        print(
            f"soak: {name}: {'pass' if good else 'FAIL'}: the process that grew most took {grown / (1 << 20):.1f} MiB "
            f"more after {LAST_S} s than after {STEADY_S} s (at most {MOST_BYTES >> 20})"
        )
    return 1 if failed else 0


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    sys.exit(main())
