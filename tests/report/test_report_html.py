"""report.html: one safe file, whole without scripts, drawn without errors by a real browser, quick for a long
run."""

from __future__ import annotations

import re
import subprocess
import time
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest

from tests.browser import CHROMIUM, CHROMIUM_ARGS
from tests.report.capacity_runs import staged
from tests.report.report_runs import STARTED, facts
from wps_load.measure.snapshot import Snapshot
from wps_load.report import html
from wps_load.report.azure import read_azure
from wps_load.report.charts import (
    distribution,
    latency,
    limits_of,
    percentile_curve,
    shown_metrics,
    thinned,
)
from wps_load.report.connect_parts import connect_anatomy
from wps_load.report.extras import Extras
from wps_load.report.model import GeneratorHealth, RunFacts
from wps_load.report.summary import build_summary
from wps_load.report.templates import prose

EVIL = "</script><script>alert(1)</script><img src=x onerror=alert(2)>&\"'"
VOID = {"meta", "link", "br", "img", "input", "hr"}


def page(run: RunFacts, charts: bool = True) -> str:
    return html.render(build_summary(run), run.snapshot.histograms if charts else None).decode()


class Outline(HTMLParser):
    """Balanced tags, and every address that a browser might fetch."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.addresses: list[str] = []
        self.tags: list[str] = []
        self.feed(text)
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.addresses += [value or "" for name, value in attrs if name in ("src", "href", "srcset", "action")]
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def test_one_file_that_fetches_nothing() -> None:
    assert set(Outline(page(facts())).addresses) == {"data:,", "#main"}


def test_texts_are_escaped_wherever_they_come_from() -> None:
    settings = {EVIL: EVIL, "wps-payload": EVIL}
    hostile = facts(target=EVIL, scenario=EVIL, settings=settings, versions={"wps-load": EVIL}, host={EVIL: EVIL})
    outline = Outline(page(hostile))
    assert "img" not in outline.tags
    assert outline.tags.count("script") == 1


def test_names_in_a_sentence_are_code_and_nothing_else_is_markup() -> None:
    assert prose("the p99 of `delivery` <b>") == "the p99 of <code>delivery</code> &lt;b&gt;"
    late = replace(facts().generator, send_lag_ms_p99=500.0)
    assert "the p99 of <code>rtt</code>" in page(facts(generator=late))


def test_everything_is_there_without_scripts() -> None:
    text = page(facts(failures={("connect", "http_429"): 7}), charts=False)
    assert len(text) < 100_000
    for words in (
        "All 3 SLOs were met",
        "Latency over time",
        "http_429",
        "Anatomy of a connect",
        "--wps-seed 42",
    ):
        assert words in text
    seconds = re.search(r"<details open><summary>As a table</summary>(.*?)</details>", text, re.S)
    assert seconds is not None
    assert seconds[1].count("<tr>") == 36  # a head, and a row a second


def test_the_verdict_is_said_in_words() -> None:
    text = page(facts(generator=GeneratorHealth(workers_lost=1)), charts=False)
    assert "The figures of this run cannot be trusted: worker lost." in text
    assert "1 worker went missing during the run" in text


def test_closed_loop_is_said() -> None:
    settings = {**facts().settings, "wps-rate": "max"}
    text = page(facts(settings=settings, closed_loop=True), charts=False)
    assert "Closed loop (--wps-rate max)" in text
    assert "closed loop, payload 2KiB" in text


def test_a_run_without_messages_shows_its_connects() -> None:
    text = page(facts(scenario="idle", has_messages=False, totals=None, offered=None, rate=0, slo="connect p95 < 1s"))
    assert "connect p95" in text, "that its SLO names"
    assert "<dt>new connections</dt><dd><strong>16.7</strong> per second</dd>" in text
    assert "<h2>Messages</h2>" not in text


def test_an_hour_renders_in_time() -> None:
    run = facts(measure_s=60)
    summary = build_summary(run)
    minute = [row for row in summary["timeline"] if row["phase"] == "measure"]
    summary["timeline"] = [row | {"t_s": row["t_s"] + 60.0 * i} for i in range(60) for row in minute]
    began = time.perf_counter()
    html.render(summary, run.snapshot.histograms)
    assert time.perf_counter() - began < 5.0


def test_thinning_keeps_spikes_and_rates() -> None:
    rows = [
        {"t_s": float(i + 1), "interval_s": 1.0, "published": 10, "rtt_p99": 500.0 if i == 777 else 5.0}
        for i in range(1000)
    ]
    found = thinned(rows, ["published", "rtt_p99", "delivered"], 100)
    assert len(found.t_s) == 100
    assert found.t_s[-1] == 1000.0
    assert set(found.columns["published"]) == {10.0}
    assert max(value or 0 for value in found.columns["rtt_p99"]) == 500.0
    assert set(found.columns["delivered"]) == {None}


def test_percentile_axis_ends_at_the_maximum() -> None:
    histogram = facts().snapshot.histograms["rtt"]
    curve = percentile_curve(histogram)
    assert len(curve["x"]) == len(curve["y"])
    assert (curve["x"][0], curve["x"][-1]) == (1.0, histogram.count)
    assert curve["y"] == sorted(curve["y"])
    assert curve["y"][-1] == pytest.approx((histogram.max or 0) / 1e6, abs=1e-4)
    assert curve["y"][curve["x"].index(100.0)] == pytest.approx((histogram.percentile(99) or 0) / 1e6, abs=1e-4)


def test_anatomy_adds_up_to_the_connect() -> None:
    metrics = build_summary(facts())["metrics"]
    parts = connect_anatomy(metrics)
    assert [part.label for part in parts] == ["DNS", "TCP", "TLS", "upgrade", "ready", "waiting"]
    assert sum(part.ms for part in parts) == pytest.approx(metrics["connect"]["mean"], abs=0.01)


def test_connects_that_all_failed_have_no_anatomy() -> None:
    metrics = build_summary(facts())["metrics"]
    metrics["connect"] |= {"count": 163, "failures": 163}  # given up while they waited: a mean without success
    assert connect_anatomy(metrics) == []


def test_limits_of_the_headline_become_lines() -> None:
    run = facts(slo="rtt p99 < 1s, rtt p50 < 20ms, connect p95 < 2s, loss = 0")
    summary = build_summary(run)
    assert shown_metrics(summary) == ["rtt", "connect"], "what SLOs demand times of"
    drawn = latency(summary, "rtt")
    assert drawn is not None
    limits = [(rule.at, rule.label) for rule in drawn.rules]
    assert len(limits) == 1, "one far above everything measured would press the curves flat"
    assert limits[0][0] == 20.0
    assert re.fullmatch(r"rtt p50 < 20ms · \d\d(\.\d)?% to spare", limits[0][1])
    by_percentile = distribution(run.snapshot.histograms, "rtt", limits_of(summary, "rtt"))
    assert by_percentile is not None
    assert [rule.at for rule in by_percentile.rules] == [20.0]


def test_a_report_is_small() -> None:
    assert len(page(facts(measure_s=60))) < 200_000


@pytest.mark.browser
@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium")
@pytest.mark.parametrize(("theme", "kind"), [("light", "ordinary"), ("dark", "stages")])
@pytest.mark.program
def test_a_browser_draws_every_chart_without_an_error(tmp_path: Path, theme: str, kind: str) -> None:
    target = tmp_path / "report.html"
    failures = {("connect", "http_429"): 7}
    if kind == "stages":
        run, charts = staged(), 6 + 2 + 6 + 2  # two of the curve, each step, Azure's two
        azure = read_azure([str(Path(__file__).with_name("azure_metrics.json"))], STARTED, run.duration_s)
        run = replace(run, snapshot=Snapshot(run.snapshot.histograms, failures))
        target.write_bytes(html.render(build_summary(run), run.snapshot.histograms, Extras(azure=azure)))
    else:
        levels = [1 + 0.3 * more for more in np.random.default_rng(1).random(30)]
        target.write_text(page(facts(levels=levels, failures=failures)))
        charts = 6
    done = subprocess.run(
        [
            str(CHROMIUM),
            "--headless",
            *CHROMIUM_ARGS,
            f"--user-data-dir={tmp_path / 'profile'}",
            f"--blink-settings=preferredColorScheme={0 if theme == 'dark' else 1}",
            "--enable-logging=stderr",
            "--virtual-time-budget=8000",
            "--dump-dom",
            target.as_uri(),
        ],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert not [line for line in done.stderr.splitlines() if "CONSOLE" in line]
    assert 'data-drawn="yes"' in done.stdout
    assert len(re.findall(r'<figure class="chart ', done.stdout)) == charts
    assert done.stdout.count('<figure class="bars"') == 2
    assert "<details open" not in done.stdout
