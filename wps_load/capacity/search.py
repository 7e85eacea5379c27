"""The highest load that keeps the SLO: grow until it fails, bisect, confirm. Pure: loads out, outcomes in.

    grow     from `low` by a constant factor until a step fails or `high` passes
    aim      a step that failed shows how much the service did carry: just below and just above that come next
    bisect   geometrically between the highest load that passed and the lowest that failed, until they are at most
             `precision` apart
    confirm  both ends of the bracket are tried again; if the outcome differs, a third try decides, and the search
             goes on from there

The growth factor is the fourth root of the range's ratio (at least 2), so that growing takes five steps at most and a
search about twelve. A step in which the generator was the limit proves nothing about the service: it is tried once
more, and then the search ends there.
"""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass, field
from enum import StrEnum

PRECISION = 0.05
BRACKETING = 2
"""Steps between growth and confirmation if the service carries a steady load; bisecting takes more."""
MARGIN = 0.02
"""How far below the load that an overloaded service carried it is also expected to keep its latency."""


class Outcome(StrEnum):
    HELD = "held"
    FAILED = "failed"
    GENERATOR = "generator"
    """The generator, not the service, was the limit."""


class BoundBy(StrEnum):
    """What ended the search; `service` is the result that one looks for."""

    SERVICE = "service"
    GENERATOR = "generator"
    RANGE = "range"
    TIME = "time"


@dataclass(frozen=True, slots=True)
class Found:
    """`value`: the highest load that passed, None if none did.

    The limit lies in [`low`, `high`): `low` None means below `high`, `high` None at least `low`.
    """

    value: int | None
    low: int | None
    high: int | None
    bound_by: BoundBy


@dataclass(slots=True)
class CapacitySearch:
    """Run `next_load`, and `record` its outcome; when it is None the search is over: see `found`."""

    low: int
    high: int
    precision: float = PRECISION
    _tries: dict[int, Counter[Outcome]] = field(default_factory=dict)
    _carried: dict[int, float] = field(default_factory=dict)
    _generator_at: int | None = None

    def __post_init__(self) -> None:
        if not 0 < self.low < self.high:
            raise ValueError("a search needs 0 < low < high")

    @property
    def steps(self) -> int:
        return sum(sum(outcomes.values()) for outcomes in self._tries.values())

    def record(self, load: int, outcome: Outcome, carried: float | None = None) -> None:
        """Records an outcome. `carried`: the load that the service carried in a failed step, in the unit of `load`."""
        self._tries.setdefault(load, Counter())[outcome] += 1
        if outcome is Outcome.FAILED and carried is not None:
            self._carried[load] = carried
        if self._tries[load][Outcome.GENERATOR] > 1:
            self._generator_at = load

    def next_load(self) -> int | None:
        if self._generator_at is not None:
            return None
        for load, outcomes in self._tries.items():
            if outcomes[Outcome.HELD] == outcomes[Outcome.FAILED]:
                return load  # contradicted, or nothing is known of the service yet: another try decides
        held, failed = self._bracket()
        if failed is None:
            return self._grown(held) if held is None or held < self.high else self._unconfirmed(held)
        if held is None:
            return self._unconfirmed(failed) if failed == self.low else self.low
        between = self._aim(held, failed) or round(math.sqrt(held * failed))
        if failed > held * (1 + self.precision) and held < between < failed:
            return between
        return self._unconfirmed(held) or self._unconfirmed(failed)

    def steps_left(self) -> int:
        """An estimate of the steps to come; there are more if the service surprises."""
        if self.next_load() is None:
            return 0
        held, failed = self._bracket()
        if failed is None:
            growing = math.log(self.high / (held or self.low)) / math.log(self._factor)
            return math.ceil(growing) + BRACKETING + 2
        ratio = failed / (held or self.low)
        halvings = math.ceil(math.log2(max(1.0, math.log(ratio) / math.log(1 + self.precision))))
        unconfirmed = sum(sum(self._tries[load].values()) == 1 for load in (held, failed) if load is not None)
        return halvings + (2 if halvings else unconfirmed)

    def found(self, *, out_of_time: bool = False) -> Found:
        """What is known; complete when `next_load` is None."""
        held, failed = self._bracket()
        if self._generator_at is not None:
            bound = BoundBy.GENERATOR
        elif out_of_time and self.next_load() is not None:
            bound = BoundBy.TIME
        else:
            bound = BoundBy.SERVICE if held is not None and failed is not None else BoundBy.RANGE
        return Found(held, held, failed, bound)

    def _grown(self, held: int | None) -> int:
        if held is None:
            return self.low
        grown = round(held * self._factor)
        # a last step almost as high as the range's end goes there at once
        return self.high if grown * math.sqrt(self._factor) > self.high else grown

    @property
    def _factor(self) -> float:
        return float(max(2.0, (self.high / self.low) ** 0.25))

    def _aim(self, held: int, failed: int) -> int | None:
        """Loads around what was carried at `failed`: a margin below, and if that passed, as far above as is precise.

        It is only a hint. If nearly everything was carried, it was latency that failed; if a lower guess has ever
        failed, what is carried depends on what is requested and means little: then the search bisects.
        """
        guesses = {load: int(carried * (1 - MARGIN)) for load, carried in self._carried.items()}
        wrong = any(self._verdict(guess) is Outcome.FAILED for guess in guesses.values() if guess in self._tries)
        if wrong or self._carried.get(failed, failed) > failed * (1 - MARGIN):
            return None
        guess = guesses[failed]
        if guess <= held <= self._carried[failed] * (1 + MARGIN):
            guess = int(held * (1 + self.precision))
        return guess if held < guess < failed else None

    def _bracket(self) -> tuple[int | None, int | None]:
        """The highest load that passed below every load that failed, and the lowest that failed."""
        failed = min((load for load in self._tries if self._verdict(load) is Outcome.FAILED), default=None)
        held = [load for load in self._tries if self._verdict(load) is Outcome.HELD]
        return max((load for load in held if failed is None or load < failed), default=None), failed

    def _verdict(self, load: int) -> Outcome | None:
        outcomes = self._tries[load]
        if outcomes[Outcome.HELD] == outcomes[Outcome.FAILED]:
            return None
        return Outcome.HELD if outcomes[Outcome.HELD] > outcomes[Outcome.FAILED] else Outcome.FAILED

    def _unconfirmed(self, load: int) -> int | None:
        return load if sum(self._tries[load].values()) == 1 else None
