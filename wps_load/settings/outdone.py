"""Options that say the same thing in another way, of which the one that counts more is meant.

A flag outdoes the same key of a config file. It outdoes a rival of its own there as well: `--wps-payload-file` beside a
ready file with `wps-payload`, or `--wps-rate` beside one with `wps-total-rate`, which else would be passed over.
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
"""Steps of the rate say what either of the others would."""


def without_outdone(values: MutableMapping[str, Any], sources: Mapping[str, SourceLevel]) -> dict[str, SourceLevel]:
    """Gives each option that a rival outdoes its default back; the sources of the others. Both are by dest.

    At one level both are meant, and judged together.
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
