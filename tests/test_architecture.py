"""The arrows of docs/architecture.md, held against the imports of the source."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "wps_load"
MODULES = sorted(path for path in PACKAGE.rglob("*.py") if not path.name.endswith("_pb2.py"))

PURE = {
    "errors", "clock", "auth", "protocol", "measure", "workload", "config", "options", "config_rules", "target", "urls",
}  # fmt: skip
ALLOWED = {
    "errors": set(),
    "clock": set(),
    "urls": set(),
    "auth": {"errors", "clock", "urls"},
    "protocol": {"errors"},
    "workload": {"errors"},
    "measure": {"errors", "clock"},
    # the options judge their texts with the grammars of these pure rooms, the emulator's faults among them
    "config": {"errors", "auth", "measure", "workload", "emulator", "options", "config_rules", "target", "urls"},
    "options": {"errors", "auth", "measure", "workload", "emulator", "urls"},
    "config_rules": {"errors", "auth", "measure", "workload", "emulator", "options", "config", "target"},
    "target": {"errors", "auth", "options", "urls"},
    "client": {"errors", "clock", "auth", "protocol", "measure", "workload", "config", "options", "target", "urls"},
    "capacity": {"errors", "clock", "measure", "workload", "config", "target"},
    "report": {"errors", "clock", "measure", "config", "workload", "capacity"},
    "emulator": {"errors", "clock", "auth", "protocol"},
}


def room(module: str) -> str:
    return module.split(".")[1] if "." in module else "wps_load"


def imports(path: Path) -> Iterator[str]:
    """Every module of this package that a file imports, in type-checking blocks too."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
            if node.module == "wps_load":
                yield from (f"wps_load.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)


def room_of(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_arrows_go_one_way(path: Path) -> None:
    here = room_of(path)
    targets = {room(name) for name in imports(path) if name.startswith("wps_load.")} - {here}
    if here in ALLOWED:
        assert targets <= ALLOWED[here], f"{here} may not import {targets - ALLOWED[here]}"


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_only_swarm_knows_locust(path: Path) -> None:
    if room_of(path) != "swarm":
        assert not [name for name in imports(path) if name.split(".")[0] == "locust"]


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_protocol_and_measure_know_no_sockets_and_no_gevent(path: Path) -> None:
    if room_of(path) in PURE:
        foreign = {name.split(".")[0] for name in imports(path)} & {"socket", "gevent", "locust", "asyncio", "aiohttp"}
        assert not foreign


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_only_clock_reads_the_time(path: Path) -> None:
    # the emulator's launcher may run in a patched process and imports nothing of ours
    if path == PACKAGE / "clock.py" or path == PACKAGE / "emulator" / "process.py":
        return
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            read = f"{node.value.id}.{node.attr}"
            assert read not in {
                "time.time", "time.time_ns", "time.monotonic", "time.monotonic_ns", "time.perf_counter",
                "time.perf_counter_ns", "datetime.now", "datetime.utcnow",
            }, f"line {node.lineno} reads the time"  # fmt: skip


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_no_module_is_too_long(path: Path) -> None:
    assert len(path.read_text().splitlines()) <= 400
