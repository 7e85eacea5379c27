"""The closing summary of a run, in at most 25 lines: the verdict first, what to do next last. Pure text."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePath
from typing import Final

from wps_load.measure.thresholds import parse
from wps_load.report import phases, tables
from wps_load.report.document import SloRow, Summary, numbers
from wps_load.report.live_populations import Demand
from wps_load.report.lookup import metric_row
from wps_load.report.margins import margin
from wps_load.report.next_steps import next_steps
from wps_load.report.population_tables import population_lines
from wps_load.report.tables import millis, number

MOST_LINES: Final = 25
_MOST = {"slo": 5, "population": 4, "latency": 3, "failure": 2, "doubt": 3, "exit": 2}
_FEWER = {"slo": 3, "population": 2, "latency": 2, "failure": 1, "doubt": 2, "exit": 1}
"""The most lines of each kind, and if there is much of every kind."""
_LABEL = 12
_VERDICT = "Verdict: "
_COLOURS = {"pass": "32", "fail": "31", "invalid": "33"}


@dataclass(frozen=True, slots=True)
class Said:
    """One line. `tone`: `pass`, `fail` or `invalid`, if its first word is a verdict."""

    text: str
    tone: str = ""


@dataclass(frozen=True, slots=True)
class Paint:
    coloured: bool

    def line(self, said: Said) -> str:
        """The line, its verdict in colour."""
        if not self.coloured or said.tone not in _COLOURS:
            return said.text
        word = re.compile(r"\S+").search(said.text, len(_VERDICT) if said.text.startswith(_VERDICT) else 0)
        assert word is not None, "a verdict has a word"
        return f"{said.text[: word.start()]}\x1b[1;{_COLOURS[said.tone]}m{word[0]}\x1b[0m{said.text[word.end() :]}"


def closing(summary: Summary, *, report: str | None, notes: Iterable[str] = ()) -> list[Said]:
    """The lines. `report`: its path; None if there is none. `notes`: further lines."""
    notes = [*notes]
    lines = _lines(summary, _MOST, report, notes)
    return lines if len(lines) <= MOST_LINES else _lines(summary, _FEWER, report, notes)


def _lines(summary: Summary, most: Mapping[str, int], report: str | None, notes: Sequence[str]) -> list[Said]:
    emulator = " (EMULATOR)" if tables.on_emulator(summary) else ""
    lines = [Said(f"{_VERDICT}{summary['verdict']}{emulator}", summary["verdict"]), *_slos(summary, most["slo"])]
    lines += _load(summary, most["population"])
    if changed := phases.users_sentence(summary):
        lines.append(Said(f"  {changed}"))
    lines += map(Said, _kept([*_latencies(summary)], most["latency"]))
    lines += map(Said, _kept([*_failures(summary)], most["failure"]))
    for sentence in filter(None, (tables.not_sent_sentence(summary), tables.missed_sentence(summary))):
        lines.append(Said(f"  {sentence}"))
    doubts = sorted(summary["doubts"], key=lambda doubt: doubt["level"] != "error")
    told = [f"  {each['level']}: {each['message']} {each['advice']}" for each in doubts]
    lines += map(Said, _kept(told, most["doubt"]))
    lines += map(Said, _kept([f"  {sentence}" for sentence in tables.exit_sentences(summary)], most["exit"]))
    lines += map(Said, notes)
    if previous := tables.previous_sentence(summary):
        lines.append(Said(f"  {previous}"))
    if report is not None:
        lines.append(Said(f"Report: {report}"))
    for step in next_steps(summary, None if report is None else str(PurePath(report).parent))[:1]:
        lines.append(Said(f"Next: {step.command}   # {step.why}"))
    if tables.is_search(summary):
        lines.append(Said(tables.capacity_sentence(summary)))
    return lines


def _kept(lines: Sequence[str], most: int) -> list[str]:
    if len(lines) <= most:
        return [*lines]
    return [*lines[: most - 1], f"  and {len(lines) - most + 1} more: see the report"]


def _slos(summary: Summary, most: int) -> list[Said]:
    """SLOs that were not met first; in a mix with many, then those with the smallest margins."""
    found = sorted(summary["slo"], key=lambda slo: slo["verdict"] == "pass")
    if summary.get("populations"):
        found.sort(key=_order)
    shown = found if len(found) <= most else found[: most - 1]
    lines = [Said(_slo(slo), "pass" if slo["verdict"] == "pass" else "fail") for slo in shown]
    more = len(found) - len(shown)
    return [*lines, Said(f"  and {more} more SLOs: see the report")] if more else lines


def _order(slo: SloRow) -> tuple[int, float]:
    order, left = Demand(parse(slo["expression"])[0], slo["value"]).order
    return (0 if slo["verdict"] != "pass" else order), left


def _slo(slo: SloRow) -> str:
    left = margin(slo)
    return f"  {slo['verdict']:8}{slo['expression']}  (measured: {tables.slo_value(slo)}{left and f', {left}'})"


def _load(summary: Summary, populations: int) -> list[Said]:
    connections, messages, rates = map(numbers, (summary["connections"], summary["messages"], summary["rates"]))
    parts = [f"{number(connections['target'])} requested", f"{number(connections['opened'])} opened"]
    parts += [f"{number(connections['failed'])} failed"]
    for key in ("dropped", "cut", "recovered", "reconnected", "closed_by_plan"):
        if connections.get(key):
            parts.append(f"{number(connections[key])} {tables.CONNECTION_WORDS[key]}")
    if (reset_s := summary["run"].get("reset_s")) is not None:
        parts.append(f"counted from the reset {tables.seconds(reset_s)} after the start")
    lines = [_row("connections", parts)]
    lines += map(Said, _kept([f"  {line}" for line in population_lines(summary)], populations))
    if messages["published"] is not None and messages["offered"]:
        parts = [f"{number(messages[key])} {key}" for key in ("published", "delivered", "lost")]
        for key in ("duplicated", "reordered", "misdelivered", "corrupted"):
            if messages.get(key):
                parts.append(f"{number(messages[key])} {tables.MESSAGE_WORDS[key]}")
        lines.append(_row("messages", parts))
        words = {"offered_per_s": "due", "published_per_s": "published", "delivered_per_s": "delivered"}
        lines.append(_row("a second", [f"{number(rates[key])} {word}" for key, word in words.items()]))
    return lines


def _row(label: str, parts: Sequence[str]) -> Said:
    return Said(f"  {label:{_LABEL}} {', '.join(parts)}")


def _latencies(summary: Summary) -> Iterable[str]:
    """The run's main metric, those of SLOs, and the connects; the report has the others."""
    demanded = [slo["expression"].split()[0] for slo in summary["slo"]]
    main = summary["run"].get("main_metric")
    for name in dict.fromkeys(filter(None, (main, *demanded, "connect"))):
        row = metric_row(summary, name)
        if row.get("p50") is None:
            continue
        figures = "  ".join(f"{p.replace('_', '.')} {millis(row[p])}" for p in _percentiles(summary, name))
        yield f"  {name:{_LABEL}} {figures}  max {millis(row['max'])} ms  ({number(row['count'])})"


def _percentiles(summary: Summary, metric: str) -> list[str]:
    """p50, p99, and the percentiles that an SLO names."""
    named = {"p50", "p99"}
    for slo in summary["slo"]:
        demand = parse(slo["expression"])[0]
        if demand.subject == metric and demand.kind == "time":
            named.add(str(demand.aggregate).replace(".", "_"))
    return [p for p in tables.PERCENTILE_COLUMNS if p in named]


def _failures(summary: Summary) -> Iterable[str]:
    for each in sorted(summary["failures"], key=lambda failure: -failure["count"]):
        said = f": {each['message']}" if each.get("message") else ""
        yield f"  failed       {each['metric']} {each['label']} {number(each['count'])}x{said}"
