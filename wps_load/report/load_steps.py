"""Load in steps, in words and rows: a search's sentences for each step and at its end; a step in the summary."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from wps_load.capacity.search import BoundBy, Found, Outcome
from wps_load.report import document
from wps_load.report.evidence import thin_percentiles
from wps_load.report.step_doubts import both_at


class MeasuredStep(Protocol):
    """One step of load, as the report needs it."""

    @property
    def load(self) -> int: ...

    @property
    def from_s(self) -> int: ...

    @property
    def rows(self) -> Sequence[document.Row]: ...

    @property
    def measure_s(self) -> float: ...

    def row(self, metric: str) -> document.Row: ...

    def total(self, column: str) -> int: ...


def unit(variable: str) -> str:
    """The unit of what is searched for: `users` or the rate."""
    return "users" if variable == "users" else "messages/s"


def progress(number: int, load: int, variable: str, outcome: Outcome, reasons: Sequence[str]) -> str:
    """The sentence of a search after each step."""
    because = f" ({'; '.join(reasons)})" if reasons else ""
    return f"Step {number}: {load:,} {unit(variable)} {outcome}{because}"


def answer(found: Found | None, variable: str, steps: Sequence[document.StepRow]) -> str:
    """The result, in a sentence."""
    of = unit(variable)
    if found is None:
        return "Capacity: the search did not begin"
    if found.bound_by is BoundBy.GENERATOR:
        known = f"at least {found.value:,} {of}" if found.value else "unknown"
        return f"Capacity: {known}; client-bound at {steps[-1]['load']:,} {of}: add workers"
    if found.value is None:
        return f"Capacity: below {found.high:,} {of}" if found.high else "Capacity: nothing was measured"
    if found.high is None:
        return f"Capacity: at least {found.value:,} {of}"
    until = " (the time was up before the search was)" if found.bound_by is BoundBy.TIME else ""
    both = both_at(steps, found.high)
    return f"Capacity: {found.value:,} {of}, below {found.high:,}{until}{f', {both}' if both else ''}"


def describe(step: MeasuredStep, main_metric: str, outcome: Outcome | None, reasons: Sequence[str]) -> document.StepRow:
    """A step as the summary shows it."""
    row = step.row(main_metric)
    return {
        "load": step.load,
        "from_s": step.from_s,
        "duration_s": step.measure_s,
        "users": max((int(each["users"] or 0) for each in step.rows), default=0),
        "published_per_s": round(step.total("published") / step.measure_s, 3),
        "delivered_per_s": round(step.total("delivered") / step.measure_s, 3),
        "lost": max(0, step.total("lost")),
        "metric": main_metric,
        "p50": row["p50"],
        "p99": row["p99"],
        "samples": int(row["count"] or 0),
        "few_samples": bool({"p50", "p99"} & set(thin_percentiles(row))),
        "cpu_percent_max": max((float(each["cpu_percent"] or 0) for each in step.rows), default=None),
        "outcome": None if outcome is None else outcome.value,
        "reasons": list(reasons),
    }
