"""The contents of every report, whatever its format: sentences and tables of texts from the summary document.

Markdown and HTML only decide how a row looks. None is shown as a dash: unknown, not zero.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from wps_load.measure.thresholds import parse
from wps_load.report.document import Reason, SloRow, Summary, numbers
from wps_load.report.evidence import headline, slos_of, thin_percentiles
from wps_load.report.feature_counts import feature_counts
from wps_load.report.margins import margin
from wps_load.settings.options import OPTIONS

DASH = "–"
PERCENTILE_COLUMNS = ("p50", "p90", "p95", "p99", "p99_9", "p99_99")
VERDICT_WORDS = {"pass": "Passed", "fail": "Failed", "invalid": "Invalid"}
SLO_WORDS = {"pass": "✓ met", "fail": "✗ not met", "no_data": "✗ no data"}


@dataclass(frozen=True, slots=True)
class Cell:
    """`faint`: a figure from too few samples. `tone`: "pass" or "fail", if the text is a verdict.

    `href`: the target of a row's name, on a page.
    """

    text: str
    faint: bool = False
    tone: str = ""
    href: str = ""


@dataclass(frozen=True, slots=True)
class Table:
    """`numeric_from`, `numeric_to`: the first column of right-aligned numbers, and the column after the last."""

    header: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]
    numeric_from: int = 1
    numeric_to: int = 99

    def is_numeric(self, column: int) -> bool:
        return self.numeric_from <= column < self.numeric_to


def table(
    header: Sequence[str], rows: Sequence[Sequence[str | Cell]], numeric_from: int = 1, numeric_to: int = 99
) -> Table:
    cells = tuple(tuple(c if isinstance(c, Cell) else Cell(c) for c in row) for row in rows)
    return Table(tuple(header), cells, numeric_from, numeric_to)


# -- numbers -------------------------------------------------------------------------------------------------


def number(value: float | int | None) -> str:
    """A count with thousands separators, or three significant digits of a fraction."""
    if value is None:
        return DASH
    if isinstance(value, int) or abs(value) >= 999.5 or value == int(value):
        return f"{value:,.0f}"
    return f"{value:.3g}"


def millis(value: float | None) -> str:
    """Milliseconds with three significant digits, never with an exponent, at the finest microseconds."""
    if value is None:
        return DASH
    decimals = 0 if abs(value) >= 100 else 1 if abs(value) >= 10 else 2 if abs(value) >= 1 else 3
    return f"{value:,.{decimals}f}"


def size(value: float | None) -> str:
    """Bytes in binary units."""
    if value is None:
        return DASH
    for unit in ("B", "KiB", "MiB"):
        if abs(value) < 1024:
            return f"{value:,.0f} {unit}" if unit == "B" else f"{value:,.1f} {unit}"
        value /= 1024
    return f"{value:,.2f} GiB"


def seconds(value: float | None) -> str:
    """A duration in words: `42.5 s`, `3 min 20 s`, `1 h 2 min`."""
    if value is None:
        return DASH
    if value < 60:
        return f"{value:.1f} s".replace(".0 s", " s")
    minutes, rest = divmod(round(value), 60)
    if minutes < 60:
        return f"{minutes} min {rest} s" if rest else f"{minutes} min"
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if minutes else f"{hours} h"


def on_emulator(summary: Summary) -> bool:
    """Whether the embedded emulator was tested: no verdict about Azure."""
    return str(summary["run"]["target"]).startswith("embedded emulator")


def verdict_word(summary: Summary) -> str:
    """The verdict as a heading, with the emulator if that was tested."""
    return VERDICT_WORDS[summary["verdict"]] + (" (EMULATOR)" if on_emulator(summary) else "")


# -- sentences -----------------------------------------------------------------------------------------------


def verdict_sentence(summary: Summary) -> str:
    """The verdict and its reason, and what was not sent and what was missed, whatever the verdict."""
    more = [] if is_search(summary) else [not_sent_sentence(summary), missed_sentence(summary)]
    return " ".join(part for part in (_reason(summary), *more) if part)


def previous_sentence(summary: Summary) -> str:
    """The comparison with the last good run with the same settings; empty if there is none."""
    previous = summary.get("previous")
    return "" if previous is None else previous["sentence"]


def missed_sentence(summary: Summary) -> str:
    """Deliveries that members missed while disconnected, which `lost` does not include; empty if there were none."""
    missed = summary["messages"].get("missed")
    if not missed:
        return ""
    return f"Missed: {missed:,} deliveries to members whose connections had dropped."


def not_sent_sentence(summary: Summary) -> str:
    """How many of the messages that were due were not sent, and why; empty if all were sent."""
    messages = summary["messages"]
    by_cause = numbers(messages.get("send_failed_by") or {})
    offered = messages.get("offered")
    if not offered or not any(by_cause.values()):
        return ""
    parts = [f"{count:,} ({name}: {NOT_SENT_WORDS[name]})" for name, count in by_cause.items() if count]
    return f"Not sent: {', '.join(parts)}, of {offered:,} messages due."


def _reason(summary: Summary) -> str:
    slos = summary["slo"]
    errors = [doubt["name"] for doubt in summary["doubts"] if doubt["level"] == "error"]
    if is_search(summary) and errors in ([], ["client_bound"]):
        return capacity_sentence(summary)
    if summary["verdict"] == "invalid":
        names = [name.replace("_", " ") for name in errors]
        return f"The figures of this run cannot be trusted: {', '.join(names)}."
    if summary["verdict"] == "fail":
        unmet = [slo["expression"] for slo in slos if slo["verdict"] != "pass"]
        return f"{len(unmet)} of {len(slos)} SLOs not met: {', '.join(unmet)}."
    if not slos:
        return "No SLO was set, and nothing speaks against the figures of this run."
    return f"All {len(slos)} SLOs were met." if len(slos) > 1 else f"{slos[0]['expression']} was met."


NOT_SENT_WORDS = {
    "service": "it ended, refused or did not answer the connection, or read nothing from it",
    "plan": "the run itself had ended the connection, or not begun it",
    "generator": "too late, or no file, port or request was free",
}


def exit_sentences(summary: Summary) -> list[str]:
    """Why the exit code is not zero, besides the verdict and its SLOs; a sentence each.

    The worst of several codes is the process's: the others are shown with the code that they would have caused.
    """
    block = summary.get("exit")
    code = 0 if block is None else block["code"]
    return [
        f"{'Exit code' if each['code'] == code else 'This alone would be exit code'} {each['code']}: {each['message']}."
        for each in exit_reasons(summary)
    ]


def exit_reasons(summary: Summary) -> list[Reason]:
    """The reasons that verdict and SLOs do not state already."""
    block = summary.get("exit")
    return [] if block is None else [each for each in block["reasons"] if not each["judged"]]


def is_search(summary: Summary) -> bool:
    """Whether the run was a search for capacity."""
    return summary["capacity"] is not None


def capacity_sentence(summary: Summary) -> str:
    """The result of a search, and the SLO that it kept."""
    found = summary["capacity"]
    assert found is not None, "only of searches"
    answer = found.get("answer") or f"Capacity: {number(found['value'])}"
    demands = ", ".join(slo["expression"] for slo in summary["slo"])
    return f"{answer}. SLO: {demands}." if demands else f"{answer}."


# -- tables --------------------------------------------------------------------------------------------------


def slo_table(summary: Summary) -> Table:
    rows: list[list[str | Cell]] = []
    for slo in summary["slo"]:
        tone = "pass" if slo["verdict"] == "pass" else "fail"
        rows.append([slo["expression"], Cell(SLO_WORDS[slo["verdict"]], tone=tone), slo_value(slo), margin(slo)])
    return table(("SLO", "verdict", "measured", "margin"), rows, numeric_from=2)


def slo_value(slo: SloRow) -> str:
    """The measured value, times in ms."""
    if slo["value"] is None:
        return DASH
    demand = parse(slo["expression"])[0]
    unit = "ms" if demand.kind == "time" else demand.unit
    return f"{number(slo['value'])}{'' if unit in ('%', '/s') else ' '}{unit}".strip()


def metrics_table(summary: Summary) -> Table:
    header = (
        "metric (ms)",
        "count",
        "failures",
        "min",
        "mean",
        *(p.replace("_", ".") for p in PERCENTILE_COLUMNS),
        "max",
    )
    rows: list[list[str | Cell]] = []
    found = summary["metrics"]
    first = [name for name in (headline(summary), *(slo.subject for slo in slos_of(summary))) if name in found]
    for name in dict.fromkeys((*first, *found)):
        row = numbers(found[name])
        thin = set(thin_percentiles(row))
        percentiles = [Cell(millis(row[p]), faint=p in thin) for p in PERCENTILE_COLUMNS]
        rows.append(
            [
                name,
                number(row["count"]),
                number(row["failures"]),
                millis(row["min"]),
                millis(row["mean"]),
                *percentiles,
                millis(row["max"]),
            ]
        )
    return table(header, rows)


CONNECTION_WORDS = {
    "target": "requested",
    "requested_mean": "requested, mean of the measure phase",
    "open_mean": "open, mean of the measure phase",
    "requested_end": "requested at its end",
    "open_end": "open at its end",
    "opened": "opened",
    "failed": "failed attempts",
    "connecting": "attempts under way at the end",
    "dropped": "dropped",
    "reconnected": "reconnected",
    "recovered": "recovered",
    "cut": "cut by the scenario",
    "closed_by_plan": "closed by plan",
    "peak": "most at once",
}


def connections_table(summary: Summary) -> Table:
    found = numbers(summary["connections"])
    return table(("connections", "count"), [[words, number(found[key])] for key, words in CONNECTION_WORDS.items()])


MESSAGE_WORDS = {
    "offered": "offered (due)",
    "published": "published",
    "send_failed": "send failed",
    "expected": "expected deliveries",
    "delivered": "delivered",
    "lost": "lost",
    "missed": "missed while dropped",
    "duplicated": "duplicated",
    "reordered": "reordered",
    "replayed": "replayed by a recovery",
    "unknown": "of a type that the client does not know",
    "foreign": "foreign, of other runs",
    "misdelivered": "misdelivered",
    "corrupted": "corrupted",
    "billed_outbound": "billed outbound",
}
SOMETIMES = ("replayed", "misdelivered", "corrupted")
"""Rows that exist only with recoveries, or that reports of earlier versions do not have."""


def messages_table(summary: Summary) -> Table:
    found, rates = numbers(summary["messages"]), numbers(summary["rates"])
    per_s = {"offered": "offered_per_s", "published": "published_per_s", "delivered": "delivered_per_s"}
    rows: list[list[str | Cell]] = []
    for key, words in MESSAGE_WORDS.items():
        if (key in SOMETIMES and found.get(key) is None) or (key == "unknown" and not found.get(key)):
            continue
        rows.append([words, number(found[key]), number(rates[per_s[key]]) if key in per_s else ""])
        if key == "send_failed":
            by_cause = numbers(summary["messages"].get("send_failed_by") or {})
            rows += [[f"… by the {name}", number(count), ""] for name, count in by_cause.items() if count]
    rows += [[words, number(count), ""] for words, count in feature_counts(summary)]
    return table(("messages", "count", "per second"), rows)


def failures_table(summary: Summary) -> Table:
    """What failed, how often, and the first of each kind in words."""
    rows = [[f["metric"], f["label"], number(f["count"]), f.get("message", "")] for f in summary["failures"]]
    if not any(row[3] for row in rows):
        return table(("metric", "label", "count"), [row[:3] for row in rows], numeric_from=2)
    return table(("metric", "label", "count", "the first one"), rows, numeric_from=2, numeric_to=3)


def generator_table(summary: Summary) -> Table:
    found = summary["generator"]
    rows = [
        ["workers", number(found["workers"])],
        ["busiest second of a worker, % of a core", number(found["cpu_percent_max"])],
        ["event-loop lag, p99, ms", millis(found["loop_lag_ms_p99"])],
        ["send lag (due to sent), p99, ms", millis(found["send_lag_ms_p99"])],
        ["resident memory of the largest worker", size(found["rss_bytes_max"])],
        ["bytes sent / received", f"{size(summary['bytes']['sent'])} / {size(summary['bytes']['received'])}"],
    ]
    return table(("generator", ""), rows)


def settings_table(summary: Summary) -> Table:
    """The settings that the user, the scenario or chance has set."""
    settings = summary["run"]["settings"].items()
    rows = [[name, shown(value)] for name, value in settings if not _is_default(name, value)]
    return table(("setting", "value"), rows, numeric_from=2)


def defaults_table(summary: Summary) -> Table:
    """The other settings, with their defaults."""
    settings = summary["run"]["settings"].items()
    rows = [[name, shown(value)] for name, value in settings if _is_default(name, value)]
    return table(("setting", "default"), rows, numeric_from=2)


_DEFAULTS: Mapping[str, str | bool] = {option.key: option.default for option in OPTIONS}


def _is_default(name: str, value: object) -> bool:
    return value is None or value == _DEFAULTS.get(name)


def environment_table(summary: Summary) -> Table:
    run = summary["run"]
    rows = [["run", run["id"]], ["started", run["started_at"]], ["seed", shown(run["seed"])]]
    rows += [[name, shown(value)] for name, value in (*run["versions"].items(), *run["host"].items())]
    rows += [["settings hash", run["settings_hash"]]]
    return table(("environment", ""), rows, numeric_from=2)


def shown(value: object) -> str:
    """A setting's value as a person writes it."""
    if value is None:
        return DASH
    if isinstance(value, bool):
        return "on" if value else "off"
    if isinstance(value, float):
        return f"{value:g}"
    if isinstance(value, (list, tuple)):
        return ", ".join(shown(item) for item in value)
    return str(value)


def is_closed_loop(summary: Summary) -> bool:
    """Whether the run's publishers waited for each answer (`--wps-rate max`)."""
    settings: Mapping[str, object] = summary["run"]["settings"]
    return settings.get("wps-rate") == "max" and not settings.get("wps-total-rate")
