"""The messages of a mix for its plan: their size in each population that hears them, and what they cost."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

from wps_load.capacity.forecast import FrameSizes
from wps_load.capacity.mix_forecast import MixForecast, mix_forecast
from wps_load.capacity.units import Load
from wps_load.commands.sample import Costs, Sample
from wps_load.settings.run_config import RunConfig
from wps_load.workload.flows import Pair, flows
from wps_load.workload.standing import senders_to

Samples = Mapping[Pair, Sample]


def samples(config: RunConfig) -> Samples:
    """A sample for each pair of populations in which one hears the other, and for each that publishes."""
    every = config.populations
    pairs = {(sender, receiver) for receiver in range(len(every)) for sender in senders_to(every, receiver)}
    pairs |= {(at, at) for at, each in enumerate(every)}
    return {
        (sender, receiver): Sample(every[sender], every[receiver].protocol)
        for sender, receiver in sorted(pairs)
        if every[sender].scenario_row.publishes
    }


def planned(config: RunConfig, found: Samples) -> MixForecast:
    """The forecast of a mix whose number of users is known."""
    sizes: dict[Pair, FrameSizes] = {pair: sample.sizes() for pair, sample in found.items()}
    return mix_forecast(config, sizes)


def growing(config: RunConfig, found: Samples) -> Callable[[float], Load] | None:
    """The load of the same mix with a multiple of its users.

    If publishers are a share of the users, fan-out grows with the square. None: steps or a search set the number of
    users.
    """
    if config.users is None or config.stages is not None or config.capacity is not None:
        return None
    users = config.users

    def load(times: float) -> Load:
        larger = replace(config, users=max(1, round(users * times)), spawn_rate=config.spawn_rate * times)
        return planned(larger, found).whole.peak

    return load


def costs(config: RunConfig, found: Samples, seconds: float) -> Costs | None:
    """Means by the rates of the mix, a closed loop's counting as one; None: nobody publishes."""
    users = config.peak_users or 1
    rates = [1.0 if rate is None else float(rate) for rate in config.planned_rates(users)]
    heard = {pair: each for pair, each in flows(config.populations, config.mixture(users).counts).items()
             if rates[pair[0]] and pair in found}  # fmt: skip
    senders = [at for at, rate in enumerate(rates) if rate and (at, at) in found]
    if not senders:
        return None
    each_s = seconds / (len(senders) + len(heard) or 1)
    publish = [(found[at, at].publish_us(each_s), rates[at]) for at in senders]
    receive = [(found[pair].receive_us(each_s), rates[pair[0]] * each) for pair, each in heard.items()]
    return Costs(
        None if all(cost is None for cost, _ in publish) else _mean([(cost or 0.0, rate) for cost, rate in publish]),
        _mean(receive),
    )


def _mean(weighted: list[tuple[float, float]]) -> float:
    whole = sum(weight for _, weight in weighted)
    return sum(value * weight for value, weight in weighted) / whole if whole else 0.0
