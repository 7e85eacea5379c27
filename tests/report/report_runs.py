"""Made-up runs for the tests of reports: lognormal latencies around a level, second by second, from a
seed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from wps_load.measure.histogram import Histogram
from wps_load.measure.ledger import LedgerTotals
from wps_load.measure.snapshot import Snapshot
from wps_load.measure.thresholds import parse
from wps_load.report import files
from wps_load.report.appended import AppendedFiles
from wps_load.report.document import Summary
from wps_load.report.interval import Interval
from wps_load.report.model import ConnectionCounts, GeneratorHealth, PhaseSpan, RunFacts

STARTED = datetime(2026, 3, 14, 9, 26, 53, tzinfo=UTC)
CONNECT_S, DRAIN_S = 3, 2
PARTS = {
    "connect_dns": 0.4,
    "connect_tcp": 1.1,
    "connect_tls": 4.5,
    "connect_upgrade": 2.6,
    "connect_ready": 0.7,
}


def lognormal_ns(rng: np.random.Generator, median_ms: float, n: int, sigma: float = 0.35) -> list[int]:
    times: list[int] = (median_ms * 1e6 * rng.lognormal(0.0, sigma, n)).astype(np.int64).tolist()
    return times


def histogram(values_ns: Sequence[int]) -> Histogram:
    found = Histogram()
    found.record_many(values_ns)
    return found


def autocorrelated(rng: np.random.Generator, n: int, phi: float, sd: float) -> np.ndarray[Any, Any]:
    """An AR(1) series with mean 0, standard deviation `sd` and lag-1 correlation `phi`."""
    noise = rng.normal(0.0, sd * np.sqrt(1 - phi * phi), n)
    series = np.empty(n)
    series[0] = rng.normal(0.0, sd)
    for i in range(1, n):
        series[i] = phi * series[i - 1] + noise[i]
    return series


@dataclass(frozen=True, slots=True, kw_only=True)
class MadeRun(RunFacts):
    """`course`: the seconds that its timeline and its histogram log are made of."""

    course: Sequence[Interval] = ()


def append(folder: Path, run: MadeRun) -> None:
    """What a run writes while it goes on."""
    course = AppendedFiles(folder, lambda: run.started_at)
    for second in run.course:
        course.add(second)
    course.close()
    assert course.error is None


def write(folder: Path, run: MadeRun) -> Summary:
    """All files of a finished run."""
    append(folder, run)
    return files.write_run(folder, run)


@cache
def _course(
    seed: int, measure_s: int, users: int, rate: int, median_ms: float, levels: tuple[float, ...] | None
) -> tuple[dict[str, Histogram], list[Interval], list[dict[str, object]]]:
    """What takes time to make: the whole run's histograms, the log, the timeline."""
    rng = np.random.default_rng(seed)
    total, seconds, rows = Snapshot(), [], []
    for second in range(CONNECT_S + measure_s + DRAIN_S):
        phase = "connect" if second < CONNECT_S else "measure" if second < CONNECT_S + measure_s else "drain"
        interval = Snapshot()
        if phase == "connect":
            opened = users // CONNECT_S if second else users - users // CONNECT_S * (CONNECT_S - 1)
            parts = {name: lognormal_ns(rng, ms, opened) for name, ms in PARTS.items()}
            interval.histograms = {name: histogram(values) for name, values in parts.items()}
            whole = [sum(times) + 150_000 for times in zip(*parts.values(), strict=True)]
            interval.histograms["connect"] = histogram(whole)
        if phase == "measure":
            level = median_ms * (1.0 if levels is None else float(levels[second - CONNECT_S]))
            times = lognormal_ns(rng, level, rate)
            interval.histograms = {
                "rtt": histogram(times),
                "rtt_service": histogram([t - 80_000 for t in times]),
            }
        count = rate if phase == "measure" else 0
        made = Interval(
            float(second),
            second + 1.0,
            {phase: 1.0},
            min(users, users * (second + 1) // CONNECT_S),
            round(float(rng.normal(22.0, 3.0)), 1),
            {"offered": count, "published": count, "delivered": count},
            interval,
        )
        lags = {name: round(float(rng.gamma(2.0, scale)), 3) for name, scale in (("loop", 0.2), ("send", 0.1))}
        rows.append(made.row() | {f"{name}_lag_ms_p99": value for name, value in lags.items()})
        seconds.append(made)
        total.merge(interval)
    return total.histograms, seconds, rows


def facts(
    *,
    seed: int = 1,
    measure_s: int = 30,
    users: int = 50,
    rate: int = 100,
    median_ms: float = 12.0,
    levels: Sequence[float] | None = None,
    lost: int = 0,
    slo: str = "rtt p99 < 250ms, loss = 0, connected >= 99.9%",
    failures: dict[tuple[str, str], int] | None = None,
    **changes: Any,
) -> MadeRun:
    """An echo run of `rate` messages a second. `levels`: a factor on the median for each second of the
    measure phase."""
    course = _course(seed, measure_s, users, rate, median_ms, None if levels is None else tuple(map(float, levels)))
    histograms, intervals, seconds = course
    rows = [dict(row) for row in seconds]
    published = rate * measure_s
    made = MadeRun(
        run_id="7f3a9c01",
        started_at=STARTED,
        duration_s=float(CONNECT_S + measure_s),
        scenario="echo",
        protocol="json",
        target="embedded emulator at http://127.0.0.1:41873",
        settings={
            "users": users,
            "spawn-rate": 25.0,
            "run-time": float(CONNECT_S + measure_s),
            "wps-scenario": "echo",
            "wps-protocol": "json",
            "wps-rate": "2",
            "wps-payload": "2KiB",
            "wps-slo": slo,
            "wps-insecure": False,
            "wps-seed": "42",
        },
        settings_hash="0123456789abcdef",
        seed=42,
        versions={"wps-load": "0.1.0", "locust": "2.47.0", "python": "3.11.9"},
        host={"os": "Linux 6.1", "cpus": 2},
        connections=ConnectionCounts(
            target=users,
            requested_mean=float(users),
            requested_end=users,
            open_mean=float(users),
            open_end=users,
            connecting=0,
            opened=users,
            failed=0,
            dropped=0,
            reconnected=0,
            recovered=0,
            cut=0,
            closed_by_plan=users,
            peak=users,
        ),
        offered=published,
        totals=LedgerTotals(
            published=published,
            send_failed=0,
            expected=published,
            delivered=published - lost,
            lost=lost,
            duplicated=0,
            reordered=0,
        ),
        billed_outbound=published * 2,
        bytes_sent=published * 2200,
        bytes_received=published * 2250,
        measure_s=float(measure_s),
        snapshot=Snapshot(dict(histograms), dict(failures or {})),
        course=intervals,
        timeline=rows,
        phases=[
            PhaseSpan("connect", 0.0, float(CONNECT_S)),
            PhaseSpan("measure", float(CONNECT_S), float(measure_s)),
            PhaseSpan("drain", float(CONNECT_S + measure_s), float(DRAIN_S)),
        ],
        generator=GeneratorHealth(
            workers=1,
            cpu_percent_max=31.0,
            loop_lag_ms_p99=0.9,
            send_lag_ms_p99=0.4,
            rss_bytes_max=92 << 20,
            send_stalls=0,
            gc_pause_ms_max=1.2,
        ),
        slos=parse(slo) if slo else (),
    )
    return replace(made, **changes)
