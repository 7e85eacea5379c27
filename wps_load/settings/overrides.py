"""Options that set the same thing in another way, of which the one with the higher precedence counts.

A flag overrides the same key of a config file. It also overrides a rival key there: `--wps-payload-file` beside a ready
file with `wps-payload`, or `--wps-rate` beside one with `wps-total-rate`, would otherwise be ignored.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, MutableMapping
from typing import Any

from wps_load.settings.options import BY_FLAG
from wps_load.settings.sources import SourceLevel

_RIVALS = (
    ("--wps-rate", "--wps-total-rate"),
    ("--wps-payload", "--wps-payload-file"),
    ("--wps-stages", "--wps-capacity"),
)
_PLANS, _SET_BY_PLANS = ("--wps-stages", "--wps-capacity"), ("--wps-rate", "--wps-total-rate")
"""Steps of the rate replace both of the others."""


def without_overridden(values: MutableMapping[str, Any], sources: Mapping[str, SourceLevel]) -> dict[str, SourceLevel]:
    """Resets each option that a rival overrides to its default; returns the sources of the others. Both are by dest.

    At one level both options count, and are judged together.
    """
    left = dict(sources)
    for rivals in (*_RIVALS, *_steps_of_the_rate(values)):
        first, second = (BY_FLAG[flag] for flag in rivals)
        for winner, loser in ((first, second), (second, first)):
            if winner.dest in sources and loser.dest in sources and sources[winner.dest] < sources[loser.dest]:
                values[loser.dest] = loser.default
                left.pop(loser.dest, None)
    return left


def _steps_of_the_rate(values: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for plan in _PLANS:
        if str(values.get(BY_FLAG[plan].dest) or "").strip().startswith("rate"):
            yield from ((plan, flag) for flag in _SET_BY_PLANS)
