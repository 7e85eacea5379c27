"""Made-up capacity searches and stages: a service that holds `LIMIT` messages a second, and is an M/M/1 queue."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import cache
from typing import Any

from tests.report.report_runs import facts
from wps_load.measure.thresholds import parse
from wps_load.report.model import RunFacts

LIMIT = 1000
SEARCHED = (100, 316, 1000, 562, 750, 866, 931, 966, 931, 966)


def step(load: int, at_s: float, *, outcome: str | None, users: int = 50, duration_s: float = 5.0) -> dict[str, Any]:
    """A step; above `LIMIT` deliveries stay at that rate, and latency is the growing queue."""
    busy = load / LIMIT
    p50_ms = 0.7 / (1 - busy) if busy < 1 else 1000 * (busy - 1) * duration_s + 400
    return {
        "load": load,
        "from_s": at_s,
        "duration_s": duration_s,
        "users": users,
        "published_per_s": float(load),
        "delivered_per_s": float(min(load, LIMIT)),
        "lost": 0,
        "metric": "rtt",
        "p50": round(p50_ms, 3),
        "p99": round(p50_ms * 6.6, 3),
        "samples": round(load * duration_s),
        "few_samples": load * duration_s < 1000,
        "cpu_percent_max": round(load / 40, 1),
        "outcome": outcome,
        "reasons": ["rtt p99 < 100ms"] if outcome == "failed" else [],
    }


def searched(
    loads: Sequence[int] = SEARCHED, *, limit: int = 950, bound_by: str = "service", **changes: Any
) -> RunFacts:
    """A search in which loads up to `limit` hold. `bound_by` "generator": its last step was not the service's."""
    steps = [step(load, 5.0 + 7 * i, outcome="held" if load <= limit else "failed") for i, load in enumerate(loads)]
    if bound_by == "generator":
        steps[-1] |= {"outcome": "generator", "reasons": ["messages left 23.1 ms or more late"]}
    held = max((s["load"] for s in steps if s["outcome"] == "held"), default=None)
    failed = min((s["load"] for s in steps if s["outcome"] == "failed"), default=None)
    capacity = {
        "variable": "rate",
        "value": held,
        "low": held,
        "high": failed,
        "bound_by": bound_by,
        "answer": _answer(held, failed, bound_by),
        "steps": steps,
    }
    best_slo = None
    if held:
        best = next(s for s in steps if s["load"] == held)
        best_slo = [
            {"expression": "rtt p99 < 100ms", "value": best["p99"], "verdict": "pass"},
            {"expression": "loss = 0", "value": 0, "verdict": "pass"},
        ]
    length = 5 + 7 * len(steps)
    settings = {"wps-capacity": "rate:100..1000", "run-time": float(length)}
    return _run(length, settings, capacity=capacity, best_slo=best_slo, slo="rtt p99 < 100ms, loss = 0", **changes)


def _answer(held: int | None, failed: int | None, bound_by: str) -> str:
    if bound_by == "generator":
        return f"Capacity: at least {held} messages/s; client-bound: add workers"
    return f"Capacity: {held} messages/s, below {failed}" if held else f"Capacity: below {failed} messages/s"


def staged(loads: Sequence[int] = (200, 400, 600, 800, 950, 1100), variable: str = "rate", **changes: Any) -> RunFacts:
    """Stages of 5 s, one after the other."""
    steps = [
        step(load, 3.0 + 5 * i, outcome=None, users=load if variable == "users" else 50) for i, load in enumerate(loads)
    ]
    length = 5 * len(steps)
    settings = {"wps-stages": ",".join(f"{variable}:{load}:5s" for load in loads)}
    stages = {"variable": variable, "steps": steps}
    levels = [s["p50"] / 12.0 for s in steps for _ in range(5)]
    return _run(length, settings, stages=stages, levels=levels, slo="", **changes)


def _run(length: int, settings: dict[str, Any], *, levels: Sequence[float] = (), slo: str, **changes: Any) -> RunFacts:
    base = _base(length, tuple(levels))
    return replace(base, **{"settings": {**base.settings, **settings}, "slos": parse(slo) if slo else (), **changes})


@cache
def _base(length: int, levels: tuple[float, ...]) -> RunFacts:
    return facts(measure_s=length, rate=20, levels=levels or None, slo="")
