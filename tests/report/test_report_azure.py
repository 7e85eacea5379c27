"""Azure Monitor's JSON: read as `az` prints it, cut to the run, refused with a reason."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.report.report_runs import STARTED, facts
from wps_load.errors import ConfigError
from wps_load.report import html, markdown
from wps_load.report.azure import AzureMetrics, MetricPoint, overlay, read_azure
from wps_load.report.azure_tables import azure_lines, azure_sentence, azure_table, closes_table
from wps_load.report.extras import Extras
from wps_load.report.summary import build_summary

FILE = Path(__file__).with_name("azure_metrics.json")
DOCUMENT = json.loads(FILE.read_text())
RUN_S = 35.0  # of a run from 09:26:53 on


def found() -> AzureMetrics:
    return read_azure([str(FILE)], STARTED, RUN_S)


def test_points_lie_on_the_runs_time_axis() -> None:
    load = found().of("ServerLoad")[0]
    assert (load.aggregate, load.interval_s) == ("maximum", 60.0)
    assert load.points == (
        MetricPoint(-53.0, 38.0),
        MetricPoint(7.0, 83.0),
    )  # 09:25 is before the run, 09:28 has no value


def test_closes_are_distinguished_by_reason() -> None:
    table = closes_table(found())
    assert table is not None
    assert [[cell.text for cell in row] for row in table.rows] == [["Normal", "48"], ["SlowClient", "2"]]
    assert {series.category for series in found().of("ConnectionCount")} == {""}


def test_the_load_is_judged() -> None:
    assert azure_sentence(found()).startswith("Server Load was 83 % at most, too high")
    rows = {row[0].text: row for row in azure_table(found()).rows}
    assert (rows["Server Load, %"][2].text, rows["Server Load, %"][2].tone) == ("83", "fail")
    assert (rows["connections closed"][3].text, rows["outbound bytes"][3].text) == ("50", "6.4 MiB")
    quiet = read_azure([str(FILE)], STARTED - timedelta(minutes=1), 30.0)
    assert "38 % at most, healthy" in azure_sentence(quiet)
    assert "no Server Load" in azure_sentence(AzureMetrics(()))


def test_lines_are_steps_within_the_axis() -> None:
    line = azure_lines(found())["azure-load"][0]
    assert (line.name, line.xs, line.ys) == ("Server Load", [0.0, 7.0, 67.0], [38.0, 83.0, 83.0])


def test_page_and_markdown_show_it_and_no_ids() -> None:
    run = facts(measure_s=30)
    summary, extras = build_summary(run), Extras(azure=found())
    page = html.render(summary, None, extras).decode()
    assert "Server Load was 83 % at most" in page
    assert 'id="chart-azure-connections"' in page
    text = markdown.render(summary, extras)
    assert "| SlowClient | 2 |" in text
    assert "subscriptions" not in page + text
    assert [f'id="chart-{name}"' in page for name in ("azure-load", "azure-connections")] == [True, True]


def test_several_files_are_one_view(tmp_path: Path) -> None:
    parts = []
    for i, row in enumerate(DOCUMENT["value"][:2]):
        parts.append(tmp_path / f"{i}.json")
        parts[-1].write_text(json.dumps({**DOCUMENT, "value": [row]}))
    metrics = [series.metric for series in read_azure(list(map(str, parts)), STARTED, RUN_S).series]
    assert metrics == ["ServerLoad", "ConnectionQuotaUtilization"]


def test_other_spellings_of_the_same_answer() -> None:
    text = json.dumps(DOCUMENT).replace('"timeStamp"', '"timestamp"').replace("+00:00", "Z")
    assert overlay(json.loads(text), STARTED, RUN_S) == list(found().series)
    half_hours = overlay({**DOCUMENT, "interval": "PT1H30M"}, STARTED, RUN_S)
    assert half_hours[0].interval_s == 5400.0
    assert overlay({**DOCUMENT, "interval": "FULL"}, STARTED, RUN_S)[0].interval_s == 60.0


def changed(change: Callable[[Any], object]) -> Any:
    document = copy.deepcopy(DOCUMENT)
    change(document)
    return document


@pytest.mark.parametrize(
    ("document", "reason"),
    [
        ([], "an object with a list named value"),
        ({"value": {}}, "an object with a list named value"),
        (changed(lambda d: d["value"][0].pop("name")), "needs name.value"),
        (changed(lambda d: d["value"][0].update(timeseries=None)), "a list named timeseries"),
        (changed(lambda d: d["value"][0]["timeseries"][0].pop("data")), "a time series of ServerLoad has no list"),
        (
            changed(lambda d: d["value"][0]["timeseries"][0]["data"][1].update(maximum="9")),
            "ServerLoad is not a number",
        ),
        (changed(lambda d: d["value"][0]["timeseries"][0]["data"][1].pop("timeStamp")), "no timeStamp in ISO 8601"),
        ({"value": []}, "no values of a Web PubSub metric (ServerLoad, "),
        (changed(lambda d: d.update(value=d["value"][5:])), "no values of a Web PubSub metric"),
    ],
)
def test_another_shape_is_refused(document: Any, reason: str) -> None:
    with pytest.raises(ValueError) as refused:  # noqa: PT011 the match follows
        overlay(document, STARTED, RUN_S)
    assert reason in str(refused.value)


def test_no_overlap_says_both_spans(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as refused:
        read_azure([str(FILE)], STARTED + timedelta(days=1), RUN_S)
    said = str(refused.value)
    assert said.startswith(f"--azure-metrics '{FILE}': it covers 2026-03-14 09:25:00 UTC to 2026-03-14 09:28:00 UTC")
    assert "the run went from 2026-03-15 09:26:53 UTC" in said


@pytest.mark.parametrize(("content", "reason"), [(None, "a readable file"), ("{", "JSON, as `az"), ("{}", "value")])
def test_a_broken_file_is_named(tmp_path: Path, content: str | None, reason: str) -> None:
    path = tmp_path / "metrics.json"
    if content is not None:
        path.write_text(content)
    with pytest.raises(ConfigError, match=reason) as refused:
        read_azure([str(path)], STARTED, RUN_S)
    assert refused.value.faults[0].value == str(path)
