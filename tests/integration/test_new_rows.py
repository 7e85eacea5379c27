"""The promise of CONTRIBUTING.md: a subprotocol, a scenario, a fault, a report format and an option are rows.

A copy of the package gets a row (and what the row names) in each table, no other file is touched, and the whole program
runs with all five.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.integration.program import LIMIT_S, ROOT, clean_environment

ROWS = {
    "protocol/traits.py": [
        ("TRAITS: Mapping", 'TOY = _json("toy", "json.webpubsub.example.v1")\n\nTRAITS: Mapping'),
        ("PROTOBUF_RELIABLE, MQTT, MQTT5)", "PROTOBUF_RELIABLE, MQTT, MQTT5, TOY)"),
    ],
    "protocol/codecs.py": [
        ("            _json(JSON),\n", "            _json(JSON),\n            _json(TOY),\n"),
        ("    SIMPLE,\n    Frames,", "    SIMPLE,\n    TOY,\n    Frames,"),
    ],
    "emulator/subprotocols.py": [
        ("import JSON, JSON_RELIABLE\n", "import JSON, JSON_RELIABLE, JsonWire\n"),
        ("from wps_load.emulator.wires", "from wps_load.protocol.traits import TOY\nfrom wps_load.emulator.wires"),
        ("(SIMPLE, JSON,", "(JsonWire(TOY), SIMPLE, JSON,"),
    ],
    "workload/scenarios.py": [
        (
            "SCENARIOS: dict[str, Scenario] = {\n    row.name: row\n    for row in (\n",
            "SCENARIOS: dict[str, Scenario] = {\n    row.name: row\n    for row in (\n"
            '        Scenario("toy", Topology.OWN, PROTOCOLS, _OWN_METRICS, publishers=_ALL, slo=_RTT_SLO),\n',
        )
    ],
    "workload/faults.py": [
        ("FAULTS: dict", 'class Toy(Delay):\n    name = "toy"\n\n\nFAULTS: dict'),
        ("        Delay,\n", "        Delay,\n        Toy,\n"),
    ],
    "settings/options.py": [
        (
            "OPTIONS: tuple[Option, ...] = (\n",
            "OPTIONS: tuple[Option, ...] = (\n"
            '    Option("--wps-toy", "toy_ns", "5s", "how long the toy lasts", duration_ns, shapes=True),\n',
        )
    ],
    "settings/run_config.py": [("    no_echo: bool\n", "    no_echo: bool\n    toy_ns: int\n")],
    "report/files.py": [
        (
            '    "report.html": html.pieces,\n',
            '    "report.html": html.pieces,\n    "toy.txt": lambda summary, *_: [summary["verdict"].encode()],\n',
        )
    ],
}
"""By file: what stands there, and what stands there with the row."""


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a run with all five."""
    home = tmp_path_factory.mktemp("copy")
    shutil.copytree(ROOT / "wps_load", home / "wps_load", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "locustfile.py", home)
    for name, changes in ROWS.items():
        file = home / "wps_load" / name
        text = file.read_text()
        for before, after in changes:
            assert text.count(before) == 1, f"{name} has changed, and so has the recipe: {before!r}"
            text = text.replace(before, after)
        file.write_text(text)
    options = "--headless -u 4 -r 10 -t 4s --wps-rate 10 --wps-scenario toy --wps-protocol toy --wps-toy 7s"
    done = subprocess.run(
        [
            *(sys.executable, "-m", "locust", "-f", "locustfile.py", *options.split()),
            *("--wps-emulator-faults", "toy=60ms", "--wps-report-dir", "reports"),
        ],
        cwd=home, env={**clean_environment(), "PYTHONPATH": str(home) + os.pathsep},
        capture_output=True, text=True, timeout=LIMIT_S, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    (folder,) = (path for path in (home / "reports").iterdir() if path.is_dir())
    return folder


def test_a_subprotocol_and_a_scenario_are_rows(finished: Path) -> None:
    summary = json.loads((finished / "summary.json").read_text())
    assert (summary["run"]["scenario"], summary["run"]["protocol"]) == ("toy", "toy")
    assert summary["messages"]["published"] > 0
    assert summary["messages"]["delivered"] == summary["messages"]["published"]


def test_a_fault_is_a_class_and_a_row(finished: Path) -> None:
    summary = json.loads((finished / "summary.json").read_text())
    assert summary["metrics"]["rtt"]["min"] >= 60


def test_a_report_format_is_a_row(finished: Path) -> None:
    assert (finished / "toy.txt").read_text() == "pass"


def test_an_option_is_a_row_and_a_field(finished: Path) -> None:
    summary = json.loads((finished / "summary.json").read_text())
    assert summary["run"]["settings"]["wps-toy"] == "7s"


def test_the_recipes_name_these_files() -> None:
    recipes = (ROOT / "CONTRIBUTING.md").read_text()
    assert [name for name in ROWS if f"`{name}`" not in recipes] == []
