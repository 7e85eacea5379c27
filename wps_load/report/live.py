"""The live line of a run. Pure text: the owner of the terminal writes it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from wps_load.report.live_populations import PopulationNow, beyond, not_met, worst_first
from wps_load.report.tables import DASH, millis, seconds

_FULL, _EMPTY = "█", "░"
_PARTS = " ▏▎▍▌▋▊▉"
_BAR_WIDTH = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class LiveState:
    """The state of a run. `elapsed_s` and `total_s` are of the whole run; without a time limit `total_s` is None.

    `connects_per_s`: if connections are what the run is about, or what it is doing: new ones a second, shown instead of
    the messages. `metric`: the latency shown (`rtt`, `delivery`, ...), over the last seconds. `limit_ms` and
    `limit_percentile`: the SLO on it, if there is one, such as 1000.0 and "p99". `lost`: gaps seen so far. `failed`:
    attempts to connect that failed so far, by label; `failed_most`: the population with most of them, in a mix.
    `counts`: what this scenario is about, such as cuts and recoveries, in the order in which it is shown.
    `populations`: of a mix; the worst of them is shown instead of the run's latency.
    """

    phase: str
    elapsed_s: float
    total_s: float | None
    connections: int
    target: int
    published_per_s: float | None
    delivered_per_s: float | None
    metric: str
    p50_ms: float | None
    p99_ms: float | None
    lost: int | None
    limit_ms: float | None = None
    limit_percentile: str | None = None
    connects_per_s: float | None = None
    failed: Mapping[str, int] = field(default_factory=dict)
    failed_most: str = ""
    counts: Mapping[str, int] = field(default_factory=dict)
    populations: Sequence[PopulationNow] = ()


class LinePart(NamedTuple):
    """`rank`: the higher, the sooner the part is left out."""

    rank: int
    text: str


def live_line(state: LiveState, width: int | None) -> str:
    """The state in one line without a line end: for a terminal of `width` columns, never wider and with a bar.

    For None (a file, a CI log) it is complete, except for populations beyond the worst six, and without a bar.

    What does not fit is left out by whole parts, the least important first; the latency, or what the run is about
    instead, last.
    """
    parts = [LinePart(1, _clock(state)), *_parts(state)]
    if width is None:
        return " | ".join(part.text for part in parts)
    if state.total_s:
        parts.insert(0, LinePart(9, _bar(state)))
    while len(line := _joined(parts)) > width and len(parts) > 1:
        parts.remove(max(parts, key=lambda part: part.rank))
    return line[:width]


def _joined(parts: Sequence[LinePart]) -> str:
    return "  ".join(part.text for part in parts)


def settle_line(*, in_time: bool, seconds: float, users: int, connected: int, joiners: int, joined: int) -> str:
    """The result of connecting, when all users have connected and joined or failed once, or that took too long.

    `joiners`: those of the users that are to join groups. A user that is not in its groups hears nothing.
    """
    head = f"Settled after {seconds:.1f} s" if in_time else f"Not settled after {seconds:.1f} s (--wps-settle)"
    line = f"{head}: {connected:,} of {users:,} connected"
    if not joiners:
        return line
    line += f", {joined:,} of {joiners:,} joined"
    return (
        line
        if joined == joiners
        else f"{line}; users outside their groups hear nothing: see the failures of join_group"
    )


def progress_bar(share: float, width: int = _BAR_WIDTH) -> str:
    """A bar of `width` characters, to an eighth of a character; a share outside 0..1 becomes its nearest end."""
    eighths = round(min(max(share, 0.0), 1.0) * width * 8)
    full, rest = divmod(eighths, 8)
    part = _PARTS[rest] if rest else ""
    return _FULL * full + part + _EMPTY * (width - full - len(part))


def _bar(state: LiveState) -> str:
    return progress_bar(state.elapsed_s / state.total_s if state.total_s else 0.0)


def _clock(state: LiveState) -> str:
    if state.total_s is None:
        return f"{state.phase} {seconds(round(state.elapsed_s))}"
    left = max(state.total_s - state.elapsed_s, 0.0)
    return f"{state.phase} {seconds(round(left))} left"


_MOST_OTHERS = 5
"""The most populations beside the worst one; a log's lines may be long."""


def _parts(state: LiveState) -> list[LinePart]:
    connected = f"{state.connections:,}/{state.target:,} connected"
    if state.populations:
        worst, *others = worst_first(state.populations)
        more = not_met(state.populations) - sum(demand.met is False for demand in worst.demands)
        head = [LinePart(0, worst.text), *([LinePart(1, f"{more} more SLO{'s' * (more > 1)} not met")] if more else [])]
        head += [LinePart(10 + place, each.text) for place, each in enumerate(others[:_MOST_OTHERS])]
        head += [LinePart(2, connected)]
    elif state.connects_per_s is None:
        head = [LinePart(2, connected), LinePart(0, _latency(state))]
    else:
        head = [LinePart(0, f"{connected}, {_rate(state.connects_per_s)}"), LinePart(4, _latency(state))]
    if state.failed:
        head.append(LinePart(3, _failed(state.failed, state.failed_most)))
    head += [LinePart(3, f"{name} {count:,}") for name, count in state.counts.items()]
    if state.connects_per_s is not None:
        return head
    lost = DASH if state.lost is None else f"{state.lost:,}"
    return [
        *head,
        LinePart(5, f"lost {lost}"),
        LinePart(7, f"out {_rate(state.published_per_s)}"),
        LinePart(6, f"in {_rate(state.delivered_per_s)}"),
    ]


def _failed(labels: Mapping[str, int], most: str) -> str:
    """How many attempts failed, the most frequent reason, and the population with most of them."""
    commonest = max(labels, key=lambda label: labels[label])
    others = f" and {len(labels) - 1} more" if len(labels) > 1 else ""
    whose = f", most of {most}" if most else ""
    return f"failed {sum(labels.values()):,} ({commonest}{others}{whose})"


def _latency(state: LiveState) -> str:
    text = f"{state.metric} p50 {millis(state.p50_ms)} p99 {millis(state.p99_ms)} ms"
    if state.limit_ms is None or state.limit_percentile not in ("p50", "p99"):
        return text
    value = state.p99_ms if state.limit_percentile == "p99" else state.p50_ms
    if value is None:
        return text
    return f"{text} {beyond(value, state.limit_ms, met=value <= state.limit_ms)}"


def _rate(per_s: float | None) -> str:
    return DASH if per_s is None else f"{per_s:,.0f}/s" if per_s >= 10 or per_s == 0 else f"{per_s:.1f}/s"
