"""The pages as a person sees them: on a desk and a phone, light and dark, printed, and without scripts."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.browser import browser_test, chromium_running, looking
from tests.report.population_runs import mix
from tests.report.report_runs import MadeRun, facts, write
from wps_load.measure.ledger import LedgerTotals
from wps_load.report import html
from wps_load.report.index import write_index
from wps_load.report.summary import build_summary

pytestmark = [pytest.mark.program, pytest.mark.xdist_group("looks"), *browser_test]

FAILURES = {("connect", "http_429"): 7, ("publish_ack", "ack_timeout"): 2}
RUNS: dict[str, Callable[[], MadeRun]] = {
    "an ordinary run": lambda: facts(failures=FAILURES, slo="rtt p99 < 250ms, loss = 0, connect p95 < 100ms"),
    "a mix": lambda: mix(("hosts", "viewers", "idlers", "announcer")),
    "idle connections": lambda: facts(
        scenario="churn", has_messages=False, totals=None, offered=None, rate=0, slo="connect p95 < 2s"
    ),
    "much lost": lambda: facts(lost=123_456, totals=LedgerTotals(9_999_999, 0, 99_999_999, 99_876_543, 123_456, 7, 7)),
}
INDEX = "the list of runs"


@pytest.fixture(scope="module")
def chromium() -> Iterator[Any]:
    with chromium_running() as browser:
        yield browser


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    folder, found = tmp_path_factory.mktemp("pages"), {}
    for number, (name, make) in enumerate(RUNS.items()):
        run = make()
        path = folder / f"{number}.html"
        path.write_bytes(html.render(build_summary(run), run.histograms))
        found[name] = path.as_uri()
    runs = folder / "runs"
    for number in range(3):
        write(runs / f"run-{number}", facts(lost=number))
    write_index(runs)
    return {**found, INDEX: (runs / "index.html").as_uri()}


TOO_WIDE = """() => [...document.querySelectorAll("main *, header *")]
  .filter((each) => !each.closest(".wide, svg, .area, .skip") && each.getBoundingClientRect().right > innerWidth + 0.5)
  .map((each) => each.outerHTML.slice(0, 80))"""
OUT_OF_SIGHT = """() => [...document.querySelectorAll(".fit")]
  .filter((each) => each.scrollWidth > each.clientWidth)
  .map((each) => each.textContent)"""
TOUCHING = """() => [...document.querySelectorAll(".figures div")].filter((tile) => {
    const words = document.createRange();
    words.selectNodeContents(tile);
    return tile.getBoundingClientRect().right - words.getBoundingClientRect().right < 8;
  }).map((tile) => tile.textContent)"""
NARROW = """() => [...document.querySelectorAll("figure.chart")].filter((figure) => {
    const room = figure.closest("article, section").getBoundingClientRect().width;
    return figure.getBoundingClientRect().width < room - 1;
  }).map((figure) => figure.id)"""
BODY = "getComputedStyle(document.body)."


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 390])
def test_nothing_is_cut_off_or_touches_an_edge(chromium: Any, pages: dict[str, str], width: int, scheme: str) -> None:
    with looking(chromium, width=width, color_scheme=scheme) as seen:
        for name, address in pages.items():
            seen.goto(address)
            assert seen.evaluate("document.documentElement.scrollWidth") <= width, name
            assert seen.evaluate(TOO_WIDE) == [], name
            assert seen.evaluate(OUT_OF_SIGHT) == [], "the margin of an SLO is seen without scrolling"
            assert seen.evaluate(TOUCHING) == [], name
            assert seen.evaluate(NARROW) == [], name
            ink, paper = (
                seen.evaluate(f"getComputedStyle(document.body).{each}") for each in ("color", "backgroundColor")
            )
            assert (brightness(ink) > brightness(paper)) is (scheme == "dark"), name


def brightness(colour: str) -> int:
    return sum(int(part) for part in colour.removeprefix("rgb(").removesuffix(")").split(","))


def test_without_scripts_pictures_and_tables_are_there(chromium: Any, pages: dict[str, str]) -> None:
    with looking(chromium, width=390, java_script_enabled=False) as seen:
        for name in RUNS:
            seen.goto(pages[name])
            lines = seen.locator("figure.chart path.line")
            assert lines.count() > 5, name
            assert all(lines.nth(at).bounding_box() for at in range(lines.count())), name
            for table in seen.locator("details table").all():
                assert table.is_visible(), name
            assert not seen.get_by_role("button").count(), "there is nothing that would not work"


def test_on_paper_charts_fill_the_width_and_no_heading_stands_alone(chromium: Any, pages: dict[str, str]) -> None:
    with looking(chromium, width=700) as seen:
        seen.emulate_media(media="print", color_scheme="dark")
        for name in RUNS:
            seen.goto(pages[name])
            assert seen.evaluate(NARROW) == [], name
            assert brightness(seen.evaluate(f"{BODY}backgroundColor")) == 3 * 255, "no ink is wasted"
            for selector, style in ((".lead", "breakAfter"), ("figure.chart", "breakInside"), ("h3", "breakAfter")):
                for each in seen.locator(selector).all():
                    assert each.evaluate(f"(found) => getComputedStyle(found).{style}") == "avoid", (name, selector)
            assert seen.locator(".filters:visible").count() == 0
            assert len(seen.pdf(format="A4")) > 10_000
