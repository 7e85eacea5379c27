"""deploy/: the dashboard asks for what a run shows, and each of its queries finds it in a real Prometheus."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlencode
from urllib.request import urlopen

import pytest
from ruamel.yaml import YAML

from tests.integration.program import until
from tests.ports import free_port
from tests.recording import OF_THE_TARGET, openmetrics, scrapes

ROOT: Final = Path(__file__).parents[1]
DEPLOY: Final = ROOT / "deploy"
DASHBOARD: Final[dict[str, Any]] = json.loads((DEPLOY / "grafana/dashboard.json").read_text())
VARIABLES: Final = {"$__rate_interval": "1m", "$__interval": "15s", "$instance": ".*", "$population": ".*",
                    "$time": "wps_connect_seconds_bucket"}  # fmt: skip
WORDS: Final = {"sum", "max", "by", "on", "rate", "increase", "changes", "histogram_quantile", "timestamp", "and", "le",
                "group_left"}  # fmt: skip
"""Of PromQL, as far as the dashboard speaks it."""

PANELS: Final = [panel for panel in DASHBOARD["panels"] if panel["type"] != "row"]
QUERIES: Final = [
    *((panel["title"], target["expr"]) for panel in PANELS for target in panel["targets"]),
    *((each["name"], each["expr"]) for each in DASHBOARD["annotations"]["list"]),
]


def filled(expression: str) -> str:
    """As Grafana sends it."""
    for name, text in VARIABLES.items():
        expression = expression.replace(name, text)
    return expression


@cache
def shown() -> dict[str, set[str]]:
    """Sample name -> the labels that it has somewhere in the recorded run."""
    found: dict[str, set[str]] = {}
    for families in scrapes():
        for family in families:
            for sample in family.samples:
                found.setdefault(sample.name, set(OF_THE_TARGET)).update(sample.labels)
    return found


def asked(expression: str) -> tuple[set[str], set[str]]:
    """The metrics and the labels that a query names."""
    expression = re.sub(r'\{__name__="(\w+)", ', r"\1{", filled(expression))
    bare = re.sub(r'"[^"]*"|\[[^\]]*\]', "", expression)
    names = set(re.findall(r"[a-zA-Z_]\w*", bare))
    metrics = {name for name in names if name.startswith("wps_")}
    return metrics, names - metrics - WORDS


@pytest.mark.parametrize(("title", "expression"), QUERIES)
def test_a_query_names_metrics_and_labels_that_a_run_shows(title: str, expression: str) -> None:
    metrics, labels = asked(expression)
    assert metrics
    assert metrics <= set(shown()), title
    assert labels <= set().union(*(shown()[name] for name in metrics)), title


def test_variables_and_legends_ask_for_labels_that_there_are() -> None:
    for variable in DASHBOARD["templating"]["list"]:
        if variable["type"] == "query":
            asked_for = re.fullmatch(r"label_values\((\w+), (\w+)\)", variable["definition"])
            if asked_for is None:  # of all histograms of times
                assert variable["definition"] == 'label_values({__name__=~"wps_.+_seconds_bucket"}, __name__)'
                continue
            assert asked_for[2] in shown()[asked_for[1]]
    for panel in PANELS:
        for target in panel["targets"]:
            labels = set().union(*(shown()[name] for name in asked(target["expr"])[0]))
            assert set(re.findall(r"\{\{(\w+)\}\}", target.get("legendFormat", ""))) <= labels


def test_panels_have_titles_units_and_places_of_their_own() -> None:
    ids = [panel["id"] for panel in DASHBOARD["panels"]]
    assert len(set(ids)) == len(ids)
    taken: set[tuple[int, int]] = set()
    for panel in DASHBOARD["panels"]:
        place = panel["gridPos"]
        cells = {
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        }
        assert panel["title"]
        assert place["x"] + place["w"] <= 24
        assert not cells & taken, panel["title"]
        taken |= cells
    for panel in PANELS:
        assert panel["fieldConfig"]["defaults"]["unit"]
        assert {target["datasource"]["uid"] for target in panel["targets"]} == {"${datasource}"}


def test_each_metric_that_a_run_shows_has_a_place_or_is_known_to_have_none() -> None:
    without = {"wps_statistics_resets_total", "wps_worker_cpu_max_ratio", "wps_workers", "wps_messages_expected_total",
               "wps_messages_missed_total", "wps_messages_foreign_total"}  # fmt: skip
    families = {re.sub(r"_(bucket|count|sum)$", "", name) for name in shown()}
    placed = {re.sub(r"_bucket$", "", name) for _, expression in QUERIES for name in asked(expression)[0]}
    assert families - placed == without


def test_provisioning_leads_to_the_dashboard_and_to_where_a_run_is_scraped() -> None:
    yaml = YAML(typ="safe")
    prometheus = yaml.load(DEPLOY / "prometheus/prometheus.yml")
    (job,) = prometheus["scrape_configs"]
    assert job["job_name"] == OF_THE_TARGET["job"]
    assert job["static_configs"][0]["targets"] == [OF_THE_TARGET["instance"]]
    (source,) = yaml.load(DEPLOY / "grafana/provisioning/datasources/prometheus.yml")["datasources"]
    assert source["jsonData"]["timeInterval"] == prometheus["global"]["scrape_interval"]
    (provider,) = yaml.load(DEPLOY / "grafana/provisioning/dashboards/wps-load.yml")["providers"]
    services = yaml.load(DEPLOY / "grafana/compose.yml")["services"]
    mounts = dict(volume.split(":")[:2] for service in services.values() for volume in service["volumes"])
    assert mounts["./dashboard.json"].startswith(provider["options"]["path"])
    for mounted in mounts:
        assert (DEPLOY / "grafana" / mounted).resolve().exists()
    assert "--wps-prometheus-port 9464" in (ROOT / "docs/dashboards.md").read_text()


# -- a real Prometheus, where one is installed ---------------------------------------------------------------


@pytest.fixture(scope="module")
def prometheus(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, int]]:
    """One that has recorded the run: its address, and when the run's last scrape was."""
    if shutil.which("prometheus") is None or shutil.which("promtool") is None:
        pytest.skip("no prometheus and promtool installed (Debian: apt-get install prometheus)")
    folder, end_s, port = tmp_path_factory.mktemp("prometheus"), int(time.time()), free_port()
    (folder / "run.om").write_text(openmetrics(end_s))
    (folder / "empty.yml").write_text("")
    create = ["promtool", "tsdb", "create-blocks-from", "openmetrics", str(folder / "run.om"), str(folder / "data")]
    subprocess.run(create, check=True, capture_output=True, timeout=60)
    command = ["prometheus", f"--config.file={folder / 'empty.yml'}", f"--storage.tsdb.path={folder / 'data'}",
               f"--web.listen-address=127.0.0.1:{port}", "--log.level=error"]  # fmt: skip
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        until(lambda: _ready(port), "Prometheus is ready", 40)
        yield f"http://127.0.0.1:{port}", end_s
    finally:
        process.kill()
        process.wait()


def _ready(port: int) -> bool:
    try:
        with urlopen(f"http://127.0.0.1:{port}/-/ready", timeout=5) as response:
            return bool(response.status == 200)
    except OSError:
        return False


def results(prometheus: tuple[str, int], expression: str) -> list[dict[str, Any]]:
    address, end_s = prometheus
    query = urlencode({"query": expression, "time": end_s})
    with urlopen(f"{address}/api/v1/query?{query}", timeout=20) as response:
        answer = json.load(response)
    assert answer["status"] == "success"
    found: list[dict[str, Any]] = answer["data"]["result"]
    return found


@pytest.mark.program
def test_every_query_finds_something(prometheus: tuple[str, int]) -> None:
    found = {(title, expression): results(prometheus, filled(expression)) for title, expression in QUERIES}
    nothing = [query for query, series in found.items() if not series]
    assert nothing == []


@pytest.mark.program
def test_what_the_queries_find_is_what_the_run_was(prometheus: tuple[str, int]) -> None:
    def number(expression: str) -> float:
        (only,) = results(prometheus, filled(expression))
        return float(only["value"][1])

    assert number('sum(wps_messages_lost_total{population=~"$population"})') == 1
    # of three deliveries a second two within the SLO's 25 ms, whose share needs no interpolation
    share = 'sum(rate(wps_delivery_seconds_bucket{le="0.025"}[1m])) / sum(rate(wps_delivery_seconds_count[1m]))'
    assert number(share) == pytest.approx(2 / 3)
    assert number("sum(rate(wps_messages_published_total[1m]))") == pytest.approx(2 / 5, rel=0.1)
    (verdict,) = results(prometheus, "wps_run_verdict == 1")
    assert verdict["metric"]["verdict"] in ("fail", "invalid")


@pytest.mark.program
def test_compose_takes_its_file() -> None:
    command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.compose-spec"]
    subprocess.run([*command, str(DEPLOY / "grafana/compose.yml")], check=True, capture_output=True, timeout=60)


@pytest.mark.program
def test_prometheus_takes_the_configuration() -> None:
    if shutil.which("promtool") is None:
        pytest.skip("no promtool installed (Debian: apt-get install prometheus)")
    command = ["promtool", "check", "config", str(DEPLOY / "prometheus/prometheus.yml")]
    subprocess.run(command, check=True, capture_output=True, timeout=60)
