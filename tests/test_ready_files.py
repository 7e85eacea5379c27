"""The configurations in configs/: right, complete, and the load that they say."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import configargparse  # type: ignore[import-untyped]
import pytest

from wps_load.config import load
from wps_load.options import OPTIONS
from wps_load.workload.population import layout, publisher_count
from wps_load.workload.scenarios import SCENARIOS

CONFIGS = sorted((Path(__file__).parent.parent / "configs").glob("*.conf"))
LOCUST_KEYS = {"locustfile", "headless", "users", "spawn-rate", "run-time", "exit-code-on-error"}


def ready_file(path: Path) -> dict[str, Any]:
    with path.open() as file:
        return dict(configargparse.DefaultConfigFileParser().parse(file))


def seconds(text: str) -> int:
    return int(text[:-1]) * {"s": 1, "m": 60}[text[-1]]


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.stem)
def test_ready_files_are_right(path: Path) -> None:
    values = ready_file(path)
    assert set(values) <= LOCUST_KEYS | {option.key for option in OPTIONS}
    config = load(
        {key.replace("-", "_"): value for key, value in values.items()},
        users=int(values["users"]),
        spawn_rate=float(values["spawn-rate"]),
        environ={},
        run_time_s=seconds(values["run-time"]),
    )
    assert config.target.is_emulator
    assert path.read_text().startswith("# ")


def test_every_scenario_has_a_ready_file() -> None:
    assert {ready_file(path)["wps-scenario"] for path in CONFIGS} == set(SCENARIOS)
    assert {"smoke", "ci", "capacity"} <= {path.stem for path in CONFIGS}


@pytest.mark.parametrize(
    ("name", "inbound_per_s", "outbound_per_s"),
    [
        ("small-group", 200, 2000),
        ("big-group", 30, 3000),
        ("upstream", 500, 500),
        ("broadcast", 3, 3000),
        ("send-to-user", 180, 180),
    ],
)
def test_at_1000_users_the_ready_files_are_the_guides_row_of_one_unit(
    name: str, inbound_per_s: int, outbound_per_s: int
) -> None:
    (path,) = (path for path in CONFIGS if path.stem == name)
    values = {key.replace("-", "_"): value for key, value in ready_file(path).items()}
    if name == "send-to-user":
        values["wps_total_rate"] = "180"  # as the file's head says
    config = load(values, users=1000, spawn_rate=100, environ={})
    publishers = publisher_count(config, 1000)
    rate = config.publisher_rate(publishers)
    assert rate is not None
    assert rate * publishers == inbound_per_s
    members = {"small-group": 10, "big-group": 1000 // layout(config, 1000).groups, "broadcast": 1000}
    assert rate * publishers * members.get(name, 1) == outbound_per_s
    assert config.payload[0].size_bytes == 2048
