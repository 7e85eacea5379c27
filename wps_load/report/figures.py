"""The figures of a comparison: each metric's percentiles, the rate, the shares, with intervals and a verdict.

A figure is called worse (or better) when its difference is beyond both floors, the relative and the absolute, *and* its
99 % interval leaves zero out. "same": the whole interval lies within the floor. "unclear": anything else, which is not
a regression: the runs were too short or too noisy to tell. The variation between runs of one side is part of the
interval: `random_effects`.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from wps_load.measure.catalog import LATENCIES
from wps_load.report import significance
from wps_load.report.document import Row, numbers
from wps_load.report.estimates import MIN_SECONDS, PERCENTILES, Sides, from_histograms, from_timelines, mean_of
from wps_load.report.lookup import metric_row
from wps_load.report.random_effects import Estimate, log_difference
from wps_load.report.run_folder import PastRun
from wps_load.report.series import Counted, rates_of

CONFIDENCE = 0.99
POWER_FACTOR = 1 + 0.8416 / significance.Z_99
"""A difference this many times the interval's half-width is found in four of five comparisons.

The interval must exclude zero although the estimate itself scatters (z of 80 % power over z of 99 % confidence).
"""

MIN_BEYOND = 20
"""The samples that must lie above a percentile on each side for it to be compared."""
MIN_BEYOND_IN_RUN = 5
"""The same for each run, because each is judged by itself before its side is."""

Outcome = Literal["worse", "better", "same", "unclear"]


@dataclass(frozen=True, slots=True)
class Floors:
    """Differences that are too small to matter: they must exceed `relative` and the absolute floor of their kind."""

    relative: float = 0.05
    latency_ms: float = 0.2
    share: float = 0.001


@dataclass(frozen=True, slots=True)
class Difference:
    """One figure on both sides.

    `change`, `low`, `high`: relative for latencies and rates (0.1: a tenth more), in shares for loss and failures.
    `base` and `new` of several runs: their geometric mean. `detectable`: the smallest change for the worse that would
    have been found four times in five, in the same unit. `reason`: why there is no verdict. `population`: the one whose
    figure it is; empty: the whole run's.
    """

    name: str
    unit: str
    base: float | None = None
    new: float | None = None
    change: float | None = None
    low: float | None = None
    high: float | None = None
    verdict: Outcome = "unclear"
    detectable: float | None = None
    reason: str = ""
    population: str = ""


def differences(
    base: Sequence[PastRun],
    new: Sequence[PastRun],
    floors: Floors,
    rng: np.random.Generator,
    *,
    first: str = LATENCIES[0],
) -> list[Difference]:
    """All figures that at least one side has. `first`: the runs' main latency."""
    found: list[Difference] = []
    for metric in dict.fromkeys((first, *LATENCIES, "connect")):
        found += latency(metric, base, new, floors, rng)
    if any(run.summary["messages"]["delivered"] for run in (*base, *new)):
        found.append(_rate(base, new, floors, rng))
    return [*found, *shares(base, new, floors)]


def latency(
    metric: str, base: Sequence[PastRun], new: Sequence[PastRun], floors: Floors, rng: np.random.Generator
) -> Iterator[Difference]:
    """The percentiles of a metric that at least one side has."""
    present = [any(run.count(metric) for run in side) for side in (base, new)]
    if all(present):
        yield from _of_both(metric, base, new, floors, rng)
    elif any(present):
        reason = f"{'the base' if present[0] else 'the new side'} alone has data"
        yield from (_unjudged(base, new, metric, name, reason) for name in PERCENTILES)


def _of_both(
    metric: str, base: Sequence[PastRun], new: Sequence[PastRun], floors: Floors, rng: np.random.Generator
) -> Iterator[Difference]:
    """The percentiles of one metric: from histograms if every run has them, else from the timelines."""
    has_logs = all(run.log.get(metric) for run in (*base, *new))
    found = (from_histograms if has_logs else from_timelines)(metric, base, new, rng)
    counts = [[n for run in side if (n := run.count(metric))] for side in (base, new)]
    samples, smallest = min(map(sum, counts)), min(map(min, counts))
    for name, share in PERCENTILES.items():
        beyond, beyond_in_run = (round(n * (1 - share), 6) for n in (samples, smallest))
        if found is None:
            reason = f"fewer than {MIN_SECONDS} seconds with data on a side"
        elif beyond < MIN_BEYOND:
            reason = f"only {beyond:.0f} samples above it on a side; {MIN_BEYOND} are needed"
        elif beyond_in_run < MIN_BEYOND_IN_RUN:
            reason = f"only {beyond_in_run:.0f} samples above it in a run; {MIN_BEYOND_IN_RUN} are needed"
        else:
            yield _judged(f"{metric} {name}", "ms", found[name], floors, floors.latency_ms)
            continue
        yield _unjudged(base, new, metric, name, reason)


def _rate(base: Sequence[PastRun], new: Sequence[PastRun], floors: Floors, rng: np.random.Generator) -> Difference:
    """Deliveries per second of the measure phase."""
    name, unit = "delivered", "per second"
    sides = [rates_of("delivered", side) for side in (base, new)]
    if min(sum(map(len, side)) for side in sides) < MIN_SECONDS:
        reason = f"fewer than {MIN_SECONDS} seconds with data on a side"
        return Difference(name, unit, verdict="unclear", reason=reason)
    means = [[mean_of(run, rng) for run in side] for side in sides]
    whole = [float(np.concatenate(side).mean()) for side in sides]
    if min(mean for side in means for mean, _ in side) <= 0:
        verdict: Outcome = "worse" if whole[1] < whole[0] else "better" if whole[1] > whole[0] else "same"
        return Difference(name, unit, whole[0], whole[1], verdict=verdict, reason="a run delivered nothing")
    estimates = [[Estimate(math.log(mean), sd / mean) for mean, sd in side] for side in means]
    return _judged(name, unit, (estimates[0], estimates[1]), floors, 0.0, up_is_bad=False)


def _judged(
    name: str, unit: str, sides: Sides, floors: Floors, absolute: float, *, up_is_bad: bool = True
) -> Difference:
    found = log_difference(*sides, CONFIDENCE)
    base, new = math.exp(found.base), math.exp(found.new)
    floor = max(floors.relative, absolute / base)
    change, low, high = (math.expm1(x) for x in (found.new - found.base, found.low, found.high))
    verdict = _outcome(change, low, high, floor, up_is_bad)
    to_end = found.new - found.base - found.low if up_is_bad else found.high - (found.new - found.base)
    seen = math.expm1(to_end * POWER_FACTOR) if up_is_bad else -math.expm1(-to_end * POWER_FACTOR)
    return Difference(name, unit, round(base, 3), round(new, 3), change, low, high, verdict, max(seen, floor))


def _outcome(change: float, low: float, high: float, floor: float, up_is_bad: bool) -> Outcome:
    if abs(change) > floor and (low > 0 or high < 0):
        return "worse" if (change > 0) is up_is_bad else "better"
    return "same" if -floor <= low and high <= floor else "unclear"


def _unjudged(base: Sequence[PastRun], new: Sequence[PastRun], metric: str, percentile: str, reason: str) -> Difference:
    """A figure that is shown but not judged: the one of each side's summary, if a side is one run."""
    a, b = (metric_row(side[0].summary, metric) if len(side) == 1 else numbers({}) for side in (base, new))
    return Difference(f"{metric} {percentile}", "ms", a.get(percentile), b.get(percentile), reason=reason)


def shares(base: Sequence[PastRun], new: Sequence[PastRun], floors: Floors) -> list[Difference]:
    """Loss, duplicates and failed connections as shares."""
    found = []
    for name, section, hits, of in (
        ("lost", _messages, "lost", ("expected",)),
        ("duplicated", _messages, "duplicated", ("delivered",)),
        ("connect failures", _connections, "failed", ("opened", "failed")),
    ):
        a, b = ([_counted(section(run), hits, of) for run in side] for side in (base, new))
        if any(run.of for run in a) and any(run.of for run in b):
            found.append(_share(name, a, b, floors))
    return found


def _messages(run: PastRun) -> Row:
    return numbers(run.summary["messages"])


def _connections(run: PastRun) -> Row:
    return numbers(run.summary["connections"])


def _counted(counts: Row, hits: str, of: Sequence[str]) -> Counted:
    return Counted(int(counts[hits] or 0), int(sum(counts[name] or 0 for name in of)))


def _share(name: str, base: Sequence[Counted], new: Sequence[Counted], floors: Floors) -> Difference:
    """Runs whose shares differ by more than chance count as if fewer messages had been seen (quasi-binomial)."""
    spread = significance.overdispersion([[(run.hits, run.of) for run in side] for side in (base, new)])
    a, b = _sum(base), _sum(new)
    before, after = a.hits / a.of, b.hits / b.of
    change = after - before
    low, high = significance.newcombe(a.hits / spread, a.of / spread, b.hits / spread, b.of / spread)
    floor = max(floors.share, floors.relative * before)
    verdict = _outcome(change, low, high, floor, up_is_bad=True)
    seen = max((change - low) * POWER_FACTOR, floor)
    return Difference(name, "share", before, after, change, low, high, verdict, seen)


def _sum(side: Sequence[Counted]) -> Counted:
    of = sum(run.of for run in side)
    return Counted(min(sum(run.hits for run in side), of), of)
