"""The ready mixes as whole programs against the embedded emulator: each ledger closes, by population and in sum."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from tests.integration.program import ROOT, Finished, run, start
from tests.integration.test_scenario_runs import AT_ONCE, OF_THE_GENERATOR
from tests.ports import free_port
from wps_load.report.run_folder import load_run
from wps_load.settings.load import load
from wps_load.workload.flows import flows

SMALL = ("-u", "20", "-r", "40", "-t", "4s", "--wps-seed", "3")
MIXES = {
    "chat": (),
    "notifications": ("--processes", "2"),
    "live-event": ("-t", "18s"),
    "iot": ("--processes", "2"),
}
SUMMED = ("offered", "published", "expected", "delivered", "lost", "missed", "duplicated", "reordered", "misdelivered")

pytestmark = pytest.mark.program


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Finished]]:
    folders = {name: tmp_path_factory.mktemp(name) for name in MIXES}  # here: its first use is not for threads

    def one(name: str) -> Finished:
        file = str(ROOT / "configs" / f"{name}.toml")
        return run(folders[name] / "reports", *SMALL, "--wps-mix", file, *MIXES[name])

    with ThreadPoolExecutor(AT_ONCE) as pool:
        yield dict(zip(MIXES, pool.map(one, MIXES), strict=True))


def test_each_ready_mix_is_run() -> None:
    assert set(MIXES) == {path.stem for path in (ROOT / "configs").glob("*.toml")}


@pytest.mark.parametrize("name", MIXES)
def test_the_ledger_closes_by_population_and_in_sum(finished: dict[str, Finished], name: str) -> None:
    done = finished[name]
    assert done.code in (0, 3, 4), done.output
    summary: dict[str, Any] = done.summary
    assert {doubt["name"] for doubt in summary["doubts"]} <= {*OF_THE_GENERATOR, "nobody_left"}, summary["doubts"]
    assert summary["run"]["scenario"] == name
    whole, parts = summary["messages"], summary["populations"]
    assert whole["lost"] == whole["misdelivered"] == whole["foreign"] == whole["corrupted"] == 0, whole
    assert whole["delivered"] == whole["expected"] > 0
    for count in SUMMED:
        assert whole[count] == sum(part["messages"][count] for part in parts), count
    for metric, row in summary["metrics"].items():
        assert row["count"] == sum(part["metrics"].get(metric, {"count": 0})["count"] for part in parts), metric
    for count in ("opened", "failed", "dropped", "closed_by_plan", "reconnected"):
        assert summary["connections"][count] == sum(part["connections"][count] for part in parts), count
    assert sum(part["users"] for part in parts) == 20
    rows = summary["matrix"]
    assert sum(row["expected"] for row in rows) == whole["expected"]
    assert sum(row["delivered"] for row in rows) == whole["delivered"]
    assert done.folder is not None
    logged = load_run(done.folder).histograms
    for part in parts:
        heard = [row for row in rows if row["receiver"] == part["name"]]
        assert sum(row["delivered"] for row in heard) == part["messages"]["delivered"], part["name"]
        for count in ("published", "delivered"):
            assert sum(part["course"][count]) == part["messages"][count], part["name"]
        times = logged.get(f"{part['name']}.{part['main_metric']}")
        assert (0 if times is None else times.count) == answered(part["metrics"].get(part["main_metric"]))


def answered(row: dict[str, Any] | None) -> int:
    return 0 if row is None else row["count"] - row["failures"]


def pairs(finished: dict[str, Finished], name: str) -> dict[tuple[str, str], dict[str, Any]]:
    return {(row["sender"], row["receiver"]): row for row in finished[name].summary["matrix"]}


def test_who_hears_whom(finished: dict[str, Finished]) -> None:
    chat = pairs(finished, "chat")
    announced = {receiver for sender, receiver in chat if sender == "announcer"}
    assert announced == {"chatters", "readers", "visitors"}
    assert {receiver for sender, receiver in chat if sender == "chatters"} == {"chatters", "readers"}
    assert set(pairs(finished, "notifications")) == {("push", "phones")}
    assert {("host", "audience"), ("host", "late"), ("announcer", "late")} <= set(pairs(finished, "live-event"))
    iot = pairs(finished, "iot")
    assert set(iot) == {("devices", "devices"), ("devices", "dashboards")}
    assert iot["devices", "dashboards"]["delivered"] == 2 * iot["devices", "devices"]["delivered"]


@pytest.mark.parametrize("name", MIXES)
def test_the_plan_says_what_comes(finished: dict[str, Finished], name: str) -> None:
    """By pairs, of populations that are there from the start: how many hear a message."""
    file = str(ROOT / "configs" / f"{name}.toml")
    config = load({"wps_mix": file, "wps_seed": "3"}, users=20, spawn_rate=40.0, run_time_s=18.0, environ={})
    names, counts = config.names, config.mixture(20).counts
    heard, found = flows(config.populations, counts), pairs(finished, name)
    late = {each.name for each in config.populations if each.start_ns}
    published = {each["name"]: each["messages"]["published"] for each in finished[name].summary["populations"]}
    planned = {(names[sender], names[receiver]) for sender, receiver in heard}
    assert {pair for pair in planned if pair[1] not in late} <= found.keys() <= planned
    for (sender, receiver), each in heard.items():
        if names[receiver] not in late:
            row = found[names[sender], names[receiver]]
            assert row["expected"] == pytest.approx(each * published[names[sender]], rel=0.1), row


def test_rows_of_locusts_table_and_the_first_lines_name_the_populations(finished: dict[str, Finished]) -> None:
    output = finished["chat"].output
    assert "  readers:   16 users (80%), listener over simple, listens to chatters; SLO: delivery p99 < 1s, " in output
    assert "Mix: chat, 20 users\n  chatters:  2 users (10%), big-group over json; SLO: delivery p99 < 250ms" in output
    live = [line for line in output.splitlines() if line.startswith(("measure ", "drain "))]
    assert live
    assert all(line.split(" | ")[1].split()[0] in ("chatters", "readers", "visitors", "announcer") for line in live)


def test_a_worker_gets_the_mix_of_its_master(tmp_path: Path) -> None:
    mix, port = tmp_path / "mine.toml", str(free_port())
    table = '[[population]]\nname = "{}"\nusers = {}\nscenario = "{}"\n'
    mix.write_text(table.format("hosts", 6, "small-group") + table.format("others", 4, "echo"))
    master = ("--headless", "--master", "--master-bind-port", port, "--expect-workers", "1", "-r", "20", "-t", "4s")
    with start(tmp_path / "reports", *master, "--wps-mix", str(mix)) as program:
        program.await_output("Mix: mine")
        mix.unlink()  # as if the worker were on another host
        of_its_own = {"LOCUST_WPS_RATE": "7", "LOCUST_WPS_PAYLOAD": "1KiB"}
        with start(tmp_path / "worker", "--worker", "--master-port", port, environment=of_its_own):
            done = program.finish()
    assert done.code in (0, 3), done.output
    assert [(each["name"], each["connections"]["opened"]) for each in done.summary["populations"]] == [
        ("hosts", 6), ("others", 4),
    ]  # fmt: skip
    offered = {each["name"]: each["rates"]["offered_per_s"] for each in done.summary["populations"]}
    assert offered["others"] < 6, "one message a second of each, as the master says"
