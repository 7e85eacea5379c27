"""index.html of a report folder: its runs, newest first, each compared with the last good one like it, and trends.

It is one file that opens offline, rewritten after each run. A thousand runs take some 700 KB of it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from urllib.parse import quote

from markupsafe import Markup

from wps_load.plurals import counted
from wps_load.report import axes, tables
from wps_load.report.atomic import put
from wps_load.report.drawing import Chart, Polyline, drawn
from wps_load.report.entry import Entry
from wps_load.report.history import History, locked, read_history
from wps_load.report.html import page_css
from wps_load.report.tables import DASH, millis, number
from wps_load.report.templates import asset, environment

INDEX = "index.html"
MOST_ROWS = 1000
MOST_TRENDS, MOST_POINTS = 12, 200
MOST_SKIPPED = 20
_TONES = {"worse": "fail", "better": "pass"}


@dataclass(frozen=True, slots=True)
class IndexRow:
    """One run as the page shows it. `tone`, `standing_tone`: `pass`, `fail`, `invalid` or nothing."""

    href: str
    when: str
    tone: str
    verdict: str
    what: str
    target: str
    load: str
    latency: str
    lost: str
    standing: str
    standing_tone: str
    base: str
    settings: str


def write_index(folder: Path) -> History:
    """Writes the page of all runs that are in the folder now. Raises OSError."""
    with locked(folder):
        history = read_history(folder)
        put(folder / INDEX, [render(history).encode()])
    return history


def render(history: History) -> str:
    """The page."""
    before = history.before()
    shown = history.runs[:MOST_ROWS]
    return (
        environment()
        .get_template("index.html")
        .render(
            css=Markup(page_css() + asset("index.css")),
            script=Markup(asset("chart.js") + asset("index.js")),
            rows=[row(run, before.get(run.folder)) for run in shown],
            older=len(history.runs) - len(shown),
            counts=_counts(history.runs),
            trends=[(title, drawn(chart)) for title, chart in trends(history.runs)],
            skipped=history.skipped[:MOST_SKIPPED],
            more_skipped=max(0, len(history.skipped) - MOST_SKIPPED),
            version=version("wps-load"),
        )
    )


def _counts(runs: Sequence[Entry]) -> str:
    found = [counted(len(runs), "run")]
    for name, word in (("pass", "passed"), ("fail", "failed"), ("invalid", "invalid")):
        if count := sum(run.verdict == name for run in runs):
            found.append(f"{number(count)} {word}")
    return ", ".join(found)


# -- rows ----------------------------------------------------------------------------------------------------


def row(run: Entry, base: Entry | None) -> IndexRow:
    """`base`: the last good run before it with the same settings."""
    words, tone = _standing(run, base)
    return IndexRow(
        href=quote(run.folder),
        when=f"{run.started:%Y-%m-%d %H:%M:%S}",
        tone=run.verdict,
        verdict=verdict_words(run),
        what=f"{run.scenario} over {run.protocol}",
        target="EMULATOR" if run.on_emulator else run.target,
        load=_load(run),
        latency=_latency(run),
        lost=_lost(run),
        standing=words,
        standing_tone=tone,
        base="" if base is None else quote(base.folder),
        settings=run.settings_hash[:8],
    )


def verdict_words(run: Entry) -> str:
    """The verdict in words; a run that was killed, or goes on, has none yet."""
    return "Unfinished" if run.unfinished else tables.VERDICT_WORDS[run.verdict]


def _load(run: Entry) -> str:
    parts = [counted(number(run.connections), "connection")]
    if run.is_search:
        parts.append(f"held {number(run.held)}" + ("/s" if run.variable == "rate" else " users"))
    elif run.offered_per_s:
        parts.append(f"{number(run.offered_per_s)}/s")
    parts.append(tables.seconds(round(run.duration_s)))
    return ", ".join(parts)


def _latency(run: Entry) -> str:
    if run.high_ms is None:
        return DASH
    return f"{run.metric} {millis(run.p50_ms)} / {run.high} {millis(run.high_ms)}"


def _lost(run: Entry) -> str:
    return DASH if run.lost is None or not run.expected else number(run.lost)


def _standing(run: Entry, base: Entry | None) -> tuple[str, str]:
    """The change of the headline figure, and the verdict of `compare` in a word, if it was called."""
    if base is None:
        return "first", ""
    if run.verdict == "invalid":
        return DASH, ""
    change = _change(run, base)
    return " ".join(filter(None, (change, run.standing))) or DASH, _TONES.get(run.standing or "", "")


def _change(run: Entry, base: Entry) -> str:
    if run.is_search:
        return f"{run.held / base.held - 1:+.0%}" if run.held and base.held else ""
    if run.metric != base.metric or run.high != base.high or not run.high_ms or not base.high_ms:
        return ""
    return f"{run.high_ms / base.high_ms - 1:+.0%}"


# -- trends --------------------------------------------------------------------------------------------------


def trends(runs: Sequence[Entry]) -> Iterable[tuple[str, Chart]]:
    """A chart for each of the settings that ran last and more than once: its title and the chart."""
    groups: dict[str, list[Entry]] = {}
    for run in runs:
        groups.setdefault(run.settings_hash, []).append(run)
    found = [each for each in groups.values() if len(each) > 1]
    made = 0
    for group in found:
        chart = _trend(f"trend-{made}", group[:MOST_POINTS][::-1])
        if chart is None:
            continue
        twice = sum(each[0].title == group[0].title for each in found) > 1
        yield group[0].title + (f" (settings {group[0].settings_hash[:8]})" if twice else ""), chart
        made += 1
        if made == MOST_TRENDS:
            return


def _trend(name: str, runs: Sequence[Entry]) -> Chart | None:
    """Oldest first. Invalid runs are gaps: their figures cannot be trusted."""
    numbers = [float(i) for i in range(1, len(runs) + 1)]

    def line(label: str, slot: int, values: Iterable[float | None]) -> Polyline:
        known = [None if run.verdict == "invalid" else value for run, value in zip(runs, values, strict=True)]
        return Polyline(label, numbers, known, slot)

    last = runs[-1]
    if last.is_search:
        lines, unit = [line("held", 1, (run.held for run in runs))], "/s" if last.variable == "rate" else "users"
    else:
        same = [run.metric == last.metric for run in runs]
        p50 = (run.p50_ms if like else None for run, like in zip(runs, same, strict=True))
        high = (run.high_ms if like and run.high == last.high else None for run, like in zip(runs, same, strict=True))
        lines, unit = [line(f"{last.metric} p50", 1, p50), line(f"{last.metric} {last.high}", 2, high)], "ms"
    values = axes.extent(each.ys for each in lines)
    if len(values) < 2:
        return None
    return Chart(
        name,
        f"trend of {runs[-1].title}",
        axes.linear(1.0, float(len(runs)), "runs, oldest first", wanted=6, fitted=True, whole=True),
        axes.of_values(values, unit),
        lines,
        unit=unit,
        size="low",
        names=[f"{run.started:%Y-%m-%d %H:%M}, {verdict_words(run).lower()}" for run in runs],
    )
