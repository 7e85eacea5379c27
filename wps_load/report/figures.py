"""The figures of a comparison: each metric's percentiles, the rate, the shares, with intervals and a verdict.

A figure is called worse (or better) when its difference is beyond both floors, the relative and the absolute,
*and* its 99 % interval leaves zero out. "same": the whole interval lies within the floor. "unclear": anything
else, which is no regression: the runs were too short or too noisy to say.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from wps_load.clock import NS_PER_MS
from wps_load.measure.histogram import Histogram
from wps_load.report import stats
from wps_load.report.load import Run, merged
from wps_load.report.series import Counted, columns_of, counted_seconds, rates_of

DRAWS = 1000
CONFIDENCE = 0.99

LATENCIES = ("rtt", "delivery", "rest_publish", "publish_ack", "recover", "connect")
PERCENTILES = {"p50": 0.50, "p90": 0.90, "p99": 0.99}
MIN_SECONDS = 10
"""Fewer seconds with data on a side say nothing about how seconds vary."""
MIN_BEYOND = 20
"""Samples that must lie above a percentile on each side for it to be compared."""

Outcome = Literal["worse", "better", "same", "unclear"]
Pair = tuple[stats.Floats, stats.Floats]


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


def differences(base: Sequence[Run], new: Sequence[Run], floors: Floors, rng: np.random.Generator) -> list[Difference]:
    """All figures that at least one side has."""
    found: list[Difference] = []
    for metric in LATENCIES:
        present = [any(run.count(metric) for run in side) for side in (base, new)]
        if all(present):
            found += _latency(metric, base, new, floors, rng)
        elif any(present):
            reason = f"{'the base' if present[0] else 'the new side'} alone has data"
            found += [_unjudged(base, new, metric, name, reason) for name in PERCENTILES]
    if any(run.summary["messages"]["delivered"] for run in (*base, *new)):
        found.append(_rate(base, new, floors, rng))
    return [*found, *_shares(base, new, floors)]


def _latency(
    metric: str, base: Sequence[Run], new: Sequence[Run], floors: Floors, rng: np.random.Generator
) -> Iterator[Difference]:
    """The percentiles of one metric: from histograms where every run has them, else from the timelines."""
    has_logs = all(run.log.get(metric) for run in (*base, *new))
    found = (_from_histograms if has_logs else _from_timelines)(metric, base, new, rng)
    samples = min(sum(run.count(metric) for run in side) for side in (base, new))
    for name, share in PERCENTILES.items():
        beyond = round(samples * (1 - share), 6)
        if found is None:
            reason = f"fewer than {MIN_SECONDS} seconds with data on a side"
            yield _unjudged(base, new, metric, name, reason)
        elif beyond < MIN_BEYOND:
            reason = f"only {beyond:.0f} samples above it on a side; {MIN_BEYOND} are needed"
            yield _unjudged(base, new, metric, name, reason)
        else:
            pair, deviations = found[name]
            yield _judged(f"{metric} {name}", "ms", pair, deviations, floors, floors.latency_ms)


Figures = dict[str, tuple[tuple[float, float], Pair]]
"""For each percentile both sides' figures in ms, and the logarithms of their resamples over them."""


def _from_histograms(metric: str, base: Sequence[Run], new: Sequence[Run], rng: np.random.Generator) -> Figures | None:
    """From the merged histograms of resampled seconds; None with too few seconds."""
    a, b, values = counted_seconds(metric, base, new)
    if min(a.seconds, b.seconds) < MIN_SECONDS:
        return None
    shares = list(PERCENTILES.values())
    logs = []
    for side in (a, b):
        whole, draws, wider = stats.resampled_counts(side.runs, side.levels, DRAWS, rng)
        point = stats.percentiles_of_counts(whole[None, :], values, shares)[0]
        logs.append((np.log(stats.percentiles_of_counts(draws, values, shares)) - np.log(point)) * wider)
    exact = [merged(second for run in side for second in run.log[metric]) for side in (base, new)]
    return {
        name: ((_ms(exact[0], share), _ms(exact[1], share)), (logs[0][:, i], logs[1][:, i]))
        for i, (name, share) in enumerate(PERCENTILES.items())
    }


def _ms(histogram: Histogram, share: float) -> float:
    return max(histogram.percentile(share * 100) or 0, 1) / NS_PER_MS


def _from_timelines(metric: str, base: Sequence[Run], new: Sequence[Run], rng: np.random.Generator) -> Figures | None:
    """From the percentiles of each second, where a summary alone is known: their geometric mean over the
    seconds."""
    found: Figures = {}
    for name in PERCENTILES:
        points, logs = [], []
        for side in (base, new):
            seconds = [np.log(np.maximum(run, 1e-6)) for run in columns_of(f"{metric}_{name}", side)]
            if sum(map(len, seconds)) < MIN_SECONDS:
                return None
            mean, means, wider = _mean(seconds, rng)
            points.append(float(np.exp(mean)))
            logs.append((means - mean) * wider)
        found[name] = (points[0], points[1]), (logs[0], logs[1])
    return found


def _mean(runs: Sequence[stats.Floats], rng: np.random.Generator) -> tuple[float, stats.Floats, float]:
    """The mean of all seconds, its resamples, and how much to widen their deviations."""
    rows = [np.column_stack((run, np.ones(len(run)))) for run in runs]
    whole, draws, wider = stats.resampled_counts(rows, runs, DRAWS, rng)
    return float(whole[0] / whole[1]), draws[:, 0] / draws[:, 1], wider


def _rate(base: Sequence[Run], new: Sequence[Run], floors: Floors, rng: np.random.Generator) -> Difference:
    """Deliveries per second of the measure phase."""
    name, unit = "delivered", "per second"
    sides = [rates_of("delivered", side) for side in (base, new)]
    if min(sum(map(len, side)) for side in sides) < MIN_SECONDS:
        reason = f"fewer than {MIN_SECONDS} seconds with data on a side"
        return Difference(name, unit, None, None, None, None, None, "unclear", reason)
    means, logs = [], []
    for side in sides:
        mean, draws, wider = _mean(side, rng)
        means.append(mean)
        logs.append(np.log(np.maximum(draws, 1e-9) / max(mean, 1e-9)) * wider)
    if min(means) <= 0:
        verdict: Outcome = "worse" if means[1] < means[0] else "better"
        return Difference(name, unit, means[0], means[1], None, None, None, verdict, "a side delivered nothing")
    return _judged(name, unit, (means[0], means[1]), (logs[0], logs[1]), floors, 0.0, up_is_bad=False)


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
    a, b = (side[0].summary["metrics"].get(metric, {}) if len(side) == 1 else {} for side in (base, new))
    return Difference(
        f"{metric} {percentile}",
        "ms",
        a.get(percentile),
        b.get(percentile),
        None,
        None,
        None,
        "unclear",
        reason,
    )


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
