"""The ways to the target that a run uses: one for each protocol, hub and place of the token, which `doctor` checks."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Final

from wps_load.client.checks import Check, Level, skipped
from wps_load.client.stream import Network
from wps_load.client.way import CLIENT_URL, OF_A_CLIENT, Way
from wps_load.settings.run_config import Population, RunConfig
from wps_load.workload.values import Share

_NOBODY: Final = Share(count=0)
_SHARED: Final = frozenset({"name", "TCP", "TLS"})
"""A check that failed on the first way fails on all, because they lead to the same place."""
_Key = tuple[str, str, str]


@dataclass(frozen=True, slots=True)
class Route:
    """`label`: for people; empty if the run has one population.

    `config`: the run with the populations that use this way, one that publishes first, app servers last.
    """

    label: str
    config: RunConfig


def routes(config: RunConfig) -> list[Route]:
    """Each way once, in the order of the mix.

    App servers have no connection: what they send is checked on the first way into their hub, or on their own.
    """
    if not config.is_mix:
        return [Route("", config)]
    found: dict[_Key, list[Population]] = {}
    callers = [each for each in config.populations if _connects_nobody(each)]
    for each in config.populations:
        if not _connects_nobody(each):
            found.setdefault(_key(config, each), []).append(each)
    for each in callers:
        beside = next((key for key in found if key[1] == _key(config, each)[1]), _key(config, each))
        found.setdefault(beside, []).append(each)
    return [Route(_label(key, each), replace(config, populations=_ordered(each))) for key, each in found.items()]


def ways_checks(
    config: RunConfig, network: Network, say: Callable[[str, str], None], reached: Callable[[int], None]
) -> Iterator[Check]:
    """The checks of all ways: the first completely, the others as far as they differ from it.

    `reached` gets the number of the target's addresses.
    """
    broken = ""
    for number, route in enumerate(routes(config)):
        way = Way(route.config, network, config.run_time_s, say=say)
        if broken:
            yield replace(skipped("way", f"{broken} comes first"), way=route.label)
            continue
        for check in way.checks(OF_A_CLIENT if number else ()):
            yield replace(check, way=route.label)
            given = check.name == CLIENT_URL and not config.target.makes_tokens
            if check.level is Level.FAIL and (given or check.name in _SHARED):
                broken = check.name
        if not number:
            reached(way.addresses)


def _connects_nobody(population: Population) -> bool:
    return population.users == _NOBODY and population.scenario_row.needs_key


def _key(config: RunConfig, population: Population) -> _Key:
    """A given Client URL names its hub itself."""
    return population.protocol, population.hub if config.target.makes_tokens else "", population.auth


def _label(key: _Key, populations: Sequence[Population]) -> str:
    protocol, hub, auth = key
    parts = [protocol, *([f"hub {hub}"] if hub else []), *(["token in a header"] if auth == "header" else [])]
    return f"{', '.join(each.name for each in populations)} ({', '.join(parts)})"


def _ordered(populations: Sequence[Population]) -> tuple[Population, ...]:
    return tuple(sorted(populations, key=lambda each: 0 if each.scenario_row.users_publish else
                        2 if _connects_nobody(each) else 1))  # fmt: skip
