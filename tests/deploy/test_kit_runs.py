"""The commands of the image, the compose file and the operator, read from these files, as processes of this machine."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.deploy.kit_files import DEPLOY, ROOT, documents, entrypoint, services
from tests.integration.program import LIMIT_S, clean_environment, until
from tests.ports import free_port
from wps_load.auth import DEFAULT_EMULATOR_KEY

pytestmark = pytest.mark.program

BIN = Path(sys.executable).parent
LOAD = {"USERS": "20", "RATE": "20", "RUN_TIME": "4s", "WORKERS": "2"}


@contextmanager
def started(argv: Sequence[str], folder: Path, log: Path, environment: Mapping[str, str]) -> Iterator[Any]:
    """`argv` as the image would start it: in its folder, with its PATH."""
    with log.open("w") as out:
        process = subprocess.Popen(
            argv, stdout=out, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL, text=True, cwd=folder,
            env={**clean_environment(), "PATH": f"{BIN}:{os.environ['PATH']}", **environment}, start_new_session=True,
        )  # fmt: skip
    try:
        yield process
    finally:
        if process.poll() is None:
            process.terminate()
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


@pytest.fixture
def image(tmp_path: Path) -> Path:
    """What the image has in its folder: what `wps-load init .` writes."""
    folder = tmp_path / "home"
    folder.mkdir()
    done = subprocess.run(
        [BIN / "wps-load", "init", "."],
        cwd=folder,
        env=clean_environment(),
        capture_output=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return folder


def test_the_compose_file_runs_a_load(image: Path, tmp_path: Path) -> None:
    emulator_port, master_port = str(free_port()), str(free_port())
    found, program = services(**LOAD), entrypoint("wps-load")

    def here(words: Sequence[str]) -> list[str]:
        """On one host the services' names are loopback, and ports that are free stand for theirs."""
        place = {"8080": emulator_port, "0.0.0.0": "127.0.0.1", "--master-host=master": "--master-host=127.0.0.1"}
        return [place.get(word, word) for word in words]

    def environment(name: str) -> dict[str, str]:
        return {
            key: text.replace("emulator:8080", f"127.0.0.1:{emulator_port}")
            for key, text in found[name].get("environment", {}).items()
        }

    with ExitStack() as stack:
        emulator = here([*program, *found["emulator"]["command"]])
        stack.enter_context(started(emulator, image, tmp_path / "emulator.log", {}))
        until(lambda: listens(int(emulator_port)), "the emulator listens", LIMIT_S)
        workers = []
        for number in range(int(found["worker"]["deploy"]["replicas"])):
            argv = [*program, *here(found["worker"]["command"]), "--master-port", master_port]
            log = tmp_path / f"worker{number}.log"
            workers.append(stack.enter_context(started(argv, image, log, environment("worker"))))
        log = tmp_path / "master.log"
        argv = [*program, *here(found["master"]["command"]), "--master-bind-port", master_port]
        master = stack.enter_context(started(argv, image, log, environment("master")))
        code = master.wait(LIMIT_S)
        ends = [worker.wait(LIMIT_S) for worker in workers]
    assert (code, ends) == (0, [0, 0]), log.read_text()
    (summary,) = (image / "reports").glob("*/summary.json")
    document = json.loads(summary.read_text())
    assert document["connections"]["opened"] == 20
    assert document["messages"]["delivered"] == document["messages"]["expected"] > 0
    assert len(document["workers"]) == 2
    assert DEFAULT_EMULATOR_KEY not in log.read_text() + summary.read_text()


def test_the_operators_arguments_run_a_load(image: Path, tmp_path: Path) -> None:
    """As `internal/resources/command.go` of the operator makes them, on the image's target `operator`."""
    spec = documents(DEPLOY / "kubernetes/locusttest.yaml")[0]["spec"]
    script = DEPLOY / "without_rebalancing.py"
    program = [str(script) if word.endswith(script.name) else word for word in entrypoint("operator")]
    port, page = str(free_port()), str(free_port())
    load = ["--wps-scenario=echo", "--users=10", "--spawn-rate=10", "--run-time=4s", "--web-port", page]
    target = f"Endpoint=http://127.0.0.1:{free_port()};AccessKey={DEFAULT_EMULATOR_KEY};Version=1.0;"
    environment = {"WebPubSubConnectionString": target}
    emulator = [BIN / "wps-load", "emulator", "--port", target.partition(";")[0].rpartition(":")[2]]
    master = [
        *program, *spec["master"]["command"].split(), "--master", f"--master-port={port}", "--expect-workers=1",
        "--autostart", "--autoquit", "0", "--enable-rebalancing", "--only-summary", *load, "--master-bind-port", port,
    ]  # fmt: skip
    worker = [
        *program, *spec["worker"]["command"].split(), "--worker", f"--master-port={port}", "--master-host=127.0.0.1",
    ]  # fmt: skip
    with ExitStack() as stack:
        stack.enter_context(started([str(word) for word in emulator], ROOT, tmp_path / "emulator.log", {}))
        until(lambda: listens(int(target.partition(";")[0].rpartition(":")[2])), "the emulator listens", LIMIT_S)
        stack.enter_context(started(worker, image, tmp_path / "worker.log", environment))
        process = stack.enter_context(started(master, image, tmp_path / "master.log", environment))
        code = process.wait(LIMIT_S)
    assert code == 0, (tmp_path / "master.log").read_text()
    (summary,) = (image / "reports").glob("*/summary.json")
    document = json.loads(summary.read_text())
    assert (document["connections"]["opened"], document["verdict"]) == (10, "pass")
