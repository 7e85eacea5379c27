"""Master, workers and server on hosts of their own: namespaces of network and time on this machine.

Everything crosses `wire.py`, which delays and loses packets and cuts links; nothing leaves the machine. Needs root,
iproute2, /dev/net/tun and Linux >= 5.6.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from tests.integration import wire
from tests.integration.program import Finished, clean_environment, command

HOUR_S = 3600
LIMIT_S = 90
MASTER, SERVER, FIRST, SECOND, LATE = 1, 2, 3, 4, 5
"""Hosts by their numbers."""
_READ_CLOCK = "import time; print(time.monotonic_ns())"
SLOW = {"up_ms": 30, "down_ms": 5}
"""A way to the master that is longer than the way back: a clock's offset is known to half of both at best."""


def _try(*argv: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(argv, capture_output=True, text=True, timeout=LIMIT_S, check=False)


def _missing() -> str:
    """Why this machine can't do it; empty: it can."""
    if sys.platform != "linux" or os.geteuid():
        return "needs Linux and root"
    if not os.access("/dev/net/tun", os.R_OK | os.W_OK):
        return "needs /dev/net/tun"
    for program in ("ip", "unshare"):
        if shutil.which(program) is None:
            return f"needs {program}"
    name = f"wps-try-{os.getpid()}"
    made = _try("ip", "netns", "add", name)
    device = _try("ip", "netns", "exec", name, "ip", "tuntap", "add", "dev", "try0", "mode", "tun")
    _try("ip", "netns", "del", name)
    if made.returncode or device.returncode:
        return f"no network namespaces here: {made.stderr.strip()}{device.stderr.strip()}"
    shifted = _try("unshare", "-T", "--monotonic", str(HOUR_S), "--fork", sys.executable, "-c", _READ_CLOCK)
    if shifted.returncode:
        return f"no time namespaces here: {shifted.stderr.strip()}"
    plain = int(_try(sys.executable, "-c", _READ_CLOCK).stdout)
    if int(shifted.stdout) - plain < HOUR_S * 10**9 // 2:
        return "a time namespace has no clock of its own here"
    return ""


class Hosts:
    """Namespaces, and the wire between them. `on(host)` begins a command line that runs there."""

    def __init__(self) -> None:
        self._names = [f"wps{os.getpid()}h{number}" for number in range(1, LATE + 1)]
        self._wire: subprocess.Popen[str] | None = None

    def __enter__(self) -> Hosts:
        try:
            for name in self._names:
                self._ip("netns", "add", name)
                self._ip("-n", name, "link", "set", "lo", "up")
            argv = [sys.executable, str(wire.__file__), *self._names]
            self._wire = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
            self._answer("ready")
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        if self._wire is not None:
            with self._wire:
                self._wire.terminate()
        for name in self._names:
            _try("ip", "netns", "del", name)

    @staticmethod
    def _ip(*arguments: str) -> None:
        done = _try("ip", *arguments)
        assert done.returncode == 0, f"ip {' '.join(arguments)}: {done.stderr}"

    def on(self, host: int, *, ahead_s: int = 0) -> list[str]:
        clock = ["unshare", "-T", f"--monotonic={ahead_s}", "--fork", "--kill-child"] if ahead_s else []
        return ["ip", "netns", "exec", self._names[host - 1], *clock]

    def way(self, **way: Any) -> None:
        """From now on; see `wire.py`."""
        assert self._wire is not None
        assert self._wire.stdin is not None
        self._wire.stdin.write(json.dumps(way) + "\n")
        self._wire.stdin.flush()
        self._answer("set")

    def _answer(self, expected: str) -> None:
        assert self._wire is not None
        assert self._wire.stdout is not None
        assert self._wire.stdout.readline().strip() == expected


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
    where = ["--host", wire.address(SERVER), "--port", "0"]
    argv = [*hosts.on(SERVER), sys.executable, "-m", "wps_load.cli", "emulator", *where]
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
    found: dict[str, int] = json.loads(_try(*hosts.on(SERVER), sys.executable, "-c", code).stdout)
    return found


@dataclass
class Field:
    """What a test may do while a run goes on. `workers`: processes by their hosts."""

    hosts: Hosts
    tmp_path: Path
    environment: dict[str, str]
    stack: ExitStack
    workers: dict[int, subprocess.Popen[bytes]] = field(default_factory=dict)

    def start_worker(self, host: int, *, ahead_s: int = 0) -> None:
        argv = [*self.hosts.on(host, ahead_s=ahead_s), *command("--worker", "--master-host", wire.address(MASTER))]
        process = running(argv, self.tmp_path / f"worker{host}.txt", self.environment)
        self.workers[host] = self.stack.enter_context(process)

    @property
    def told(self) -> str:
        """What the master has said so far."""
        return (self.tmp_path / "master.txt").read_text()

    def await_told(self, text: str) -> None:
        deadline = time.monotonic() + LIMIT_S
        while text not in self.told:
            assert time.monotonic() < deadline, self.told
            time.sleep(0.05)


def play(
    tmp_path: Path,
    *,
    run_s: int,
    way: dict[str, Any] | None = None,
    ahead_s: int = 0,
    during: Callable[[Field], None] = lambda field: None,
) -> tuple[Finished, dict[str, int]]:
    """A run of two workers, the second on a host whose monotonic clock is so far ahead; what the emulator counted.

    `during`: called when the measure phase has begun.
    """
    with ExitStack() as stack:
        hosts = stack.enter_context(Hosts())
        environment = clean_environment()
        target = emulator_in(hosts, stack, environment)
        environment["LOCUST_WPS_CONNECTION_STRING"] = target
        hosts.way(**(way or {}))
        here = Field(hosts, tmp_path, environment, stack)
        here.start_worker(FIRST)
        here.start_worker(SECOND, ahead_s=ahead_s)
        options = ["--headless", "--master", "--master-bind-host", wire.address(MASTER), "--expect-workers", "2"]
        options += ["-u", "12", "-r", "12", "-t", f"{run_s}s", "--wps-report-dir", str(tmp_path)]
        options += ["--wps-scenario", "small-group", "--wps-group-size", "4", "--wps-rate", "5"]
        argv = [*hosts.on(MASTER), *command(*options)]
        master = stack.enter_context(running(argv, tmp_path / "master.txt", environment))
        here.await_told("Settled after")
        during(here)
        code = master.wait(LIMIT_S + run_s)
        counted = stats(hosts, target)
    folders = [path.parent for path in tmp_path.glob("*/summary.json")]
    output = "".join(path.read_text() for path in sorted(tmp_path.glob("*.txt")))
    return Finished(code, output, folders[0] if folders else None), counted


@pytest.fixture(scope="module")
def able() -> Callable[[], None]:
    reason = _missing()
    if reason:
        pytest.skip(reason)
    return lambda: None


def assert_exact(done: Finished, counted: dict[str, int]) -> None:
    messages = done.summary["messages"]
    assert messages["lost"] == messages["duplicated"] == 0
    assert messages["delivered"] == messages["expected"] == counted["deliveries"] > 0


@pytest.mark.usefixtures("able")
def test_hosts_far_apart_whose_clocks_differ_by_an_hour_play_one_run(tmp_path: Path) -> None:
    way = {**SLOW, "loss": 0.01}

    def during(here: Field) -> None:
        here.await_told("measure ")  # all workers publish: who hears of it late sends late
        here.hosts.way(**way, cut=[[MASTER, SECOND]])
        time.sleep(2)  # the link is down for so long
        here.hosts.way(**way)

    done, counted = play(tmp_path, run_s=9, way=way, ahead_s=HOUR_S, during=during)
    summary = done.summary
    connects = summary["metrics"]["connect"]
    assert done.code == 0, done.output
    assert summary["generator"]["workers"] == 2
    assert connects["count"] == summary["connections"]["opened"] == 12
    assert connects["p99"] < 5_000, "not an hour"
    assert_exact(done, counted)
    error_ms = summary["generator"]["clock_error_ms"]
    assert error_ms is not None
    least = (SLOW["up_ms"] - SLOW["down_ms"]) / 2
    assert least <= error_ms < 100, "two hosts share no clock, and the bound of its error is published"
    # what crosses no slow link takes no time; what differs from that is the clocks', and within the bound
    assert 0 <= summary["metrics"]["delivery"]["p50"] <= error_ms + 25


@pytest.mark.usefixtures("able")
def test_a_run_whose_worker_was_cut_off_and_came_back_is_valid(tmp_path: Path) -> None:
    def during(here: Field) -> None:
        here.hosts.way(cut=[[MASTER, FIRST]])
        here.start_worker(LATE)
        here.await_told("A worker does not answer")
        here.hosts.way()
        here.await_told("is back")

    done, counted = play(tmp_path, run_s=14, during=during)
    summary = done.summary
    assert done.code == 0, done.output
    assert_exact(done, counted)
    assert (summary["connections"]["opened"], summary["connections"]["closed_by_plan"]) == (12, 0)
    assert summary["generator"]["workers"] == 2, "the one that came late has no users"
    assert "worker_away" in done.doubts("warning")


@pytest.mark.usefixtures("able")
def test_a_run_whose_worker_died_is_invalid_and_says_so(tmp_path: Path) -> None:
    def during(here: Field) -> None:
        here.hosts.way(cut=[[MASTER, FIRST]])  # its host is gone, and nobody says goodbye
        here.workers[FIRST].kill()

    done, _ = play(tmp_path, run_s=7, during=during)
    assert done.code == 4, done.output
    assert "worker_lost" in done.doubts("error")
    assert done.summary["connections"]["open_end"] == 6


@pytest.mark.timeout(300)
@pytest.mark.skipif("WPS_TEST_LONG" not in os.environ, reason="takes three minutes: WPS_TEST_LONG=1")
@pytest.mark.usefixtures("able")
def test_a_link_may_be_down_for_a_minute(tmp_path: Path) -> None:
    def during(here: Field) -> None:
        here.hosts.way(cut=[[MASTER, FIRST]])
        time.sleep(60)
        here.hosts.way()
        here.await_told("is back")

    done, counted = play(tmp_path, run_s=150, during=during)
    assert_exact(done, counted)
    assert "worker_away" in done.doubts("warning")
    assert done.doubts("error") <= {"send_lag"}, "the machine may be too busy for this test's own wire"
