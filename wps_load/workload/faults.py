"""The fault specification of `--faults` and `--wps-emulator-faults`: text -> `FaultSpec`, and its dice. Pure.

delay=20ms,jitter=5ms,drop=1/100,duplicate=1/200,reorder=1/500,stall=2s@10s,
disconnect=1/1000,refuse=1/50,throttle=1/50,service-rate=900,seed=7
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from fractions import Fraction

from wps_load.workload.values import duration_ns

_SHARE = re.compile(r"(\d+)/(\d+)")
NEVER = Fraction(0)


class FaultSyntaxError(ValueError):
    """The specification cannot be read. `faults` holds one clear sentence for each thing that is wrong."""

    def __init__(self, faults: list[str]) -> None:
        self.faults = tuple(faults)
        super().__init__("; ".join(faults))


@dataclass(frozen=True, slots=True)
class FaultSpec:
    """What to do wrong on purpose. Shares are probabilities; the default is a faultless service."""

    delay_ns: int = 0
    jitter_ns: int = 0
    drop: Fraction = NEVER
    duplicate: Fraction = NEVER
    reorder: Fraction = NEVER
    stall_ns: int = 0
    stall_after_ns: int = 0
    disconnect: Fraction = NEVER
    refuse: Fraction = NEVER
    throttle: Fraction = NEVER
    service_rate: float | None = None
    seed: int = 0

    @property
    def touches_deliveries(self) -> bool:
        """Whether a delivery may be anything but written at once."""
        return bool(
            self.delay_ns
            or self.jitter_ns
            or self.drop
            or self.duplicate
            or self.reorder
            or self.stall_ns
            or self.service_rate
        )


NO_FAULTS = FaultSpec()


def parse_faults(text: str) -> FaultSpec:
    """Reads a specification; raises FaultSyntaxError with everything that is wrong with it. Empty: no
    faults.
    """
    values: dict[str, object] = {}
    faults: list[str] = []
    for part in filter(None, (part.strip() for part in text.split(","))):
        name, _, value = (piece.strip() for piece in part.partition("="))
        if name not in _PARSERS:
            faults.append(f"{name!r} is not a fault; known are {', '.join(_PARSERS)}")
            continue
        first_field = _FIELDS.get(name, (name,))[0]
        if first_field in values:
            faults.append(f"{name} is given twice")
            continue
        try:
            parsed = _PARSERS[name](value)
        except ValueError as error:
            faults.append(f"{name}={value}: {error}")
            continue
        values.update(zip(_FIELDS.get(name, (name,)), parsed, strict=True))
    shares = [values.get(name, NEVER) for name in ("drop", "duplicate", "reorder")]
    if sum((share for share in shares if isinstance(share, Fraction)), NEVER) > 1:
        faults.append("drop, duplicate and reorder together must not exceed 1")
    if faults:
        raise FaultSyntaxError(faults)
    return FaultSpec(**values)  # type: ignore[arg-type]  # the table of parsers gives each field its type


def _duration(value: str) -> tuple[int]:
    return (duration_ns(value),)


def _share(value: str) -> tuple[Fraction]:
    match = _SHARE.fullmatch(value)
    if match is None or int(match[2]) == 0 or int(match[1]) > int(match[2]):
        raise ValueError("a share is needed, such as 1/100, from 0/1 to 1/1")
    return (Fraction(int(match[1]), int(match[2])),)


def _stall(value: str) -> tuple[int, int]:
    length, at, after = value.partition("@")
    try:
        return _duration(length)[0], _duration(after)[0] if at else 0
    except ValueError:
        raise ValueError("two durations are needed, such as 2s@10s (for 2 s, 10 s after the first message)") from None


def _rate(value: str) -> tuple[float]:
    try:
        rate = float(value)
    except ValueError:
        rate = 0.0
    if not 0 < rate <= 1e9:
        raise ValueError("a number of deliveries a second above 0 is needed, such as 900")
    return (rate,)


def _seed(value: str) -> tuple[int]:
    if not value.isascii() or not value.isdigit():
        raise ValueError("a whole number is needed")
    return (int(value),)


_PARSERS: dict[str, Callable[[str], tuple[object, ...]]] = {
    "delay": _duration,
    "jitter": _duration,
    "drop": _share,
    "duplicate": _share,
    "reorder": _share,
    "stall": _stall,
    "disconnect": _share,
    "refuse": _share,
    "throttle": _share,
    "service-rate": _rate,
    "seed": _seed,
}
_FIELDS = {
    "delay": ("delay_ns",),
    "jitter": ("jitter_ns",),
    "stall": ("stall_ns", "stall_after_ns"),
    "service-rate": ("service_rate",),
}


class Fate(Enum):
    """What becomes of one delivery: at most one fault each."""

    WRITE = "write"
    DROP = "drop"
    DUPLICATE = "duplicate"
    REORDER = "reorder"


class Dice:
    """Every random decision, from one seed. Each kind has a sequence of its own, so none disturbs
    another's.
    """

    def __init__(self, spec: FaultSpec) -> None:
        self._drop = float(spec.drop)
        self._duplicate = float(spec.drop + spec.duplicate)
        self._reorder = float(spec.drop + spec.duplicate + spec.reorder)
        self._disconnect = float(spec.disconnect)
        self._refuse = float(spec.refuse)
        self._throttle = float(spec.refuse + spec.throttle)
        self._jitter_ns = spec.jitter_ns
        self._fates = random.Random(f"fate {spec.seed}")
        self._cuts = random.Random(f"cut {spec.seed}")
        self._upgrades = random.Random(f"upgrade {spec.seed}")
        self._delays = random.Random(f"delay {spec.seed}")

    def fate(self) -> Fate:
        if not self._reorder:
            return Fate.WRITE
        drawn = self._fates.random()
        if drawn >= self._reorder:
            return Fate.WRITE
        if drawn < self._drop:
            return Fate.DROP
        return Fate.DUPLICATE if drawn < self._duplicate else Fate.REORDER

    def cuts_sender(self) -> bool:
        return self._disconnect > 0 and self._cuts.random() < self._disconnect

    def upgrade_status(self) -> int | None:
        """503 (`refuse`), 429 (`throttle`) or None."""
        if not self._throttle:
            return None
        drawn = self._upgrades.random()
        return 503 if drawn < self._refuse else 429 if drawn < self._throttle else None

    def jitter_ns(self) -> int:
        """Uniform in plus or minus the specified jitter."""
        return self._delays.randint(-self._jitter_ns, self._jitter_ns) if self._jitter_ns else 0
