"""The books of the populations add up to the run's, however what was measured is divided among them and the agents."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.swarm.runs import COUNTS
from wps_load.measure.histogram import Histogram
from wps_load.measure.ledger import LedgerTotals, PairTotals
from wps_load.measure.snapshot import Snapshot
from wps_load.settings.classes import TaskClass
from wps_load.settings.load import load
from wps_load.settings.sources import Locustfile
from wps_load.swarm.collector import Collector
from wps_load.swarm.epoch_report import EpochReport, Pair
from wps_load.swarm.messages import Accounts, Report, Sums, Vitals

POPULATIONS = range(3)
AGENTS = ("a", "b")
METRICS = ("rtt", "delivery", "connect", "join_group")
CLASSES = tuple(TaskClass(f"User{number}") for number in POPULATIONS)
CONFIG = load(
    {"wps_report_dir": ""},
    users=4,
    spawn_rate=1.0,
    environ={},
    sources={},
    locustfile=Locustfile(False, classes=CLASSES),
)
LATENCIES_NS = st.lists(st.integers(1, 10**9), max_size=5)


@dataclass(frozen=True)
class Piece:
    """What one agent measured in one second of one pair; None: of no population."""

    agent: str
    second: int
    pair: Pair | None
    times: dict[str, list[int]]
    counters: dict[str, int]
    counts: dict[str, int]

    @property
    def snapshot(self) -> Snapshot:
        histograms = {}
        for name, values in self.times.items():
            histograms[name] = Histogram()
            histograms[name].record_many(values)
        return Snapshot(histograms, {}, dict(self.counters))


NUMBER = st.sampled_from(POPULATIONS)
PIECES = st.lists(
    st.builds(
        Piece,
        agent=st.sampled_from(AGENTS),
        second=st.integers(1, 3),
        pair=st.none() | st.tuples(NUMBER, NUMBER),
        times=st.dictionaries(st.sampled_from(METRICS), LATENCIES_NS),
        counters=st.dictionaries(st.sampled_from(["connections_opened", "bytes_received"]), st.integers(0, 1000)),
        counts=st.dictionaries(st.sampled_from(COUNTS), st.integers(0, 50)),
    ),
    max_size=25,
)


def reports(agent: str, pieces: list[Piece]) -> list[Report]:
    """An agent's, one a second; each has a part of the warm-up, which counts no messages, before the measured one."""
    found = []
    whole: Counter[str] = Counter(dict.fromkeys(COUNTS, 0))
    parts: list[Counter[str]] = [Counter(dict.fromkeys(COUNTS, 0)) for _ in POPULATIONS]
    for second in (1, 2, 3):
        taken: dict[Pair | None, Snapshot] = {None: Snapshot()}
        deltas: list[Counter[str]] = [Counter(dict.fromkeys(COUNTS, 0)) for _ in POPULATIONS]
        for piece in pieces:
            if (piece.agent, piece.second) == (agent, second):
                taken.setdefault(piece.pair, Snapshot()).merge(piece.snapshot)
                if piece.pair is not None:
                    deltas[piece.pair[1]].update(piece.counts)
        for sums, delta in zip(parts, deltas, strict=True):
            sums.update(delta)
        together: Counter[str] = Counter(dict.fromkeys(COUNTS, 0))
        for delta in deltas:
            together.update(delta)
        whole.update(together)
        warm_up = EpochReport.of(0, 0, {pair: each for pair, each in taken.items() if pair is not None})
        found.append(
            Report(
                second, False, 6, 1, dict(together), dict(whole), Vitals(1.0, 1, 0), None,
                [warm_up, EpochReport.of(0, 1, taken)],
                [Sums(2, dict(delta), dict(sums), None) for delta, sums in zip(deltas, parts, strict=True)],
            )
        )  # fmt: skip
    return found


def collected(pieces: list[Piece]) -> Collector:
    def second(collector: Collector) -> None:
        assert collector.newest is not None
        sums: Counter[str] = Counter()
        for portion in collector.newest.portions.values():
            sums.update(portion.counts)
        for name in COUNTS:
            if name in collector.newest.counts:
                assert collector.newest.counts[name] == sums[name]

    collector = Collector(0, CONFIG, second)
    for agent in AGENTS:
        collector.join(agent)
    for turn in zip(*(reports(agent, pieces) for agent in AGENTS), strict=True):
        for agent, report in zip(AGENTS, turn, strict=True):
            collector.add(agent, report)
    return collector


def plain(snapshot: Snapshot) -> tuple[dict[str, tuple[int, int, int | None, bytes]], dict[str, int]]:
    """What can be compared of it; what is empty is left out."""
    histograms = {
        name: (each.count, each.sum, each.max, str(each.to_wire()).encode())
        for name, each in snapshot.histograms.items()
        if each.count
    }
    return histograms, {name: count for name, count in snapshot.counters.items() if count}


@settings(max_examples=40)
@given(PIECES)
def test_histograms_and_counters_of_the_populations_add_up_to_the_runs(pieces: list[Piece]) -> None:
    collector = collected(pieces)
    together = Snapshot()
    for books in collector.populations:
        together.merge(books.total)
    for piece in pieces:
        if piece.pair is None:
            together.merge(piece.snapshot)
    assert plain(together) == plain(collector.total)
    by_pairs = Histogram()
    for delivery in (
        *collector.pairs.delivery.values(),
        *(p.snapshot.histograms.get("delivery") for p in pieces if p.pair is None),
    ):
        by_pairs.merge(delivery or Histogram())
    assert by_pairs == collector.total.histograms.get("delivery", Histogram())
    for name in ("offered", "published", "delivered", "missing"):
        assert collector.running(name) == sum(books.running(name) for books in collector.populations)
    assert collector.open == sum(books.open for books in collector.populations)


@settings(max_examples=40)
@given(PIECES, st.sampled_from([(), ("a",), ("b",), AGENTS]))
def test_the_matrix_has_what_a_lost_agent_had_told(pieces: list[Piece], finished: tuple[str, ...]) -> None:
    collector = collected(pieces)
    nothing = LedgerTotals(0, 0, 0, 0, 0, 0, 0)
    accounts = Accounts(nothing, 0, [nothing] * 3, [PairTotals(0, 1, 5, 2, 0)])
    for agent in finished:
        collector.finish(agent, accounts)
    wanted: Counter[Pair] = Counter()
    for piece in pieces if finished else []:
        if piece.agent not in finished and piece.pair is not None:
            wanted[piece.pair] += sum(len(piece.times.get(name, ())) for name in ("rtt", "delivery"))
    matrix = collector.pairs.matrix()
    for pair in {*matrix, *wanted}:
        own = len(finished) if pair == (0, 1) else 0
        assert matrix.get(pair, (0, 0)) == (wanted[pair] + 7 * own, wanted[pair] + 5 * own)
