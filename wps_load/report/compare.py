"""Did it get worse? The differences of runs, with confidence intervals, and a verdict for each.

A figure is called worse (or better) when its difference is beyond both floors, the relative and the absolute,
*and* its 99 % interval leaves zero out. "same": the whole interval lies within the floor. "unclear": anything
else, which is no regression: the runs were too short or too noisy to say.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np

from wps_load.clock import NS_PER_MS
from wps_load.errors import ExitCode, WpsLoadError
from wps_load.measure.histogram import Histogram
from wps_load.report import stats
from wps_load.report.load import Run, merged
from wps_load.report.series import Counted, counted_seconds, rate_seconds

SCHEMA = "wps-load.comparison/1"
DRAWS = 1000
CONFIDENCE = 0.99

LATENCIES = ("rtt", "delivery", "rest_publish", "publish_ack", "recover", "connect")
PERCENTILES = {"p50": 0.50, "p90": 0.90, "p99": 0.99}
MIN_SECONDS = 10
"""Fewer seconds with data on a side say nothing about how seconds vary."""
MIN_BEYOND = 20
"""Samples that must lie above a percentile on each side for it to be compared."""

MATTERS = frozenset(
    {
        "scenario",
        "protocol",
        "rate",
        "total_rate",
        "arrival",
        "payload",
        "payload_file",
        "data_type",
        "ack",
        "no_echo",
        "groups",
        "group_size",
        "publishers",
        "lifetime",
        "cut",
        "slow",
        "stages",
        "capacity",
        "emulator_faults",
        "users",
        "spawn_rate",
    }
)
"""The settings that `RunConfig.settings_hash` is made of, for naming those that differ."""

Outcome = Literal["worse", "better", "same", "unclear"]


class NotComparable(WpsLoadError):
    """The runs answer different questions; the message says which settings differ. Exit code 2."""


@dataclass(frozen=True, slots=True)
class Floors:
    """What is too small to matter: a difference must exceed `relative` and the absolute floor of its kind."""

    relative: float = 0.05
    latency_ms: float = 0.2
    share: float = 0.001


@dataclass(frozen=True, slots=True)
class Difference:
    """One figure on both sides. `change`, `low`, `high`: relative for latencies and rates (0.1: a tenth
    more), in shares for loss and failures. `reason`: why there is no verdict."""

    name: str
    unit: str
    base: float | None
    new: float | None
    change: float | None
    low: float | None
    high: float | None
    verdict: Outcome
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Comparison:
    base: tuple[str, ...]
    new: tuple[str, ...]
    differences: tuple[Difference, ...]
    notes: tuple[str, ...]

    @property
    def regressed(self) -> bool:
        return any(difference.verdict == "worse" for difference in self.differences)

    @property
    def exit_code(self) -> ExitCode:
        return ExitCode.REGRESSION if self.regressed else ExitCode.PASSED

    def to_json(self) -> dict[str, Any]:
        return {"schema": SCHEMA, "regressed": self.regressed, "confidence": CONFIDENCE, **asdict(self)}


def compare(base: Sequence[Run], new: Sequence[Run], *, floors: Floors | None = None, seed: int = 0) -> Comparison:
    """Compares one or more runs a side; the same `seed` gives the same answer.

    Raises NotComparable when the runs had different settings, or one of them is invalid.
    """
    _refuse(base, new)
    floors = floors or Floors()
    rng = np.random.default_rng(seed)
    differences = [
        difference
        for metric in LATENCIES
        if any(run.count(metric) for run in base) and any(run.count(metric) for run in new)
        for difference in _latency(metric, base, new, floors, rng)
    ]
    if any(run.summary["messages"]["delivered"] for run in (*base, *new)):
        differences.append(_rate(base, new, floors, rng))
    differences += _shares(base, new, floors)
    names = tuple(run.name for run in base), tuple(run.name for run in new)
    return Comparison(*names, tuple(differences), tuple(_notes(base, new)))


# -- may they be compared ------------------------------------------------------------------------------------


def _refuse(base: Sequence[Run], new: Sequence[Run]) -> None:
    runs = [*base, *new]
    if not base or not new:
        raise NotComparable("A comparison needs at least one run a side.")
    for run in runs:
        if run.summary["verdict"] == "invalid":
            doubts = ", ".join(d["name"] for d in run.summary["doubts"] if d["level"] == "error")
            raise NotComparable(f"{run.name} is invalid ({doubts}): its figures cannot be compared.")
    first = runs[0].summary["run"]
    for run in runs[1:]:
        other = run.summary["run"]
        if other["settings_hash"] != first["settings_hash"]:
            differing = "; ".join(different_settings(first, other)) or "the settings' hash"
            raise NotComparable(f"{runs[0].name} and {run.name} were different tests: {differing}.")


def different_settings(a: dict[str, Any], b: dict[str, Any]) -> list[str]:
    """Those that matter, as `name: a, b`."""
    found = [f"{key}: {a[key]}, {b[key]}" for key in ("scenario", "protocol") if a[key] != b[key]]
    names = dict.fromkeys((*a["settings"], *b["settings"]))
    for name in names:
        one, other = a["settings"].get(name), b["settings"].get(name)
        word = name.removeprefix("wps-").replace("-", "_")
        if one != other and word in MATTERS - {"scenario", "protocol"}:
            found.append(f"{name}: {one}, {other}")
    kinds = [run["target"].startswith("embedded emulator") for run in (a, b)]
    return found + ([f"target: {a['target']}, {b['target']}"] if kinds[0] != kinds[1] else [])


def _notes(base: Sequence[Run], new: Sequence[Run]) -> list[str]:
    notes = []
    for key, words in (("host", "The load came from different machines"), ("versions", "Versions differ")):
        kinds = [repr(sorted(run.summary["run"][key].items())) for run in (*base, *new)]
        if len(set(kinds)) > 1:
            notes.append(f"{words}: part of a difference may be theirs.")
    if len(base) == 1 or len(new) == 1:
        notes.append("With one run a side, how much runs differ from each other is unknown; three or more a side tell.")
    return notes


# -- the figures ---------------------------------------------------------------------------------------------


def _latency(
    metric: str, base: Sequence[Run], new: Sequence[Run], floors: Floors, rng: np.random.Generator
) -> list[Difference]:
    """The percentiles of one metric, from histograms of resampled seconds."""
    a, b, values = counted_seconds(metric, base, new)
    fewest = min(a.seconds, b.seconds)
    if fewest < MIN_SECONDS:
        reason = f"only {fewest} seconds with data; {MIN_SECONDS} are needed"
        return [_unjudged(base, new, metric, name, reason) for name in PERCENTILES]
    shares = list(PERCENTILES.values())
    logs = []
    for side in (a, b):
        whole, draws, wider = stats.resampled_counts(side.runs, side.levels, DRAWS, rng)
        point = stats.percentiles_of_counts(whole[None, :], values, shares)[0]
        logs.append((np.log(stats.percentiles_of_counts(draws, values, shares)) - np.log(point)) * wider)
    exact = [merged(second for run in side for second in run.log.get(metric, ())) for side in (base, new)]
    samples = min(histogram.count for histogram in exact)
    found = []
    for i, (name, share) in enumerate(PERCENTILES.items()):
        beyond = round(samples * (1 - share), 6)
        if beyond < MIN_BEYOND:
            reason = f"only {beyond:.0f} samples above it; {MIN_BEYOND} are needed"
            found.append(_unjudged(base, new, metric, name, reason))
            continue
        pair = _ms(exact[0], share), _ms(exact[1], share)
        deviations = logs[0][:, i], logs[1][:, i]
        found.append(_judged(f"{metric} {name}", "ms", pair, deviations, floors, floors.latency_ms))
    return found


def _ms(histogram: Histogram, share: float) -> float:
    return max(histogram.percentile(share * 100) or 0, 1) / NS_PER_MS


def _rate(base: Sequence[Run], new: Sequence[Run], floors: Floors, rng: np.random.Generator) -> Difference:
    """Deliveries per second of the measure phase."""
    sides = [rate_seconds("delivered", side) for side in (base, new)]
    fewest = min(sum(len(run) for run in side) for side in sides)
    means = [float(np.concatenate(side).mean()) if side else 0.0 for side in sides]
    if fewest < MIN_SECONDS or min(means) <= 0:
        few = f"only {fewest} seconds with data; {MIN_SECONDS} are needed"
        reason = few if fewest < MIN_SECONDS else "a side delivered nothing"
        return Difference("delivered", "per second", means[0], means[1], None, None, None, "unclear", reason)
    logs = []
    for side, mean in zip(sides, means, strict=True):
        seconds = [np.column_stack((run, np.ones(len(run)))) for run in side]  # [sum of rates, number of seconds]
        _, draws, wider = stats.resampled_counts(seconds, side, DRAWS, rng)
        logs.append(np.log(np.maximum(draws[:, 0] / draws[:, 1], 1e-9) / mean) * wider)
    return _judged("delivered", "per second", (means[0], means[1]), (logs[0], logs[1]), floors, 0.0, up_is_bad=False)


def _judged(
    name: str,
    unit: str,
    points: tuple[float, float],
    deviations: tuple[stats.Floats, stats.Floats],
    floors: Floors,
    absolute: float,
    *,
    up_is_bad: bool = True,
) -> Difference:
    """From both sides' figures, and the logarithms of their resamples over them."""
    base, new = points
    tail = (1 - CONFIDENCE) / 2 * 100
    ends = np.percentile(np.log(new / base) + deviations[1] - deviations[0], [tail, 100 - tail])
    low, high = (float(end) for end in np.expm1(ends))
    change = new / base - 1
    verdict = _outcome(change, low, high, max(floors.relative, absolute / base), up_is_bad)
    return Difference(name, unit, round(base, 3), round(new, 3), change, low, high, verdict)


def _outcome(change: float, low: float, high: float, floor: float, up_is_bad: bool) -> Outcome:
    if abs(change) > floor and (low > 0 or high < 0):
        return "worse" if (change > 0) is up_is_bad else "better"
    return "same" if -floor <= low and high <= floor else "unclear"


def _unjudged(base: Sequence[Run], new: Sequence[Run], metric: str, percentile: str, reason: str) -> Difference:
    """Shown, not judged: the figure of each side's summary where a side is one run."""
    a, b = (side[0].summary["metrics"][metric][percentile] if len(side) == 1 else None for side in (base, new))
    return Difference(f"{metric} {percentile}", "ms", a, b, None, None, None, "unclear", reason)


def _shares(base: Sequence[Run], new: Sequence[Run], floors: Floors) -> list[Difference]:
    """Loss, duplicates and failed connections as shares of what there was."""
    found = []
    for name, section, hits, of in (
        ("lost", "messages", "lost", ("expected",)),
        ("duplicated", "messages", "duplicated", ("delivered",)),
        ("connect failures", "connections", "failed", ("opened", "failed")),
    ):
        a, b = (Counted(_sum(side, section, (hits,)), _sum(side, section, of)) for side in (base, new))
        if a.of and b.of:
            found.append(_share(name, a, b, floors))
    return found


def _sum(side: Sequence[Run], section: str, names: Sequence[str]) -> int:
    return sum(run.summary[section][name] or 0 for run in side for name in names)


def _share(name: str, base: Counted, new: Counted, floors: Floors) -> Difference:
    a, b = base.hits / base.of, new.hits / new.of
    low, high = stats.newcombe(min(base.hits, base.of), base.of, min(new.hits, new.of), new.of)
    floor = max(floors.share, floors.relative * a)
    return Difference(name, "share", a, b, b - a, low, high, _outcome(b - a, low, high, floor, up_is_bad=True))
