"""The charts of runs in steps: load against throughput and latency, and each step by itself."""

from __future__ import annotations

from collections.abc import Sequence

from wps_load.report import axes
from wps_load.report.charts import thinned
from wps_load.report.document import StepRow, Summary, numbers
from wps_load.report.drawing import Chart, Mark, Polyline, Rule
from wps_load.report.step_texts import UNITS, knee_load, steps, variable
from wps_load.report.tables import is_search, number

_SIGNS = {"held": ("●", 3, "held"), "failed": ("✕", 4, "failed"), "generator": ("◆", 2, "the generator’s limit")}


def curve(summary: Summary) -> tuple[Chart, ...]:
    """Load against deliveries a second, and against the latency, with the answer or the knee; none without steps."""
    found = steps(summary)
    if not found:
        return ()
    search = is_search(summary)
    at = summary["capacity"]["value"] if summary["capacity"] is not None else knee_load(summary)
    rules = [] if at is None else [Rule("x", float(at), f"{'answer' if search else 'knee'}: {number(at)}", "link")]
    x = axes.of_values([step["load"] for step in found], UNITS[variable(summary)])
    metric = f"{found[0]['metric']} p99"
    return (
        _panel("curve", "throughput by load", found, "delivered_per_s", x, "delivered/s", rules, search=search),
        _panel("curve-latency", "latency by load", found, "p99", x, f"{metric}, ms", rules, search=search, log=True),
    )


def _panel(
    name: str,
    label: str,
    found: Sequence[StepRow],
    key: str,
    x: axes.Axis,
    title: str,
    rules: Sequence[Rule],
    *,
    search: bool,
    log: bool = False,
) -> Chart:
    known = [(step, value) for step in found if (value := numbers(step)[key]) is not None]
    y = axes.of_values([value for _, value in known], title, may_be_log=log)
    loads, means = _means([(step["load"], value) for step, value in known])
    plain = ("●", 1, "")
    signs = {step["outcome"]: _SIGNS.get(step["outcome"] or "", plain) if search else plain for step, _ in known}
    marks = [
        Mark(
            step["load"],
            value,
            slot,
            sign,
            f"{number(step['load'])} {x.title}: {number(value)} {title} {words}",
        )
        for step, value in known
        for sign, slot, words in (signs[step["outcome"]],)
    ]
    keys = [(f"{sign} {words}", slot) for sign, slot, words in dict.fromkeys(signs.values()) if words]
    line = Polyline("", loads, means, 2 if log else 1)
    return Chart(name, label, x, y, [line], rules=rules, marks=marks, keys=keys, unit=title)


def _means(found: Sequence[tuple[float, float]]) -> tuple[list[float], list[float | None]]:
    """The mean of the steps at each load, ascending."""
    by_load: dict[float, list[float]] = {}
    for load, value in found:
        by_load.setdefault(load, []).append(value)
    loads = sorted(by_load)
    return loads, [sum(by_load[load]) / len(by_load[load]) for load in loads]


def one_step(summary: Summary, number_: int, step: StepRow) -> Chart | None:
    """Latency in the seconds of one step."""
    metric, end_s = step["metric"], step["from_s"] + step["duration_s"]
    rows = [row for row in summary["timeline"] if step["from_s"] < row["t_s"] <= end_s]
    seconds, columns = thinned(rows, [f"{metric}_p50", f"{metric}_p99"])
    lines = [
        Polyline(p, seconds, columns[f"{metric}_{p}"], slot)
        for p, slot in (("p50", 1), ("p99", 2))
        if any(value is not None for value in columns[f"{metric}_{p}"])
    ]
    if not lines:
        return None
    x = axes.linear(step["from_s"], end_s, "", wanted=4, fitted=True)
    y = axes.of_values(axes.extent(line.ys for line in lines), "ms")
    return Chart(f"step-{number_}", f"latency during step {number_}", x, y, lines, unit="ms", size="low")
