"""The state of each population for the live line of a running test: cheap enough for every second."""

from __future__ import annotations

from collections.abc import Sequence

from wps_load.clock import NS_PER_MS, NS_PER_S
from wps_load.measure.catalog import main_metric
from wps_load.measure.histogram import Histogram
from wps_load.measure.snapshot import Snapshot
from wps_load.measure.thresholds import Slo, demanded, message_count
from wps_load.report.live_populations import Demand, PopulationNow
from wps_load.swarm.books import Books
from wps_load.swarm.collector import Collector
from wps_load.swarm.conductor import Conductor
from wps_load.swarm.population_facts import connected_share


def populations_now(conductor: Conductor, collector: Collector) -> Sequence[PopulationNow]:
    """The populations of a mix or of a locustfile's classes and, if there are SLOs for it, the whole run.

    Empty: the run has only one population.
    """
    config, newest = collector.config, collector.newest
    if not config.is_mix or newest is None:
        return ()
    length_s, measuring = newest.to_s - newest.from_s, conductor.measure_start_ns is not None
    found = []
    for number, population in enumerate(config.populations):
        books = collector.populations[number] if collector.populations else collector
        second = collector.newest_of.get(number, Snapshot()) if collector.populations else newest.snapshot
        slos = [slo for slo in config.slos if slo.population == population.name]
        share = connected_share(conductor, [number]) if _wants_share(slos) else None
        due = measuring and newest.from_s * NS_PER_S >= population.start_ns
        demands = tuple(_demand(slo, books, second, share, length_s, due=due) for slo in slos)
        found.append(_shown(population.name, population.latencies, demands, books, second))
    if of_all := [slo for slo in config.slos if not slo.population]:
        share = connected_share(conductor, range(len(config.populations))) if _wants_share(of_all) else None
        demands = tuple(_demand(slo, collector, newest.snapshot, share, length_s, due=measuring) for slo in of_all)
        found.append(_shown("", config.latencies, demands, collector, newest.snapshot))
    return found


def _wants_share(slos: Sequence[Slo]) -> bool:
    return any(slo.subject == "connected" for slo in slos)


def _shown(
    name: str, latencies: Sequence[str], demands: tuple[Demand, ...], books: Books, second: Snapshot
) -> PopulationNow:
    timed = {metric for metric, histogram in books.total.histograms.items() if histogram.count}
    own = [*latencies, *(["delivery"] if "delivery" in timed and "delivery" not in latencies else [])]
    metric = main_metric(own, demanded(demand.slo for demand in demands), timed)
    histogram = second.histograms.get(metric)
    return PopulationNow(
        name=name,
        metric=metric,
        p50_ms=_percentile_ms(histogram, 50.0),
        p99_ms=_percentile_ms(histogram, 99.0),
        demands=demands,
    )


def _demand(slo: Slo, books: Books, second: Snapshot, share: float | None, length_s: float, *, due: bool) -> Demand:
    """`due`: values should exist by now, because the measure phase has begun and the population was to come."""
    before = books.total.histograms.get(slo.subject)
    value = _value(slo, books, second, share, length_s)
    known = before is not None and before.count > 0
    return Demand(slo, value, quiet=value is None and (known or not due or slo.kind == "count"))


def _value(slo: Slo, books: Books, second: Snapshot, share: float | None, length_s: float) -> float | None:
    histogram = second.histograms.get(slo.subject)
    match slo.kind:
        case "time":
            return _time_ms(str(slo.aggregate), histogram)
        case "messages":
            return message_count(slo, books.running_totals()) if books.reported else None
        case "connected":
            return None if share is None else share * 100
        case "rate":
            return None if histogram is None or not length_s else histogram.count / length_s
        case "fail_ratio":
            failed = sum(count for (metric, _), count in books.total.failures.items() if metric == slo.subject)
            timed = books.total.histograms.get(slo.subject)
            attempts = failed + (0 if timed is None else timed.count)
            return failed / attempts * 100 if attempts else None
    return None  # nobody knows how many there will be in the end


def _time_ms(aggregate: str, histogram: Histogram | None) -> float | None:
    if histogram is None or not histogram.count:
        return None
    if aggregate.startswith("p"):
        return _percentile_ms(histogram, float(aggregate[1:]))
    ns = {"min": histogram.min, "max": histogram.max, "mean": histogram.sum / histogram.count}[aggregate]
    return None if ns is None else ns / NS_PER_MS


def _percentile_ms(histogram: Histogram | None, percentile: float) -> float | None:
    ns = None if histogram is None or not histogram.count else histogram.percentile(percentile)
    return None if ns is None else ns / NS_PER_MS
