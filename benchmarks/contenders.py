"""The clients that are compared: ours, the stock user, k6, and the floor in C. Each starts one process."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.harness import (
    GENERATOR_CORE,
    PEERS,
    REPOSITORY,
    BenchError,
    Server,
    compiled,
    spawn,
)

BIN = Path(sys.executable).parent
DATA_BYTES = 128


@dataclass(frozen=True)
class Load:
    """`run_s`: what the client is told how long to run, connecting included."""

    connections: int
    run_s: int


Start = Callable[[Server, Load, Path], "subprocess.Popen[bytes]"]


def locust(server: Server, arguments: list[str], folder: Path) -> subprocess.Popen[bytes]:
    """Our product, headless. The connection string goes by the environment, as it holds a key."""
    shutil.rmtree(folder / "reports", ignore_errors=True)
    argv = [str(BIN / "locust"), "-f", str(REPOSITORY / "locustfile.py"), "--headless", "--only-summary"]
    argv += ["--wps-report-dir", str(folder / "reports"), "--wps-slo", "none", "--wps-payload", f"{DATA_BYTES}B"]
    if server.tls is not None:
        argv += ["--wps-ca-file", str(server.tls / "ca.pem")]
    env = {"LOCUST_WPS_CONNECTION_STRING": server.connection_string}
    return spawn([*argv, *arguments], GENERATOR_CORE, env=env, log=folder / "locust.log")


def finished(process: subprocess.Popen[bytes], folder: Path) -> dict[str, Any]:
    """Ends a run of ours, which drains and reports, and checks its summary."""
    process.terminate()
    return summary(process, folder)


def summary(process: subprocess.Popen[bytes], folder: Path, *, lossless: bool = True) -> dict[str, Any]:
    """Waits for a run of ours and reads its summary. Raises BenchError if the run was not clean: a figure of
    a run that lost messages is worth nothing."""
    process.wait(120)
    found = list((folder / "reports").glob("*/summary.json"))
    if not found:
        raise BenchError(f"the run left no summary: {(folder / 'locust.log').read_text()[-2000:]}")
    content: dict[str, Any] = json.loads(found[0].read_text())
    messages = content["messages"]
    if lossless and (messages["lost"] or messages["duplicated"] or messages["reordered"]):
        raise BenchError(f"the run was not clean: {messages}")
    return content


def ours(server: Server, load: Load, folder: Path) -> subprocess.Popen[bytes]:
    spread = ["-u", str(load.connections), "-r", str(load.connections), "-t", f"{load.run_s}s"]
    return locust(server, [*spread, "--wps-rate", "max", "--wps-drain", "60s"], folder)


def tuned_stock(server: Server, load: Load, folder: Path) -> subprocess.Popen[bytes]:
    return stock(server, load, folder, tuned=True)


def stock(server: Server, load: Load, folder: Path, *, tuned: bool = False) -> subprocess.Popen[bytes]:
    env = {"STOCK_URL": server.url, "STOCK_DATA_BYTES": str(DATA_BYTES)}
    if tuned:
        env["STOCK_TUNED"] = "1"
    if server.tls is not None:
        env["STOCK_CA_FILE"] = str(server.tls / "ca.pem")
    argv = [str(BIN / "locust"), "-f", str(PEERS / "stock_locustfile.py"), "--headless", "--only-summary"]
    argv += ["-u", str(load.connections), "-r", str(load.connections), "-t", f"{load.run_s}s"]
    return spawn(argv, GENERATOR_CORE, env=env, log=folder / "stock.log")


def k6(server: Server, load: Load, folder: Path) -> subprocess.Popen[bytes]:
    program = k6_program()
    assert program is not None
    variables = {
        "URL": server.url,
        "CONNECTIONS": load.connections,
        "SECONDS": load.run_s,
        "DATA_BYTES": DATA_BYTES,
    }
    argv = [program, "run", "--quiet", "--no-usage-report"]
    for name, value in variables.items():
        argv += ["-e", f"{name}={value}"]
    return spawn([*argv, str(PEERS / "k6_echo.js")], GENERATOR_CORE, env={"GOMAXPROCS": "1"}, log=folder / "k6.log")


def k6_program() -> str | None:
    """From the optional extra `bench`, or from the machine."""
    own = BIN / "k6"
    return str(own) if own.exists() else shutil.which("k6")


def floor(server: Server, load: Load, folder: Path) -> subprocess.Popen[bytes]:
    return floor_at(server.port, "/client/hubs/bench", load.connections, 1, folder, patience="sleep")


def floor_at(
    port: int, path: str, connections: int, group_size: int, folder: Path, *, patience: str
) -> subprocess.Popen[bytes]:
    argv = [compiled("floor_client", folder), port, path, connections, group_size, DATA_BYTES]
    argv.append(patience)
    return spawn([str(part) for part in argv], GENERATOR_CORE, log=folder / "floor.log")
