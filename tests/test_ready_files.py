"""The configurations in configs/: right, complete, and the load that they say."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import configargparse
import pytest

from wps_load.capacity.forecast import fan_out
from wps_load.clock import NS_PER_S
from wps_load.report.evidence import high_percentile, thin_percentiles
from wps_load.settings.load import load
from wps_load.settings.options import OPTIONS
from wps_load.workload.layout import layout, publisher_count
from wps_load.workload.scenarios import SCENARIOS, Topology

CONFIGS = sorted((Path(__file__).parent.parent / "configs").glob("*.conf"))
LOCUST_KEYS = {"locustfile", "headless", "only-summary", "users", "spawn-rate", "run-time", "exit-code-on-error"}


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
    publishers = publisher_count(config.population, 1000)
    rate = config.population.publisher_rate(publishers)
    assert rate is not None
    assert rate * publishers == inbound_per_s
    members = {"small-group": 10, "big-group": 1000 // layout(config.population, 1000).groups, "broadcast": 1000}
    assert rate * publishers * members.get(name, 1) == outbound_per_s
    assert config.population.payload[0].size_bytes == 2048


@pytest.mark.parametrize("path", [path for path in CONFIGS if path.stem != "capacity"], ids=lambda path: path.stem)
def test_what_a_ready_file_demands_or_shows_enough_samples_carry(path: Path) -> None:
    """Else `few_samples` would stand in each of its runs, and be read over."""
    values = {key.replace("-", "_"): value for key, value in ready_file(path).items()}
    users, spawn_rate, run_s = int(values["users"]), float(values["spawn_rate"]), seconds(values["run_time"])
    config = load(values, users=users, spawn_rate=spawn_rate, environ={}, run_time_s=run_s)
    population = config.population
    measure_s = run_s - users / spawn_rate - config.warmup_ns / NS_PER_S - 1
    publishers = publisher_count(population, users)
    published = float((population.publisher_rate(publishers) or 0) * publishers) * measure_s
    # of a delivery to a group, the sender's own copy is its `rtt`
    others = fan_out(config, users) - (1 if population.scenario_row.topology is Topology.GROUPS else 0)
    slow = population.slow.share.of(users) / users if population.slow is not None else 0.0
    lived = measure_s * NS_PER_S / population.lifetime_ns if population.lifetime_ns else 0.0
    samples = {
        "connect": users * (1 + lived),
        "rtt": published,
        "invoke": published,
        "delivery": published * others * (1 - slow),
        "first_fragment": publishers * others * measure_s * NS_PER_S // (population.stream_length_ns or NS_PER_S),
        "recover": float(population.cut.per_s or 0) * measure_s if population.cut is not None else 0,
    }
    rows = {name: {"count": int(count), "failures": 0} for name, count in samples.items()}
    named = {
        population.main_metric: {
            "p50",
            high_percentile(population.main_metric, rows[population.main_metric], population.slos),
        }
    }
    for slo in population.slos:
        if slo.kind == "time":
            named.setdefault(slo.subject, set()).add(str(slo.aggregate).replace(".", "_"))
    assert {name: sorted(set(thin_percentiles(rows[name])) & found) for name, found in named.items()} == {
        name: [] for name in named
    }
