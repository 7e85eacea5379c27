"""A stranger says that it is a worker, and looks at every byte that the master sends; another one reads the page."""

from __future__ import annotations

import secrets
import subprocess
import sys
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path

import msgpack
import psutil
import pytest

from tests.integration.program import clean_environment, start, until
from tests.ports import free_port
from wps_load.auth import ConnectionString

PAGES = (
    "/", "/stats/requests", "/stats/report", "/stats/report?download=1", "/stats/requests/csv", "/stats/failures/csv",
    "/exceptions", "/exceptions/csv", "/tasks", "/logs", "/worker-count", "/login",
    "/wps", "/wps/data", "/wps/report/summary.json", "/wps/report/settings.json", "/wps/report/report.html",
)  # fmt: skip


@pytest.fixture(scope="module")
def connection() -> Iterator[str]:
    """Of an emulator with a key that is nobody else's."""
    key = secrets.token_urlsafe(32)
    process = subprocess.Popen(
        [sys.executable, "-m", "wps_load.emulator", "--port", "0", f"--access-key={key}", "--exit-with-stdin"],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=clean_environment(),
    )  # fmt: skip
    assert process.stdin is not None
    assert process.stdout is not None
    yield process.stdout.readline().removeprefix("Connection string: ").strip()
    process.stdin.close()
    process.wait(10)


class Stranger:
    """`stranger.py`, and what it has heard."""

    def __init__(self, port: int, log: Path, *, answers: str = "silent") -> None:
        self._log = log
        program = str(Path(__file__).with_name("stranger.py"))
        command = [sys.executable, program, str(port), version("locust"), answers]
        self._process = subprocess.Popen(command, stdout=log.open("w"))

    def heard(self) -> list[bytes]:
        return [bytes.fromhex(line) for line in self._log.read_text().split("\n")[:-1]]

    def kinds(self) -> set[str]:
        return {msgpack.loads(each)[0] for each in self.heard()}

    def __enter__(self) -> Stranger:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.wait()


@contextmanager
def worker(port: int, log: Path, **environment: str) -> Iterator[subprocess.Popen[str]]:
    with log.open("w") as out:
        process = subprocess.Popen(
            [sys.executable, "-m", "locust", "-f", "locustfile.py", "--worker", "--master-port", str(port)],
            stdin=subprocess.DEVNULL, stdout=out, stderr=subprocess.STDOUT, text=True, cwd=Path(__file__).parents[2],
            env={**clean_environment(), **environment},
        )  # fmt: skip
    try:
        yield process
        process.wait(30)
    finally:
        process.kill()
        process.wait()


def read(address: str, form: bytes | None = None) -> bytes:
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(address, form, timeout=10) as answer:
            body: bytes = answer.read()
            return body
    except urllib.error.HTTPError as error:
        return error.read()


def test_neither_the_masters_port_nor_its_page_gives_the_key_away(connection: str, tmp_path: Path) -> None:
    port, web_port = free_port(), free_port()
    key = ConnectionString.parse(connection).access_key.encode()
    master = (
        "--master", "--master-bind-host", "127.0.0.1", "--master-bind-port", str(port), "--expect-workers", "1",
        "--autostart", "--autoquit", "3", "--web-host", "127.0.0.1", "--web-port", str(web_port),
        "-u", "4", "-r", "4", "-t", "4s", "--wps-drain", "1s", "--html", str(tmp_path / "locust.html"),
    )  # fmt: skip
    environment = {"LOCUST_WPS_CONNECTION_STRING": connection}
    with (
        start(tmp_path / "reports", *master, environment=environment) as program,
        worker(port, tmp_path / "worker.log", WebPubSubConnectionString=connection),
    ):
        program.await_output("All users spawned")
        with Stranger(port, tmp_path / "heard", answers="fit") as stranger:
            until(lambda: "wps_rehearse" in stranger.kinds(), "the stranger is one of the workers")
            more = urllib.parse.urlencode({"user_count": 6, "spawn_rate": 4}).encode()
            assert b'"success": true' in read(f"http://127.0.0.1:{web_port}/swarm", more).replace(b'":t', b'": t')
            until(lambda: "spawn" in stranger.kinds(), "the stranger is given users")
            pages = _pages(web_port)
            program.await_output("Report: ")
            pages += _pages(web_port)
            finished = program.finish()

    heard = b"\n".join(stranger.heard())
    assert finished.summary["connections"]["opened"] > 0, "the worker had a key of its own"
    assert {"ack", "spawn", "locustfile"} <= stranger.kinds()
    assert b"wps_scenario" in heard
    assert b"Web PubSub" in pages
    texts = [path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()]
    assert len(texts) > 5
    for text in (heard, pages, *texts):
        assert key not in text
    assert b"AccessKey=" not in heard + pages


def _pages(port: int) -> bytes:
    return b"\n".join(read(f"http://127.0.0.1:{port}{path}") for path in PAGES)


def test_neither_a_worker_without_the_secret_nor_a_stranger_begins_a_run(connection: str, tmp_path: Path) -> None:
    port = free_port()
    options = ("--headless", "--master", "--master-bind-port", str(port), "--expect-workers", "2", "-t", "20s")
    environment = {"WebPubSubConnectionString": connection}
    with (
        start(tmp_path / "reports", *options, environment=environment) as program,
        worker(port, tmp_path / "worker.log"),
    ):
        program.await_output("Target: ")
        with Stranger(port, tmp_path / "heard") as stranger:
            finished = program.finish()
    assert finished.code == 2, finished.output
    assert finished.folder is None
    said = (tmp_path / "worker.log").read_text()
    for text in (finished.output, said):
        assert "--wps-connection-string: this worker has none" in text
        assert "Traceback" not in text
    assert "worker stranger does not answer as a worker of wps-load does" in finished.output
    assert "spawn" not in stranger.kinds()
    assert ConnectionString.parse(connection).access_key.encode() not in b"\n".join(stranger.heard())


def test_two_runs_with_processes_on_one_host_do_not_meet(tmp_path: Path) -> None:
    options = ("--processes", "2", "-u", "4", "-r", "4", "--wps-drain", "1s")
    with (
        start(tmp_path / "killed", "--headless", "-t", "30s", *options) as killed,
        start(tmp_path / "reports", "--headless", "-t", "5s", *options) as program,
    ):
        for each in (killed, program):
            until(lambda each=each: "All users spawned" in each.output, "both runs")  # type: ignore[misc]
        listening = [
            connection.laddr.ip
            for connection in psutil.Process(program.process.pid).net_connections("tcp")
            if connection.status == psutil.CONN_LISTEN
        ]
        children = psutil.Process(killed.process.pid).children()
        orphans = [child for child in children if "wps_load.emulator" not in child.cmdline()]
        killed.process.kill()
        killed.process.wait()
        gone, alive = psutil.wait_procs(orphans, 5)
        finished = program.finish()
    assert listening == ["127.0.0.1"]
    assert (len(gone), alive) == (2, [])
    assert finished.code == 0, finished.output
    assert finished.summary["generator"]["workers"] == 2
    for each in (killed, program):
        assert "2 workers connected" in each.output
        assert "3 workers connected" not in each.output
