"""Runs whose connections do not come about, or do not last: none of them may pass."""

from __future__ import annotations

import re
import signal
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from tests.integration.program import Finished, run, start, until
from wps_load.emulator.process import EmulatorProcess

KEY = "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789ABCDEFGH"


@contextmanager
def front_end(
    port: int,
    hangs: Callable[[int], bool],
    kept: list[socket.socket],
    passed: Callable[[int], None] = lambda size: None,
) -> Iterator[str]:
    """In front of an emulator: connection number n is passed on, or, if it `hangs`, accepted and never answered.

    Yields its connection string. What is passed on is in `kept`; `passed` gets each piece of data.
    """
    listener = socket.create_server(("127.0.0.1", 0), backlog=256)
    swallowed: list[socket.socket] = []

    def pump(source: socket.socket, sink: socket.socket) -> None:
        with suppress(OSError):
            while data := source.recv(65536):
                sink.sendall(data)
                passed(len(data))
        for each in (source, sink):
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)

    def accept() -> None:
        number = 0
        with suppress(OSError):
            while True:
                client, _ = listener.accept()
                number += 1
                if hangs(number):
                    swallowed.append(client)
                    continue
                server = socket.create_connection(("127.0.0.1", port))
                kept.append(client)
                threading.Thread(target=pump, args=(client, server), daemon=True).start()
                threading.Thread(target=pump, args=(server, client), daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    try:
        yield f"Endpoint=http://127.0.0.1:{listener.getsockname()[1]};AccessKey={KEY};"
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        for each in swallowed + kept:
            each.close()


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    with EmulatorProcess.start() as emulator:
        yield int(emulator.connection_string.split(";")[0].rpartition(":")[2])


def play(tmp_path: Path, target: str, *options: str) -> Finished:
    return run(
        tmp_path / "reports", "-u", "20", "-r", "100", "--wps-connection-string", target, "--exit-code-on-error", "0",
        "--wps-settle", "1s", "--wps-drain", "1s", *options,
    )  # fmt: skip


def test_attempts_that_hang_are_in_every_account(tmp_path: Path, port: int) -> None:
    with front_end(port, lambda number: number % 4 == 0, []) as target:
        done = play(
            tmp_path, target, "-t", "4s", "--wps-scenario", "idle",
            "--wps-slo", "connect p95 < 1m, connect p50 < 1m, connect fail_ratio < 1%, connected >= 99%",
        )  # fmt: skip
    assert done.code == 3, done.output
    assert [slo["verdict"] for slo in done.summary["slo"]] == ["no_data", "pass", "fail", "fail"]
    connections, row = done.summary["connections"], done.summary["metrics"]["connect"]
    assert (connections["opened"], connections["connecting"]) == (15, 5)
    assert done.failures["connect", "connect_unfinished"] == row["waited"] == row["failures"] == 5
    assert connections["open_mean"] == connections["open_end"] == 15
    assert connections["requested_mean"] == connections["requested_end"] == 20


def test_where_nothing_is_ever_answered_nothing_was_measured(tmp_path: Path, port: int) -> None:
    with front_end(port, lambda number: True, []) as target:
        done = play(tmp_path, target, "-t", "4s", "--wps-scenario", "churn", "--wps-slo", "connect p95 < 1m")
    assert done.code == 4, done.output
    assert done.doubts("error") == {"connections_failed"}
    assert done.summary["slo"][0]["verdict"] == "no_data"


def test_what_is_dropped_in_mid_run_and_not_let_in_again_is_missing_and_missed(tmp_path: Path, port: int) -> None:
    kept: list[socket.socket] = []
    shut = threading.Event()
    total = 0

    def drop_after_a_second_or_so(size: int) -> None:
        nonlocal total
        total += size
        if total < 20 * 5 * 20 * 2048 or shut.is_set():  # all hear all of them
            return
        shut.set()
        for each in kept[1:16]:  # the first one asked before the run
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)

    with front_end(port, lambda number: shut.is_set(), kept, drop_after_a_second_or_so) as target:
        done = play(
            tmp_path, target, "-t", "8s", "--processes", "2", "--wps-scenario", "big-group", "--wps-groups", "1",
            "--wps-publishers", "20", "--wps-rate", "5", "--wps-slo", "missed = 0, connected >= 99%",
        )  # fmt: skip
    assert done.code == 4, done.output
    summary = done.summary
    assert "connections_missing" in done.doubts("error")
    messages, connections = summary["messages"], summary["connections"]
    assert messages["missed"] > 0
    assert messages["expected"] + messages["missed"] == 20 * messages["published"]
    assert connections["open_end"] == 5
    assert 5 < connections["open_mean"] < 20
    assert [slo["verdict"] for slo in summary["slo"]] == ["fail", "fail"]
    assert f"Missed: {messages['missed']:,} deliveries" in done.output


def test_a_run_that_is_stopped_while_it_connects_has_measured_nothing(tmp_path: Path, port: int) -> None:
    options = ("--headless", "-u", "40", "-r", "2", "-t", "1m", "--wps-scenario", "idle", "--wps-slo", "none")
    kept: list[socket.socket] = []
    with (
        front_end(port, lambda number: False, kept) as target,
        start(tmp_path / "reports", *options, "--wps-connection-string", target) as program,
    ):
        until(lambda: len(kept) >= 3, "some are connected")
        program.signal(signal.SIGINT)
        done = program.finish()
    assert done.code == 4, done.output
    assert done.doubts("error") == {"not_measured"}
    assert done.summary["connections"]["requested_end"] == 40
    assert done.summary["connections"]["open_mean"] is None


FEW_FILES = """
import resource
from wps_load.swarm.users import ScenarioUser

resource.setrlimit(resource.RLIMIT_NOFILE, (200, 200))

class Load(ScenarioUser):
    abstract = False
"""


def test_exactly_as_many_connect_as_were_said_to_fit_before_the_run(tmp_path: Path) -> None:
    path = tmp_path / "few_files.py"
    path.write_text(FEW_FILES)
    done = run(tmp_path / "reports", "-u", "200", "-r", "400", "-t", "2s", "--wps-scenario", "idle", locustfile=path)
    said = re.search(
        r"^Before the run: 200 connections do not fit: this process holds (\d+) at most", done.output, re.M
    )
    assert said is not None, done.output
    assert done.summary["connections"]["opened"] == int(said[1])
