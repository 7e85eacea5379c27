"""The pages on scale say what the code computes, and the probe runs where it is meant to."""

from __future__ import annotations

import ast
import json
import shlex
import subprocess
import sys

import pytest
import yaml

from tests.deploy.kit_files import DEPLOY, ROOT
from tests.integration.program import clean_environment
from wps_load.capacity.machines import (
    CONNECT_CPU_MS,
    CONNECTION_BYTES,
    CPU_SHARE,
    NAT_CONNECTIONS,
    PROCESS_BYTES,
    TLS_PROCESS_BYTES,
    USUAL_PORTS,
    USUAL_TRACKED,
    VM_CONNECTIONS,
    walls,
)
from wps_load.cli import COMMANDS
from wps_load.machine import RESERVED_FILES, Machine
from wps_load.settings.options import BY_FLAG

PAGE = ROOT / "docs" / "scale.md"
PROBE = DEPLOY / "azure-load-testing" / "probe.py"
TEXT = PAGE.read_text("utf-8")


@pytest.mark.parametrize(
    "figure",
    [f"**{each:,}**" for each in (USUAL_PORTS, NAT_CONNECTIONS, USUAL_TRACKED, VM_CONNECTIONS)]
    + [
        f"{CONNECTION_BYTES / 1000:.0f} KB",
        f"{PROCESS_BYTES / 1000:.1f} KB",
        f"{TLS_PROCESS_BYTES / 1000:.0f} KB",
        f"{CONNECT_CPU_MS:.1f} ms",
    ]
    + [f"**{CPU_SHARE:.0%}**".replace("%", " %"), f"(limit - {RESERVED_FILES}) x processes"],
)
def test_its_figures_are_those_that_plan_and_doctor_compute_with(figure: str) -> None:
    assert figure in TEXT


def test_the_example_of_the_arithmetic_is_right() -> None:
    machine = Machine(
        processes=8, files=1_048_576, ports=28_232, tracked=131_072, memory_bytes=32_000_000_000, cores=8.0
    )
    found = {wall.name: wall.connections for wall in walls(machine, cpu_us_per_s=50.0)}
    assert min(found, key=lambda name: found[name]) == "local ports"
    assert found["open files"] == (1_048_576 - 100) * 8
    assert (round(found["memory"], -3), found["CPU"]) == (351_000, 80_000)
    for shown in ("= **28,232** |", "= 8.3 million |", "= 351,000 |", "= 80,000 |"):
        assert shown in TEXT


def commands() -> list[list[str]]:
    """The lines of wps-load that the page shows."""
    found = []
    for block in TEXT.split("```")[1::2]:
        for line in block.replace("\\\n", " ").splitlines():
            words = shlex.split(line, comments=True)
            if words and words[0].endswith("$"):
                words = words[1:]
            if words[:1] == ["wps-load"]:
                found.append(words)
    return found


def test_the_commands_that_it_shows_exist() -> None:
    assert len(commands()) >= 4
    for words in commands():
        assert words[1] in COMMANDS, words
        for word in words:
            assert not word.startswith("--wps-") or word in BY_FLAG, words


def test_the_probe_is_python_3_9() -> None:
    ast.parse(PROBE.read_text(), feature_version=(3, 9))


def test_its_configuration_has_the_keys_of_azure_load_testing() -> None:
    document = yaml.safe_load((PROBE.parent / "probe.yaml").read_text())
    assert set(document) == {
        "version", "testId", "displayName", "description", "testType", "testPlan", "engineInstances", "env",
    }  # fmt: skip
    assert (document["version"], document["testType"], document["testPlan"]) == ("v0.1", "Locust", PROBE.name)
    assert 2 <= len(document["testId"]) <= 50
    assert len(document["description"]) <= 100


@pytest.mark.program
def test_the_probe_says_what_it_runs_on() -> None:
    argv = [sys.executable, "-m", "locust", "-f", str(PROBE), "--headless", "-u", "1", "-t", "3s", "--json"]
    done = subprocess.run(argv, env=clean_environment(), capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    sentence, verdict = (row["name"] for row in json.loads(done.stdout))
    assert sentence.startswith(f"Python {sys.version.split()[0]}, Locust ")
    assert verdict == "wps-load can be installed here"
    assert f"WARNING/root: {sentence}: {verdict}" in done.stderr
