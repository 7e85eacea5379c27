"""Master and workers on hosts of their own, whose clocks differ: namespaces of network and time on this machine.

Everything crosses a veth pair; nothing leaves the machine. Needs root, iproute2 and Linux >= 5.6.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.integration.program import LIMIT_S, Finished, clean_environment, command

HOUR_S = 3600
_READ_CLOCK = "import time; print(time.monotonic_ns())"


def _try(*argv: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(argv, capture_output=True, text=True, timeout=LIMIT_S, check=False)


def _missing() -> str:
    """Why this machine can't do it; empty: it can."""
    if sys.platform != "linux" or os.geteuid():
        return "needs Linux and root"
    for program in ("ip", "unshare"):
        if shutil.which(program) is None:
            return f"needs {program}"
    name = f"wps-try-{os.getpid()}"
    made = _try("ip", "netns", "add", name)
    _try("ip", "netns", "del", name)
    if made.returncode:
        return f"no network namespaces here: {made.stderr.strip()}"
    shifted = _try("unshare", "-T", "--monotonic", str(HOUR_S), "--fork", sys.executable, "-c", _READ_CLOCK)
    if shifted.returncode:
        return f"no time namespaces here: {shifted.stderr.strip()}"
    plain = int(_try(sys.executable, "-c", _READ_CLOCK).stdout)
    if int(shifted.stdout) - plain < HOUR_S * 10**9 // 2:
        return "a time namespace has no clock of its own here"
    return ""


class Hosts:
    """A network of namespaces: the first has the bridge. `on(host)` begins a command line that runs there."""

    def __init__(self, names: list[str]) -> None:
        self._names = [f"wps{os.getpid()}{name}" for name in names]

    def __enter__(self) -> Hosts:
        center, *others = self._names
        try:
            for name in self._names:
                self._ip("netns", "add", name)
                self._ip("-n", name, "link", "set", "lo", "up")
            self._ip("-n", center, "link", "add", "br0", "type", "bridge")
            self._ip("-n", center, "addr", "add", "198.18.7.1/24", "dev", "br0")
            self._ip("-n", center, "link", "set", "br0", "up")
            for number, name in enumerate(others, 2):
                port = f"v{number}"
                self._ip("link", "add", port, "netns", center, "type", "veth", "peer", "name", "eth0", "netns", name)
                self._ip("-n", center, "link", "set", port, "master", "br0", "up")
                self._ip("-n", name, "addr", "add", f"198.18.7.{number}/24", "dev", "eth0")
                self._ip("-n", name, "link", "set", "eth0", "up")
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        for name in self._names:
            _try("ip", "netns", "del", name)

    @staticmethod
    def _ip(*arguments: str) -> None:
        done = _try("ip", *arguments)
        assert done.returncode == 0, f"ip {' '.join(arguments)}: {done.stderr}"

    def on(self, host: int, *, ahead_s: int = 0) -> list[str]:
        clock = ["unshare", "-T", f"--monotonic={ahead_s}", "--fork", "--kill-child"] if ahead_s else []
        return ["ip", "netns", "exec", self._names[host], *clock]


@contextmanager
def running(argv: list[str], output: Path, environment: dict[str, str]) -> Iterator[subprocess.Popen[bytes]]:
    with (
        output.open("w") as file,
        subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=file, stderr=file, env=environment) as process,
    ):
        try:
            yield process
        finally:
            process.terminate()
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()


def emulator_in(hosts: Hosts, stack: ExitStack, environment: dict[str, str]) -> str:
    """Its connection string."""
    argv = [*hosts.on(0), sys.executable, "-m", "wps_load.cli", "emulator", "--host", "198.18.7.1", "--port", "0"]
    pipes: dict[str, Any] = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL}
    process = stack.enter_context(subprocess.Popen(argv, env=environment, text=True, **pipes))
    stack.callback(process.terminate)
    assert process.stdout is not None
    line = process.stdout.readline()
    assert line.startswith("Connection string: "), line
    return str(line.partition(": ")[2].strip())


def stats(hosts: Hosts, connection_string: str) -> dict[str, int]:
    endpoint = connection_string.partition("Endpoint=")[2].partition(";")[0]
    code = f"import urllib.request as r; print(r.urlopen('{endpoint}/emulator/stats', timeout=5).read().decode())"
    found: dict[str, int] = json.loads(_try(*hosts.on(0), sys.executable, "-c", code).stdout)
    return found


def play(tmp_path: Path, *, ahead_s: tuple[int, ...]) -> tuple[Finished, dict[str, int]]:
    """A run of as many workers, each on a host whose monotonic clock is so far ahead; and what the emulator counted."""
    with ExitStack() as stack:
        hosts = stack.enter_context(Hosts([chr(ord("a") + number) for number in range(1 + len(ahead_s))]))
        environment = clean_environment()
        target = emulator_in(hosts, stack, environment)
        environment["LOCUST_WPS_CONNECTION_STRING"] = target
        for number, ahead in enumerate(ahead_s, 1):
            worker = command("--worker", "--master-host", "198.18.7.1")
            argv = [*hosts.on(number, ahead_s=ahead), *worker]
            stack.enter_context(running(argv, tmp_path / f"worker{number}.txt", environment))
        master = command("--headless", "--master", "--master-bind-host", "198.18.7.1")
        master += ["--expect-workers", str(len(ahead_s)), "-u", "12", "-r", "12", "-t", "4s"]
        master += ["--wps-scenario", "small-group", "--wps-group-size", "4", "--wps-rate", "5"]
        master += ["--wps-report-dir", str(tmp_path)]
        done = subprocess.run(
            [*hosts.on(0), *master], capture_output=True, text=True, timeout=LIMIT_S, env=environment, check=False
        )
        counted = stats(hosts, target)
    folders = [path.parent for path in tmp_path.glob("*/summary.json")]
    workers = "".join(path.read_text() for path in sorted(tmp_path.glob("worker*.txt")))
    return Finished(done.returncode, done.stdout + done.stderr + workers, folders[0] if folders else None), counted


@pytest.fixture(scope="module")
def able() -> Callable[[], None]:
    reason = _missing()
    if reason:
        pytest.skip(reason)
    return lambda: None


@pytest.mark.usefixtures("able")
def test_workers_whose_clocks_are_hours_apart_play_one_run(tmp_path: Path) -> None:
    done, counted = play(tmp_path, ahead_s=(0, HOUR_S))
    summary = done.summary
    messages, connects = summary["messages"], summary["metrics"]["connect"]
    assert done.code == 0, done.output
    assert summary["generator"]["workers"] == 2
    assert connects["count"] == summary["connections"]["opened"] == 12
    assert connects["p99"] < 5_000, "not an hour"
    assert messages["lost"] == messages["duplicated"] == 0
    assert messages["delivered"] == messages["expected"] == counted["deliveries"] > 0
    assert 0 < summary["metrics"]["delivery"]["p99"] < 5_000
    error_ms = summary["generator"]["clock_error_ms"]
    assert error_ms is not None
    assert 0 < error_ms < 1_000, "two hosts share no clock, and its bound is told"
