"""The emulator's deliberate faults: `--faults` and `--wps-emulator-faults`, one class and one row a fault. Pure.

delay=20ms,jitter=5ms,drop=1/100,duplicate=1/200,reorder=1/500,stall=2s@10s,
disconnect=1/1000,refuse=1/50,throttle=1/50,service-rate=900,seed=7

A fault derives from the class of the event that it affects (`Timing`, `DeliveryFault`, `PublicationFault`,
`UpgradeFault`), defines how its value is read and what it does, and is listed in `FAULTS`. Of the faults with a share
that affect one event, at most one applies at a time.
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import accumulate
from typing import ClassVar, Generic, Protocol, Self, TypeVar

from wps_load.clock import NS_PER_S
from wps_load.workload.values import duration_ns, parts

_SHARE = re.compile(r"([0-9]+)/([0-9]+)")


class FaultSyntaxError(ValueError):
    """The specification cannot be read. `faults` has one clear sentence for each error."""

    def __init__(self, faults: list[str]) -> None:
        self.faults = tuple(faults)
        super().__init__("; ".join(faults))


class InjectedFault:
    """One fault, as the specification describes it."""

    name: ClassVar[str]

    @classmethod
    def parse(cls, text: str) -> Self:
        """Reads the value after `name=`. Raises ValueError, which says what is allowed."""
        raise NotImplementedError


# -- faults of a delivery's instant ---------------------------------------------------------------------------------


@dataclass(slots=True)
class Moment:
    """When a delivery leaves.

    `slot_ns`: its place in the service's queue, before which it never leaves; `due_ns`: its instant after the faults so
    far; `first_ns`: when the first message came in; None: none has.
    """

    slot_ns: int
    due_ns: int
    first_ns: int | None


Timer = Callable[[Moment], None]
"""Delays a delivery; keeps what it must know of earlier ones."""


class Timing(InjectedFault):
    """A fault of the instant of every delivery. They apply in the order of `FAULTS`."""

    def timer(self, dice: random.Random) -> Timer:
        raise NotImplementedError


@dataclass(frozen=True, slots=True)
class ServiceRate(Timing):
    """All deliveries wait in one queue, which this many leave per second."""

    name: ClassVar = "service-rate"
    per_s: float

    @classmethod
    def parse(cls, text: str) -> Self:
        try:
            rate = float(text)
        except ValueError:
            rate = 0.0
        if not 0 < rate <= 1e9:
            raise ValueError("a number of deliveries a second above 0 is needed, such as 900")
        return cls(rate)

    def timer(self, dice: random.Random) -> Timer:
        interval_ns, last_ns = NS_PER_S / self.per_s, 0.0

        def queue(moment: Moment) -> None:
            nonlocal last_ns
            last_ns = max(last_ns + interval_ns, moment.due_ns)
            moment.slot_ns = moment.due_ns = int(last_ns)

        return queue


@dataclass(frozen=True, slots=True)
class Delay(Timing):
    name: ClassVar = "delay"
    delay_ns: int

    @classmethod
    def parse(cls, text: str) -> Self:
        return cls(duration_ns(text))

    def timer(self, dice: random.Random) -> Timer:
        def delay(moment: Moment) -> None:
            moment.due_ns += self.delay_ns

        return delay


@dataclass(frozen=True, slots=True)
class Jitter(Timing):
    """A uniform delay of plus or minus this much."""

    name: ClassVar = "jitter"
    jitter_ns: int

    @classmethod
    def parse(cls, text: str) -> Self:
        return cls(duration_ns(text))

    def timer(self, dice: random.Random) -> Timer:
        def shake(moment: Moment) -> None:
            moment.due_ns = max(moment.slot_ns, moment.due_ns + dice.randint(-self.jitter_ns, self.jitter_ns))

        return shake


@dataclass(frozen=True, slots=True)
class Stall(Timing):
    """Nothing leaves for a while; delayed deliveries leave at its end."""

    name: ClassVar = "stall"
    length_ns: int
    after_ns: int = 0
    """Counted from the first message."""

    @classmethod
    def parse(cls, text: str) -> Self:
        length, at, after = text.partition("@")
        try:
            return cls(duration_ns(length), duration_ns(after) if at else 0)
        except ValueError:
            raise ValueError(
                "two durations are needed, such as 2s@10s (for 2 s, 10 s after the first message)"
            ) from None

    def timer(self, dice: random.Random) -> Timer:
        def stall(moment: Moment) -> None:
            if moment.first_ns is None:
                return
            begin_ns = moment.first_ns + self.after_ns
            if begin_ns <= moment.due_ns < begin_ns + self.length_ns:
                moment.due_ns = begin_ns + self.length_ns

        return stall


# -- faults with a share --------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Chance(InjectedFault):
    """A fault that applies with a probability. `counter`: the emulator's statistic that counts it."""

    counter: ClassVar[str]
    share: Fraction

    @classmethod
    def parse(cls, text: str) -> Self:
        match = _SHARE.fullmatch(text)
        if match is None or int(match[2]) == 0 or int(match[1]) > int(match[2]):
            raise ValueError("a share is needed, such as 1/100, from 0/1 to 1/1")
        return cls(Fraction(int(match[1]), int(match[2])))


class Outgoing(Protocol):
    """One delivery on its way, which a fault may damage. `counter`: counted when the bytes are written."""

    def drop(self, counter: str) -> None: ...

    def leave(self, counter: str | None = None) -> None: ...

    def let_next_overtake(self, counter: str) -> None: ...


class DeliveryFault(Chance):
    def strike(self, delivery: Outgoing) -> None:
        raise NotImplementedError


class Drop(DeliveryFault):
    name, counter = "drop", "dropped"

    def strike(self, delivery: Outgoing) -> None:
        delivery.drop(self.counter)


class Duplicate(DeliveryFault):
    name, counter = "duplicate", "duplicated"

    def strike(self, delivery: Outgoing) -> None:
        delivery.leave()
        delivery.leave(self.counter)


class Reorder(DeliveryFault):
    """The stream's next delivery overtakes it."""

    name, counter = "reorder", "reordered"

    def strike(self, delivery: Outgoing) -> None:
        delivery.let_next_overtake(self.counter)


class Sender(Protocol):
    """The connection that has published."""

    def abort(self) -> None: ...


class PublicationFault(Chance):
    def strike(self, sender: Sender) -> None:
        raise NotImplementedError


class Disconnection(PublicationFault):
    name, counter = "disconnect", "disconnected"

    def strike(self, sender: Sender) -> None:
        sender.abort()


class UpgradeFault(Chance):
    """Answers a client's upgrade with an error. `status`: the HTTP status."""

    status: ClassVar[int]
    reason: ClassVar[str]


class Refuse(UpgradeFault):
    name, counter = "refuse", "upgrades_refused"
    status, reason = 503, "Refused by the fault specification."


class Throttle(UpgradeFault):
    name, counter = "throttle", "upgrades_throttled"
    status, reason = 429, "Throttled by the fault specification."


# -- faults of admission ---------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Forbid(InjectedFault):
    """Answers 403: to everybody, as a network rule does, or to REST calls by Entra ID, as without a role."""

    name: ClassVar = "forbid"
    what: str
    until_ns: int | None = None
    """Counted from the emulator's start; None: for good."""

    @classmethod
    def parse(cls, text: str) -> Self:
        what, colon, until = text.partition(":")
        if what not in ("network", "role"):
            raise ValueError("network or role is needed, for a while as role:10s")
        return cls(what, duration_ns(until) if colon else None)

    def applies(self, what: str, running_ns: int) -> bool:
        """Whether it forbids this now. `running_ns`: the time since the emulator's start."""
        return self.what == what and (self.until_ns is None or running_ns < self.until_ns)


FAULTS: dict[str, type[InjectedFault]] = {
    fault.name: fault
    for fault in (
        ServiceRate,
        Delay,
        Jitter,
        Stall,
        Drop,
        Duplicate,
        Reorder,
        Disconnection,
        Refuse,
        Throttle,
        Forbid,
    )
}  # fmt: skip
OCCASIONS: tuple[type[Chance], ...] = (DeliveryFault, PublicationFault, UpgradeFault)


# -- the specification ---------------------------------------------------------------------------------------

_Kind = TypeVar("_Kind", bound=InjectedFault)
_Chance = TypeVar("_Chance", bound=Chance)


@dataclass(frozen=True, slots=True)
class FaultSpec:
    """The deliberate faults, in the order of `FAULTS`; by default the service is faultless.

    `seed`: of the random decisions.
    """

    faults: tuple[InjectedFault, ...] = ()
    seed: int = 0

    def of(self, kind: type[_Kind]) -> tuple[_Kind, ...]:
        return tuple(fault for fault in self.faults if isinstance(fault, kind))

    @property
    def touches_deliveries(self) -> bool:
        """Whether a delivery may be anything but written at once."""
        return bool(self.of(Timing) or self.of(DeliveryFault))


NO_FAULTS = FaultSpec()
_SEED = "seed"


def parse_faults(text: str) -> FaultSpec:
    """Reads a specification. Raises FaultSyntaxError with all of its errors. Empty: no faults."""
    found: dict[str, InjectedFault] = {}
    seed: int | None = None
    wrong: list[str] = []
    for part in parts(text):
        name, _, value = (piece.strip() for piece in part.partition("="))
        if name in found or (name == _SEED and seed is not None):
            wrong.append(f"{name} is given twice")
        elif name not in FAULTS and name != _SEED:
            wrong.append(f"{name!r} is not a fault; known are {', '.join(FAULTS)}, {_SEED}")
        else:
            try:
                if name == _SEED:
                    seed = _seed(value)
                else:
                    found[name] = FAULTS[name].parse(value)
            except ValueError as error:
                wrong.append(f"{name}={value}: {error}")
    spec = FaultSpec(tuple(found[name] for name in FAULTS if name in found), seed or 0)
    for rivals in (spec.of(occasion) for occasion in OCCASIONS):
        if sum((fault.share for fault in rivals), Fraction(0)) > 1:
            wrong.append(f"{', '.join(fault.name for fault in rivals)} together must not exceed 1")
    if wrong:
        raise FaultSyntaxError(wrong)
    return spec


def _seed(value: str) -> int:
    if not value.isascii() or not value.isdigit():
        raise ValueError("a whole number is needed")
    return int(value)


class Die(Generic[_Chance]):
    """Decides which fault of one event applies, from its own random sequence: faults do not affect each other."""

    def __init__(self, faults: Sequence[_Chance], dice: random.Random) -> None:
        self._faults = [fault for fault in faults if fault.share]
        self._up_to = [float(share) for share in accumulate(fault.share for fault in self._faults)]
        self._dice = dice

    def __bool__(self) -> bool:
        """Whether any fault may ever apply."""
        return bool(self._faults)

    def thrown(self) -> _Chance | None:
        """The fault that applies now; None: none does."""
        if not self._faults:
            return None
        drawn = self._dice.random()
        return next((fault for fault, limit in zip(self._faults, self._up_to, strict=True) if drawn < limit), None)


class Dice:
    """Every random decision of a specification, from its seed."""

    def __init__(self, spec: FaultSpec) -> None:
        self.deliveries = Die(spec.of(DeliveryFault), random.Random(f"fate {spec.seed}"))
        self.publications = Die(spec.of(PublicationFault), random.Random(f"cut {spec.seed}"))
        self.upgrades = Die(spec.of(UpgradeFault), random.Random(f"upgrade {spec.seed}"))
        self.timers = [fault.timer(random.Random(f"{fault.name} {spec.seed}")) for fault in spec.of(Timing)]
