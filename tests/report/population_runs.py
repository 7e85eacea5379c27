"""Made-up runs of several populations."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from tests.report.report_runs import MadeRun, facts, histogram, lognormal_ns
from wps_load.measure.snapshot import Snapshot
from wps_load.measure.thresholds import parse
from wps_load.report.model import PairFacts, RunFacts
from wps_load.report.portion import PORTIONS, PortionView

METRICS = {"rtt": 12.0, "rtt_service": 11.0, "delivery": 9.0, "publish_ack": 8.0, "connect": 40.0, "join_group": 5.0}


def mix(names: tuple[str, ...] = ("hosts", "viewers", "idlers"), *, measure_s: int = 30) -> MadeRun:
    """Each population is slower than the one before it; the first one's messages are heard by all. The second one has
    lost deliveries, and failures."""
    whole = facts(measure_s=measure_s, rate=200)
    portions = {
        name: PortionView(
            users=5 + number,
            counts={"published": 10, "delivered": 20, "lost": 0},
            times={"rtt": [12.0, 25.0 + number]},
        )
        for number, name in enumerate(names)
    }
    rows = [{**row, PORTIONS: portions} if row["phase"] == "measure" else row for row in whole.timeline]
    whole = replace(whole, timeline=rows)
    rng = np.random.default_rng(7)
    populations: dict[str, RunFacts] = {}
    for number, name in enumerate(names):
        times = {metric: histogram(lognormal_ns(rng, ms * (1 + number), 3000)) for metric, ms in METRICS.items()}
        slos = [slo.of(name) for slo in parse("rtt p99 < 250ms, loss = 0" if number != 1 else "rtt p99 < 20ms")]
        populations[name] = replace(
            whole,
            scenario="big-group",
            slos=slos,
            snapshot=Snapshot(times, {("connect", "http_429"): 7} if number == 1 else {}),
            connections=replace(whole.connections, target=5 + number),
            publishers=2 if number == 0 else 0,
            groups=2 if number == 0 else None,
        )
    pairs = [
        PairFacts(names[0], name, 100, 98, histogram(lognormal_ns(rng, 5.0 + at, 98))) for at, name in enumerate(names)
    ]
    own = parse("connected >= 99%")
    return replace(
        whole,
        scenario="chat",
        settings={**whole.settings, "wps-mix": "configs/chat.toml"},
        slos=(*own, *(slo for each in populations.values() for slo in each.slos)),
        populations=populations,
        pairs=pairs,
        snapshot=Snapshot(whole.snapshot.histograms, {("connect", "http_429"): 7}),
    )
