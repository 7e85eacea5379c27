"""What a mix will do, by population and in total.

A publication belongs to the population of its publisher, a delivery to that of its receiver. Nothing connects.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from wps_load.capacity.forecast import Forecast, ForecastStep, FrameSizes, connecting_s, levels, step_sum, total_s
from wps_load.capacity.units import Load
from wps_load.clock import NS_PER_S
from wps_load.settings.run_config import Population, RunConfig
from wps_load.workload.flows import Pair, flows
from wps_load.workload.standing import publishers_of

Sizes = Mapping[Pair, FrameSizes]
"""A sender's message as a receiver gets it; every population that publishes has at least the pair with itself."""
Span = tuple[float, float]
"""From and to, in seconds since the start of the run."""


@dataclass(frozen=True, slots=True)
class PopulationForecast:
    """The forecast of one population.

    Rates are those of the highest step, while it and the populations that it hears are present; sums are of the whole
    run. None: unknown. `connects_per_s`: new connections, in the ramp or of users that come and go.
    """

    name: str
    connections: int
    publishers: int
    connects_per_s: float
    inbound_per_s: float | None
    outbound_per_s: float | None
    billed_bytes_per_s: float | None
    published: float | None
    delivered: float | None
    billed_bytes: float | None


@dataclass(frozen=True, slots=True)
class MixForecast:
    """`whole`: the run; its rates are those of the instant with the most deliveries."""

    whole: Forecast
    populations: tuple[PopulationForecast, ...]


def mix_forecast(config: RunConfig, sizes: Sizes) -> MixForecast:
    """The forecast of a mix whose number of users is known. A capacity search is forecast at its upper end."""
    found = [_MixLevel(config, sizes, *level) for level in _spans(config)]
    top = max(found, key=lambda each: (each.step.outbound_per_s or 0.0, each.step.connections))
    numbers = range(len(config.populations))
    published = [_sum(each.published(at) for each in found) for at in numbers]
    delivered = [_sum(each.delivered(at) for each in found) for at in numbers]
    billed = [_sum(each.billed(at) for each in found) for at in numbers]
    steps = tuple(each.step for each in found)
    sent = {pair: _sum(each.pair_sum(pair) for each in found) for pair in top.flows}
    bytes_in = _sum(_times(published[at], top.size(at).inbound) for at in numbers)
    acks = _sum(_times(published[at], top.size(at).ack) for at in numbers)
    bytes_out = _sum([*(_times(count, sizes[pair].outbound) for pair, count in sent.items()), acks])
    whole = Forecast(
        peak=top.peak(max(step.connections for step in steps)),
        steps=steps,
        publishers=sum(top.publishers),
        sizes=top.mean_sizes(),
        connecting_s=connecting_s(config),
        total_s=total_s(config, steps),
        published=_sum(published),
        delivered=_sum(delivered),
        bytes_in=bytes_in,
        bytes_out=bytes_out,
        billed_bytes=_sum(billed),
    )
    populations = tuple(
        PopulationForecast(
            each.name, top.counts[at], top.publishers[at], connects_per_s(config, at, top.users),
            top.inbound(at), top.outbound(at), top.billed_per_s(at), published[at], delivered[at], billed[at],
        )
        for at, each in enumerate(config.populations)
    )  # fmt: skip
    return MixForecast(whole, populations)


def connects_per_s(config: RunConfig, number: int, users: int) -> float:
    """New connections of a population per second.

    That is its part of the ramp, the whole spawn rate if it starts later, or the connections of users who come and go.
    """
    each, count = config.populations[number], config.mixture(users).counts[number]
    together = count if each.start_ns else users
    ramp = min(config.spawn_rate * count / together, count) if together else 0.0
    return max(ramp, count * NS_PER_S / each.lifetime_ns if each.lifetime_ns else 0.0)


class _MixLevel:
    """One step of a mix: who is present, who hears whom, and when."""

    def __init__(
        self, config: RunConfig, sizes: Sizes, name: str, users: int, total_rate: float | None, span: Span
    ) -> None:
        self.config, self.sizes, self.users, self.span = config, sizes, users, span
        self.counts = config.mixture(users).counts
        self.flows = flows(config.populations, self.counts)
        self.publishers = [
            publishers_of(config.populations, self.counts, at) if each.scenario_row.publishes else 0
            for at, each in enumerate(config.populations)
        ]
        self.rates = _rates(config, users, total_rate)
        still = span if span[1] > span[0] else (span[0], math.inf)  # a ramp longer than the run still has rates
        self.spans = [_there(config, each, count, still) for each, count in zip(
            config.populations, self.counts, strict=True)]  # fmt: skip
        self._instant = max(
            {begin for begin, end in self.spans if end > begin} or {span[0]},
            key=lambda at: (self._out_at(at) or 0.0, self._open_at(at)),
        )
        length = span[1] - span[0]
        self.step = ForecastStep(
            name, self._open_at(self._instant), self._in_at(self._instant), self._out_at(self._instant),
            length if math.isfinite(length) else None,
        )  # fmt: skip

    # -- rates -------------------------------------------------------------------------------------------------------

    def inbound(self, at: int) -> float | None:
        return self.rates[at]

    def outbound(self, at: int) -> float | None:
        return _sum(self._pair_rate(pair) for pair in self._to(at))

    def billed_per_s(self, at: int) -> float | None:
        return _sum([*(_times(self._pair_rate(pair), self.sizes[pair].outbound) for pair in self._to(at)),
                           _times(self.rates[at], self._beside(at))])  # fmt: skip

    def peak(self, connections: int) -> Load:
        """The instant with the most deliveries."""
        there = [at for at in range(len(self.counts)) if self._is_there(at)]
        return Load(
            connections=connections,
            inbound_per_s=self.step.inbound_per_s,
            outbound_per_s=self.step.outbound_per_s,
            message_bytes=self.mean_sizes().data,
            billed_bytes_per_s=_sum([
                *(_times(self._pair_rate(pair), self.sizes[pair].outbound) for pair in self._flowing(self._instant)),
                *(_times(self.rates[at], self._beside(at)) for at in there),
            ]),
            parts=tuple(self._use_cases(there)),
        )  # fmt: skip

    def _use_cases(self, there: Sequence[int]) -> Iterator[tuple[str, Load]]:
        flowing = self._flowing(self._instant)
        for at in there:
            use_case = self.config.populations[at].scenario_row.use_case
            if use_case is None or not self.publishers[at]:
                continue
            out = _sum(self._pair_rate(pair) for pair in flowing if pair[0] == at)
            yield use_case, Load(0, self.rates[at], out, self.size(at).data, None)

    def mean_sizes(self) -> FrameSizes:
        """Mean sizes, weighted by the number of messages."""
        senders = {at: self.rates[at] or 1.0 for at in range(len(self.counts)) if self.publishers[at]}
        pairs = {pair: (self._pair_rate(pair) or 1.0) for pair in self.flows if pair[0] in senders}
        return FrameSizes(
            data=_mean([(self.sizes[pair].data, weight) for pair, weight in pairs.items()]),
            inbound=_mean([(self.size(at).inbound, weight) for at, weight in senders.items()]),
            outbound=_mean([(self.sizes[pair].outbound, weight) for pair, weight in pairs.items()]),
            ack=_mean([(self.size(at).ack, weight) for at, weight in senders.items()]),
        )

    # -- sums ---------------------------------------------------------------------------------------------------------

    def published(self, at: int) -> float | None:
        return _times(self.rates[at], self._seconds(self.spans[at]))

    def delivered(self, at: int) -> float | None:
        return _sum(self.pair_sum(pair) for pair in self._to(at))

    def pair_sum(self, pair: Pair) -> float | None:
        """The deliveries of a pair while both populations are present."""
        if pair not in self.flows:
            return 0.0
        one, other = (self.spans[at] for at in pair)
        return _times(self._pair_rate(pair), self._seconds((max(one[0], other[0]), min(one[1], other[1]))))

    def billed(self, at: int) -> float | None:
        return _sum([*(_times(self.pair_sum(pair), self.sizes[pair].outbound) for pair in self._to(at)),
                           _times(self.published(at), self._beside(at))])  # fmt: skip

    # -- parts ---------------------------------------------------------------------------------------------------------

    def size(self, at: int) -> FrameSizes:
        """The sizes of a population's messages, in its own protocol."""
        return self.sizes.get((at, at)) or FrameSizes(0.0, 0.0, 0.0)

    def _beside(self, at: int) -> float:
        """Billed bytes for each message besides its deliveries: its ack, and the call of the event handler."""
        each = self.config.populations[at]
        calls = each.scenario_row.calls_handler(each.protocol)
        return self.size(at).ack + (self.size(at).data if calls else 0.0)

    def _pair_rate(self, pair: Pair) -> float | None:
        return _times(self.rates[pair[0]], self.flows[pair])

    def _to(self, at: int) -> list[Pair]:
        return [pair for pair in self.flows if pair[1] == at]

    def _seconds(self, span: Span) -> float | None:
        """The seconds of a time span that lie within this level."""
        length = max(0.0, min(span[1], self.span[1]) - span[0])
        return length if math.isfinite(length) else None

    def _is_there(self, at: int, instant: float | None = None) -> bool:
        begin, end = self.spans[at]
        return begin <= (self._instant if instant is None else instant) < end

    def _flowing(self, instant: float) -> list[Pair]:
        return [pair for pair in self.flows if all(self._is_there(at, instant) for at in pair)]

    def _open_at(self, instant: float) -> int:
        return sum(count for at, count in enumerate(self.counts) if self._is_there(at, instant))

    def _in_at(self, instant: float) -> float | None:
        return _sum((rate for at, rate in enumerate(self.rates) if self._is_there(at, instant)))

    def _out_at(self, instant: float) -> float | None:
        return _sum(self._pair_rate(pair) for pair in self._flowing(instant))


def _spans(config: RunConfig) -> Iterator[tuple[str, int, float | None, Span]]:
    """Name, users, total rate and time of each level."""
    begin = connecting_s(config) or 0.0
    now = 0.0
    for name, users, rate, duration_s in levels(config):
        if config.stages is None:
            yield name, users, rate, (begin, math.inf if duration_s is None else begin + duration_s)
        else:
            end = math.inf if duration_s is None else now + duration_s
            yield name, users, rate, (now, end)
            now = end


def _rates(config: RunConfig, users: int, total_rate: float | None) -> list[float | None]:
    if total_rate is not None:
        return [float(share) * total_rate for share in config.rate_shares(users)]
    return [None if rate is None else float(rate) for rate in config.planned_rates(users)]


def _there(config: RunConfig, each: Population, count: int, span: Span) -> Span:
    """When a population is present; one that starts later counts from when half of it has connected."""
    begin = each.start_ns / NS_PER_S
    if begin and config.spawn_rate:
        begin += count / config.spawn_rate / 2
    end = math.inf if each.stop_ns is None else each.stop_ns / NS_PER_S
    return max(span[0], begin), min(span[1], end)


def _times(one: float | None, other: float | None) -> float | None:
    if one == 0 or other == 0:
        return 0.0
    return None if one is None or other is None else one * other


def _sum(parts: Iterable[float | None]) -> float | None:
    return step_sum(iter(parts))


def _mean(weighted: Sequence[tuple[float, float]]) -> float:
    whole = sum(weight for _, weight in weighted)
    return sum(value * weight for value, weight in weighted) / whole if whole else 0.0
