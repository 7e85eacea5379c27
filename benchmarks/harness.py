"""What the suites share: pinned processes, servers with counters, CPU time by the nanosecond, results."""

from __future__ import annotations

import contextlib
import mmap
import os
import shutil
import signal
import statistics
import struct
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from wps_load.auth import DEFAULT_EMULATOR_KEY
from wps_load.clock import NS_PER_S, now_ns
from wps_load.posix import raise_open_files

HERE = Path(__file__).parent
REPOSITORY = HERE.parent
PEERS = HERE / "peers"
CORES = sorted(os.sched_getaffinity(0))
GENERATOR_CORE = CORES[0]
SERVER_CORE = CORES[-1]
PINNED = len(CORES) > 1
PATIENCE = "spin" if PINNED else "sleep"
"""What a server of round trips does when it has nothing to do: see peers/echo_server.c."""
START_LIMIT_S = 60.0


class BenchError(Exception):
    """A contender did not do what it should; the text says what."""


@dataclass
class Row:
    """One figure of the table. `better`: "less" or "more"; `goal` in the row's own unit; `of`: the row it is
    compared with, as a ratio that is better when larger."""

    suite: str
    name: str
    unit: str
    samples: list[float] = field(default_factory=list)
    goal: float | None = None
    better: str = "less"
    note: str = ""

    @property
    def median(self) -> float:
        return statistics.median(self.samples)

    @property
    def reached(self) -> bool | None:
        """Whether the median keeps the goal; None without one."""
        if self.goal is None:
            return None
        return self.median <= self.goal if self.better == "less" else self.median >= self.goal


# -- processes -----------------------------------------------------------------------------------------------


def spawn(
    argv: Sequence[str], core: int, *, env: Mapping[str, str] | None = None, log: Path | None = None
) -> subprocess.Popen[bytes]:
    """Starts a program on one core; it inherits our affinity, so ours is set for a moment."""
    raise_open_files()
    output = subprocess.DEVNULL if log is None else log.open("wb")
    os.sched_setaffinity(0, {core})
    try:
        return subprocess.Popen(
            argv,
            cwd=REPOSITORY,
            env={**clean_environment(), **(env or {})},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    finally:
        os.sched_setaffinity(0, set(CORES))


def clean_environment() -> dict[str, str]:
    """Ours, without what would change a run or point it at a paid service."""
    return {
        name: value
        for name, value in os.environ.items()
        if not name.startswith("LOCUST_") and name != "WebPubSubConnectionString"
    }


def end(process: subprocess.Popen[bytes]) -> None:
    if process.poll() is None:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def cpu_ns(pid: int) -> int:
    """CPU time of all threads of a process so far. The clock's id is as clock_getcpuclockid(3) makes it."""
    return time.clock_gettime_ns((~pid << 3) | 2)


def rss_bytes(pid: int) -> int:
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


# -- servers -------------------------------------------------------------------------------------------------


@dataclass
class Server:
    """A peer to talk to. `counters` are written by it: [messages, connections]."""

    port: int
    process: subprocess.Popen[bytes]
    counters: mmap.mmap
    tls: Path | None = None

    @property
    def messages(self) -> int:
        return int(struct.unpack_from("Q", self.counters, 0)[0])

    @property
    def connections(self) -> int:
        return int(struct.unpack_from("Q", self.counters, 8)[0])

    @property
    def url(self) -> str:
        return f"{'ws' if self.tls is None else 'wss'}://127.0.0.1:{self.port}/client/hubs/bench"

    @property
    def connection_string(self) -> str:
        scheme = "http" if self.tls is None else "https"
        endpoint = f"{scheme}://127.0.0.1:{self.port}"
        return f"Endpoint={endpoint};AccessKey={DEFAULT_EMULATOR_KEY};Version=1.0;"

    def await_connections(self, count: int, client: subprocess.Popen[bytes]) -> None:
        deadline = time.monotonic() + START_LIMIT_S
        while self.connections < count:
            if client.poll() is not None:
                raise BenchError(f"a client ended with {client.returncode} before it was connected: {client.args!r}")
            if time.monotonic() > deadline:
                raise BenchError(f"{self.connections} of {count} connections after {START_LIMIT_S:.0f} s")
            time.sleep(0.01)

    def await_nobody(self) -> None:
        deadline = time.monotonic() + 10
        while self.connections and time.monotonic() < deadline:
            time.sleep(0.01)


def compiler() -> str | None:
    return shutil.which("cc") or shutil.which("gcc") or shutil.which("clang")


def compiled(name: str, folder: Path) -> Path:
    """A peer in C, built. Raises BenchError when there is no compiler or it fails."""
    program = folder / name
    if not program.exists():
        cc = compiler()
        if cc is None:
            raise BenchError("no C compiler")
        subprocess.run([cc, "-O2", "-o", str(program), str(PEERS / f"{name}.c")], check=True)
    return program


@contextlib.contextmanager
def server(argv: Sequence[str], folder: Path, tls: Path | None = None) -> Iterator[Server]:
    """A server that takes its counters' file as an argument and prints its port."""
    counters_file = folder / "counters"
    counters_file.write_bytes(b"\0" * 16)
    log = folder / "server.log"
    process = spawn(argv, SERVER_CORE, log=log)
    try:
        with counters_file.open("r+b") as file:
            counters = mmap.mmap(file.fileno(), 16)
        yield Server(_port(process, log), process, counters, tls)
    finally:
        end(process)


def _port(process: subprocess.Popen[bytes], log: Path) -> int:
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline and process.poll() is None:
        if (text := log.read_text()).endswith("\n"):
            return int(text)
        time.sleep(0.01)
    raise BenchError(f"the server did not start: {log.read_text()}")


def echo_server(folder: Path) -> contextlib.AbstractContextManager[Server]:
    """The one in C where there is a compiler, else the one in Python."""
    try:
        program = compiled("echo_server", folder)
    except BenchError:
        return group_server(folder, patience=PATIENCE)
    return server([str(program), str(folder / "counters"), PATIENCE], folder)


def group_server(
    folder: Path, tls: Path | None = None, *, patience: str = "sleep"
) -> contextlib.AbstractContextManager[Server]:
    argv = [sys.executable, "-m", "benchmarks.peers.fan_out_server", str(folder / "counters"), patience]
    if tls is not None:
        argv += [str(tls / "cert.pem"), str(tls / "key.pem")]
    return server(argv, folder, tls)


def certificate(folder: Path) -> Path:
    """Makes a CA and a certificate for the loopback address; the folder with ca.pem, cert.pem and key.pem."""
    import trustme

    authority = trustme.CA()
    issued = authority.issue_cert("127.0.0.1", "localhost")
    authority.cert_pem.write_to_path(str(folder / "ca.pem"))
    issued.private_key_pem.write_to_path(str(folder / "key.pem"))
    for at, pem in enumerate(issued.cert_chain_pems):
        pem.write_to_path(str(folder / "cert.pem"), append=at > 0)
    return folder


# -- measuring -----------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Window:
    """What a client did between two instants."""

    messages: int
    cpu_ns: int
    wall_ns: int

    @property
    def cpu_us_each(self) -> float:
        return self.cpu_ns / 1000 / self.messages

    @property
    def per_s(self) -> float:
        return self.messages * NS_PER_S / self.wall_ns

    @property
    def busy(self) -> float:
        return self.cpu_ns / self.wall_ns


QUIET = 0.9
"""A client that has as much to do as it can had less of its core than this: somebody else was busy."""
TRIES = 5


def window_of(peer: Server, client: subprocess.Popen[bytes], settle_s: float, window_s: float) -> Window:
    """Messages that passed the server, and the client's CPU for them, once it has settled."""
    time.sleep(settle_s)
    began, messages, spent = now_ns(), peer.messages, cpu_ns(client.pid)
    time.sleep(window_s)
    took, passed, used = now_ns() - began, peer.messages - messages, cpu_ns(client.pid) - spent
    if client.poll() is not None or not passed:
        raise BenchError(f"nothing was measured: the client's state is {client.returncode}")
    return Window(passed, used, took)


def quietest(peer: Server, client: subprocess.Popen[bytes], settle_s: float, window_s: float) -> Window:
    """As `window_of`; one in which somebody else was busy is measured again, some times."""
    best = window_of(peer, client, settle_s, window_s)
    for _ in range(TRIES - 1):
        if not PINNED or best.busy >= QUIET:
            break
        best = max(best, window_of(peer, client, 0, window_s), key=lambda window: window.busy)
    return best
