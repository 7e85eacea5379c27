"""A comparison as GitHub-flavoured Markdown: the answer, the table, and notes."""

from __future__ import annotations

from wps_load.report import markdown, tables
from wps_load.report.compare import Comparison
from wps_load.report.figures import CONFIDENCE, Difference
from wps_load.report.tables import Cell

_WORDS = {"worse": "❌ worse", "better": "✅ better", "same": "same", "unclear": "unclear"}


def render(comparison: Comparison) -> str:
    rows = [_row(each) for each in comparison.differences if not each.population]
    own = [_row(each) for each in comparison.differences if each.population]
    header = ("figure", "verdict", "base", "new", "change", f"{CONFIDENCE:.0%} interval")
    notes = [f"- {markdown.escape(note)}" for note in (*comparison.notes, *_reasons(comparison))]
    parts = [
        f"## {_answer(comparison)}",
        f"Base: {_names(comparison.base)}. New: {_names(comparison.new)}.",
        markdown.rendered(tables.table(header, rows, numeric_from=2)) if rows else "Nothing to compare.",
        "### By population" if own else "",
        markdown.rendered(tables.table(header, own, numeric_from=2)) if own else "",
        "\n".join(notes),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def _answer(comparison: Comparison) -> str:
    """One line: a regression, or the smallest slowdown that would have been found, or that none could have been."""
    if comparison.regressed:
        worse = (difference.name for difference in comparison.differences if difference.verdict == "worse")
        return f"❌ Regression: {_names(tuple(worse))}"
    figures = len(comparison.differences)
    unclear = f"{comparison.unclear} of {figures} figures are unclear" if comparison.unclear else "no figure is unclear"
    seen = comparison.would_have_seen
    if not seen:
        return f"Unclear: these runs could not have shown a slowdown, more or longer ones are needed ({unclear})"
    shown = ", ".join(f"{d.name} from {_percent(d.detectable)}" for d in seen)
    return f"✅ No regression: a slowdown would have been seen in {shown}; {unclear}"


def _percent(share: float | None) -> str:
    return f"{share or 0:.0%}" if (share or 0) >= 0.1 else f"{share or 0:.1%}"


def _names(names: tuple[str, ...]) -> str:
    return markdown.escape(", ".join(names))


def _reasons(comparison: Comparison) -> list[str]:
    return [f"{found.name}: {found.reason}." for found in comparison.differences if found.reason]


def _row(difference: Difference) -> list[str | Cell]:
    return [*texts(difference)]


def texts(difference: Difference) -> tuple[str, str, str, str, str, str]:
    """Its name and verdict, the values before and now, the change, and the interval of the change."""
    interval = tables.DASH
    if difference.low is not None and difference.high is not None:
        interval = f"{_change(difference, difference.low)} … {_change(difference, difference.high)}"
    return (
        difference.name,
        _WORDS[difference.verdict],
        _figure(difference, difference.base),
        _figure(difference, difference.new),
        _change(difference, difference.change),
        interval,
    )


def _figure(difference: Difference, value: float | None) -> str:
    if value is None:
        return tables.DASH
    if difference.unit == "ms":
        return f"{tables.millis(value)} ms"
    return f"{value:.3%}" if difference.unit == "share" else f"{tables.number(value)}/s"


def _change(difference: Difference, value: float | None) -> str:
    """The change in percent of the base; for shares in percentage points."""
    if value is None:
        return tables.DASH
    return f"{value * 100:+.3f} pp" if difference.unit == "share" else f"{value:+.1%}"
