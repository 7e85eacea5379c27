"""The facts of each population, in a run of several: the same as those of the whole run."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from wps_load.capacity.units import BILLED_MESSAGE_BYTES
from wps_load.clock import NS_PER_S
from wps_load.measure.histogram import Histogram
from wps_load.measure.requested import WantedTime
from wps_load.measure.snapshot import Snapshot
from wps_load.report.model import ConnectionCounts, PairFacts, RunFacts
from wps_load.settings.run_config import Population
from wps_load.swarm.books import Books
from wps_load.swarm.conductor import Conductor
from wps_load.workload.layout import layout
from wps_load.workload.scenarios import Topology
from wps_load.workload.standing import publishers_of


def counted(total: Snapshot) -> ConnectionCounts:
    """The counters of connections in a snapshot; nothing else is known."""
    names = ("opened", "failed", "dropped", "reconnected", "recovered", "cut", "closed_by_plan")
    return ConnectionCounts(**{name: total.counters.get(f"connections_{name}", 0) for name in names})


def with_populations(conductor: Conductor, facts: RunFacts) -> RunFacts:
    """The run's facts with those of its populations."""
    config, collector = conductor.plan.config, conductor.collector
    every = collector.populations or [collector]  # the only population of a mix is the whole run
    users = max(conductor.requested.most, conductor.plan.users)
    counts = _counts(conductor, users)
    names = [each.name for each in config.populations]
    found = {
        population.name: _of_one(conductor, facts, population, books, counts[number], users)
        for number, (population, books) in enumerate(zip(config.populations, every, strict=True))
    }
    delivery, matrix = collector.pairs.delivery, collector.pairs.matrix()
    pairs = [_pair(names, key, matrix.get(key), delivery.get(key)) for key in sorted({*matrix, *delivery})]
    if config.mix is None:  # Locust distributes users to a locustfile's own classes
        return replace(facts, populations=found, pairs=pairs)
    return replace(facts, populations=found, pairs=pairs, connections=_together(facts.connections, [*found.values()]))


def connected_share(conductor: Conductor, numbers: Sequence[int]) -> float | None:
    """The share of these populations' requested connections that were open in the measure phase so far.

    None: unknown.
    """
    collector = conductor.collector
    every = collector.populations or [collector]
    users = max(conductor.requested.most, conductor.plan.users)
    counts = _counts(conductor, users)
    found = [_connections(conductor, at, every[at], counts[at], users) for at in numbers]
    means = [(each.open_mean, each.requested_mean) for each in found]
    if any(None in pair for pair in means):
        return None
    open_mean, requested_mean = (sum(pair[at] or 0.0 for pair in means) for at in (0, 1))
    return ConnectionCounts(open_mean=open_mean, requested_mean=requested_mean).share


def _counts(conductor: Conductor, users: int) -> list[int]:
    """How many of the first `users` users belong to each population."""
    return [conductor.mixture.among(number, users) for number in range(len(conductor.plan.config.populations))]


def _of_one(
    conductor: Conductor, facts: RunFacts, population: Population, books: Books, users: int, all_users: int
) -> RunFacts:
    alone, tasks = not conductor.collector.populations, bool(population.user_class)
    number = conductor.plan.config.populations.index(population)
    totals = None if facts.totals is None else books.totals()
    if tasks and totals is not None and not (totals.published or totals.send_failed or totals.expected):
        totals = None  # nothing that was measured belonged to it
    received = books.total.counters.get("bytes_received", 0)
    return replace(
        facts,
        scenario=population.scenario,
        protocol=population.protocol,
        latencies=_latencies(population, books),
        closed_loop=population.closed_loop,
        has_messages=population.scenario_row.publishes,
        connections=facts.connections if alone else _connections(conductor, number, books, users, all_users),
        offered=None if totals is None else totals.published + totals.send_failed,
        totals=totals,
        billed_outbound=-(-received // BILLED_MESSAGE_BYTES),
        bytes_sent=books.total.counters.get("bytes_sent", 0),
        bytes_received=received,
        snapshot=books.total,
        slos=population.own_slos,
        publishers=None if tasks else _publishers(conductor, population, all_users),
        groups=_groups(population, users),
    )


def _publishers(conductor: Conductor, population: Population, users: int) -> int:
    config = conductor.plan.config
    number = config.populations.index(population)
    return (
        publishers_of(config.populations, _counts(conductor, users), number) if population.scenario_row.publishes else 0
    )


def _groups(population: Population, users: int) -> int | None:
    """The groups that its own members fill; listeners join those of another population."""
    if population.scenario_row.topology is not Topology.GROUPS or not users:
        return None
    return layout(population, users).occupied


def _latencies(population: Population, books: Books) -> Sequence[str]:
    heard = books.total.histograms.get("delivery")
    more = ("delivery",) if heard is not None and heard.count and "delivery" not in population.latencies else ()
    return (*population.latencies, *more)


def _connections(conductor: Conductor, number: int, books: Books, users: int, all_users: int) -> ConnectionCounts:
    begin_ns, end_ns = conductor.measure_start_ns, conductor.measure_end_ns
    open_mean = requested_mean = open_end = requested_end = None
    if begin_ns is not None and (end_ns is None or end_ns > begin_ns):
        seen = books.presence(begin_ns, end_ns)
        length_s = (seen.until_ns - begin_ns) / NS_PER_S
        if length_s > 0:
            wanted = _wanted(conductor, number, users, all_users, lambda requested: requested.mean(seen.until_ns))
            open_mean = round(seen.open_s / length_s, 3)
            requested_mean = round(wanted + seen.wanted_s / length_s, 3)
        open_end = seen.open_end
        if end_ns is not None:
            wanted = _wanted(conductor, number, users, all_users, lambda requested: requested.at_end(end_ns))
            requested_end = round(wanted) + (seen.wanted_end or 0)
    return replace(
        counted(books.total),
        target=None if conductor.plan.config.populations[number].user_class else users,
        requested_mean=requested_mean,
        requested_end=requested_end,
        open_mean=open_mean,
        open_end=open_end,
        connecting=None,
        peak=books.peak_open,
    )


def _wanted(conductor: Conductor, number: int, users: int, all_users: int, ask: Callable[[WantedTime], float]) -> float:
    """The number of one population's users that were requested; a locustfile's own class has its part of all."""
    requested = conductor.requested
    if requested.parts:
        return ask(requested.parts[number])
    return ask(requested) * users / all_users if all_users else 0.0


def _together(run: ConnectionCounts, parts: Sequence[RunFacts]) -> ConnectionCounts:
    """The run's counts, with the requests of its populations: some come later, and some users have none."""
    each = [part.connections for part in parts]
    means, ends = [one.requested_mean for one in each], [one.requested_end for one in each]
    return replace(
        run,
        target=sum(one.target or 0 for one in each),
        requested_mean=run.requested_mean if None in means else round(sum(mean or 0.0 for mean in means), 3),
        requested_end=run.requested_end if None in ends else sum(end or 0 for end in ends),
    )


def _pair(
    names: Sequence[str], key: tuple[int, int], counts: tuple[int, int] | None, delivery: Histogram | None
) -> PairFacts:
    histogram = Histogram() if delivery is None else delivery
    expected, delivered = counts or (None, histogram.count)
    return PairFacts(names[key[0]], names[key[1]], expected, delivered, histogram)
