"""Service level objectives: their grammar, what they mean, and whether they hold.

    slos      = "none" | slo *( "," slo )
    slo       = [ population "." ] subject [ aggregate ] operator value
    subject   = metric | "loss" | "missed" | "duplicates" | "reordered" | "misdelivered" | "connected"
    metric    = a name of the catalogue                          ; takes an aggregate, the others don't
    aggregate = "p50" | "p90" | "p95" | "p99" | "p99.9" | "p99.99" | "mean" | "min" | "max"
              | "count" | "rate" | "fail_ratio"
    operator  = "<" | "<=" | ">" | ">=" | "=" | "=="
    value     = number ( "us" | "ms" | "s" | "m" )               ; p*, mean, min, max
              | number "/s"                                      ; rate
              | number "%"                                       ; fail_ratio, connected, and the message counts
              | number                                           ; count, and the message counts

The ratios divide by: `loss` by the expected messages, `missed` by the expected and the missed ones, `duplicates`,
`reordered` and `misdelivered` by the delivered ones, `fail_ratio` by the attempts (as in Locust's table), `connected`
by the connections requested. `rate` is values per second of the measure phase, without failures. An SLO without data
has not passed. Nor has one on a percentile that is the time of an attempt that was given up while it waited: its true
time is unknown, but longer.
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Final, Literal, NamedTuple, Protocol

from wps_load.clock import NS_PER_MS
from wps_load.measure.catalog import LATENCIES, MESSAGE_METRICS, METRIC_BY_NAME
from wps_load.measure.histogram import Histogram
from wps_load.measure.ledger import LedgerTotals
from wps_load.measure.snapshot import rank_of

Row = Mapping[str, float | int | None]
Verdict = Literal["pass", "fail", "no_data"]

TIMES: Final = ("p50", "p90", "p95", "p99", "p99.9", "p99.99", "mean", "min", "max")
AGGREGATES: Final = (*TIMES, "count", "rate", "fail_ratio")
MESSAGE_COUNTS: Final = ("loss", "missed", "duplicates", "reordered", "misdelivered")

_MS_IN: Final = {"us": 0.001, "ms": 1.0, "s": 1000.0, "m": 60_000.0}
_COMPARE: Final[Mapping[str, Callable[[float, float], bool]]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
    "=": operator.eq,
}


class _Kind(NamedTuple):
    """The form of a subject's values: the allowed `units`, the operators that make sense, and an example."""

    units: tuple[str, ...]
    operators: str
    example: str


_KINDS: Final = {
    "time": _Kind(tuple(_MS_IN), "< <=", "250ms"),
    "count": _Kind(("",), "< <= > >= =", "100"),
    "rate": _Kind(("/s",), "< <= > >=", "3000/s"),
    "fail_ratio": _Kind(("%",), "< <= =", "1%"),
    "connected": _Kind(("%",), "> >= =", "99.9%"),
    "messages": _Kind(("", "%"), "< <= =", "0 or 0.1%"),
}

# -- grammar -------------------------------------------------------------------------------------------------

_SLO: Final = re.compile(
    r"\s*(?:(?P<population>[a-z][a-z0-9-]*)\.)?(?P<subject>[A-Za-z_]\w*)(?:\s+(?P<aggregate>[A-Za-z][\w.]*))?"
    r"\s*(?P<operator>[<>=!]+)\s*(?P<number>[0-9]+(?:\.[0-9]+)?)\s*(?P<unit>[^\s]*)\s*"
)


class SloError(ValueError):
    """Expressions that cannot be read. `faults`: (position in the text, what is wrong and what is allowed)."""

    def __init__(self, faults: Collection[tuple[int, str]]) -> None:
        self.faults = tuple(faults)
        super().__init__("; ".join(f"at {position}: {text}" for position, text in self.faults))


@dataclass(frozen=True, slots=True)
class Slo:
    """One demand.

    `limit` is in `unit` ("us", "ms", "s", "m", "/s", "%" or "" for a plain number). `population`: the one whose numbers
    it is about; empty: the whole run's.
    """

    expression: str
    subject: str
    aggregate: str | None
    operator: str
    limit: float
    unit: str
    population: str = ""

    def of(self, population: str) -> Slo:
        """The same SLO for a population, which its expression names."""
        return replace(self, expression=f"{population}.{self.expression}", population=population)

    @property
    def kind(self) -> str:
        if self.aggregate in TIMES:
            return "time"
        return self.aggregate or ("connected" if self.subject == "connected" else "messages")

    @property
    def limit_ms(self) -> float | None:
        """The limit of a time in ms; None for another kind."""
        return self.limit * _MS_IN[self.unit] if self.kind == "time" else None


def parse(text: str) -> tuple[Slo, ...]:
    """Reads a list of SLOs; `none` and an empty text give none. Raises SloError with every fault at once."""
    if text.strip() in ("", "none"):
        return ()
    slos, faults, at = [], [], 0
    for part in text.split(","):
        try:
            slos.append(_parse_one(part))
        except SloError as error:
            faults += [(at + position, message) for position, message in error.faults]
        at += len(part) + 1
    if faults:
        raise SloError(faults)
    return tuple(slos)


def _parse_one(part: str) -> Slo:
    def refuse(group: str, message: str) -> SloError:
        return SloError([(found.start(group) if found else len(part) - len(part.lstrip()), message)])

    found = _SLO.fullmatch(part)
    expression = " ".join(part.split())
    if not found:
        raise refuse("", f"{expression!r} is not 'METRIC AGGREGATE OP VALUE', such as 'rtt p99 < 250ms'")
    subject, aggregate, sign, unit = found.group("subject", "aggregate", "operator", "unit")
    sign = "=" if sign == "==" else sign
    if subject in METRIC_BY_NAME:
        if aggregate not in AGGREGATES:
            raise refuse("aggregate" if aggregate else "operator", f"{subject} needs one of {', '.join(AGGREGATES)}")
    elif subject not in (*MESSAGE_COUNTS, "connected"):
        names = ", ".join([*METRIC_BY_NAME, *MESSAGE_COUNTS, "connected"])
        raise refuse("subject", f"nothing is called {subject!r}: {names}")
    elif aggregate:
        raise refuse("aggregate", f"{subject} takes no aggregate: '{subject} {sign} VALUE'")
    slo = Slo(expression, subject, aggregate, sign, float(found["number"]), unit, found["population"] or "")
    kind = _KINDS[slo.kind]
    if sign not in kind.operators.split():
        raise refuse("operator", f"{sign!r} makes no demand here: one of {kind.operators}")
    if unit not in kind.units and not (slo.limit == 0 and unit == "" and "%" in kind.units):
        raise refuse("number", f"a value such as {kind.example} is needed, not '{found['number']}{unit}'")
    if unit == "%" and slo.limit > 100:
        raise refuse("number", "more than 100 %")
    if sign == "<" and slo.limit == 0:
        raise refuse("operator", "nothing is below 0: it could never hold")
    if sign == ">" and unit == "%" and slo.limit == 100:
        raise refuse("operator", "nothing is above 100 %: it could never hold")
    return slo


def demanded(slos: Iterable[Slo]) -> frozenset[str]:
    """The metrics that SLOs are about: those with SLOs on times or, if there are none, all."""
    found = list(slos)
    times = frozenset(slo.subject for slo in found if slo.kind == "time" and slo.subject in LATENCIES)
    return times or frozenset(slo.subject for slo in found)


def check(slo: Slo, scenario_metrics: Collection[str]) -> str | None:
    """Why this scenario can never have data for `slo`, in a sentence, before the run; None if it can."""
    name = slo.subject
    if name in MESSAGE_COUNTS:
        return None if MESSAGE_METRICS & set(scenario_metrics) else f"{name}: this scenario sends no messages"
    if name == "connected":
        return None
    if slo.kind == "time" and not METRIC_BY_NAME[name].timed:
        return f"{name} has no times: only count, rate and fail_ratio"
    if name not in scenario_metrics:
        return f"{name} is not measured by this scenario, which has {', '.join(sorted(scenario_metrics))}"
    return None


# -- verdicts ------------------------------------------------------------------------------------------------


class SloSource(Protocol):
    """The numbers of a run. None: unknown."""

    def row(self, metric: str) -> Row | None:
        """The metric's row, as `snapshot.metric_row` makes it."""

    @property
    def messages(self) -> LedgerTotals | None: ...

    @property
    def connected_share(self) -> float | None:
        """Connections open over the measure phase, as a share (0..1) of those requested."""

    @property
    def measure_s(self) -> float | None:
        """The length of the measure phase so far."""

    def of(self, population: str) -> SloSource | None:
        """The numbers of a population; None: populations are not known separately."""


@dataclass(frozen=True, slots=True)
class SloResult:
    """`value`: ms for times, percent for `%`, else a plain number; None without data."""

    expression: str
    value: float | None
    verdict: Verdict


def holds(slo: Slo, value: float) -> bool:
    """Whether a value, in ms for times, is within the limit."""
    return _COMPARE[slo.operator](value, slo.limit if slo.limit_ms is None else slo.limit_ms)


def evaluate(slo: Slo, source: SloSource) -> SloResult:
    """Whether `slo` holds. Without data the verdict is `no_data`, which is not a pass."""
    if slo.population:
        own = source.of(slo.population)
        if own is None:
            return SloResult(slo.expression, None, "no_data")
        source = own
    value = _value(slo, source)
    if value is None:
        return SloResult(slo.expression, None, "no_data")
    held = holds(slo, value)
    if held and _is_least(slo, source):
        return SloResult(slo.expression, value, "no_data")
    return SloResult(slo.expression, value, "pass" if held else "fail")


def _is_least(slo: Slo, source: SloSource) -> bool:
    """Whether the value is only a lower bound, because it is of an attempt that was given up while it waited."""
    row = source.row(slo.subject) if slo.kind == "time" else None
    waited = 0 if row is None else int(row.get("waited") or 0)
    if row is None or not waited:
        return False
    ahead = int((row["count"] or 0) - (row["failures"] or 0))
    if slo.aggregate in ("min", "mean"):
        return not ahead
    percent = 100.0 if slo.aggregate == "max" else float(str(slo.aggregate)[1:])
    return rank_of(percent, ahead + waited) > ahead


def _value(slo: Slo, source: SloSource) -> float | None:
    match slo.kind:
        case "messages":
            return message_count(slo, source.messages)
        case "connected":
            return None if source.connected_share is None else source.connected_share * 100
    row = source.row(slo.subject)
    if row is None:
        return None
    count, failures = row["count"] or 0, row["failures"] or 0
    match slo.kind:
        case "time":
            assert slo.aggregate is not None
            return row[slo.aggregate.replace(".", "_")]
        case "count":
            return float(count)
        case "rate":
            return (count - failures) / source.measure_s if source.measure_s else None
        case _:
            return failures / count * 100 if count else None


def message_count(slo: Slo, messages: LedgerTotals | None) -> float | None:
    """The value of an SLO on loss, duplicates and the like; None without data."""
    if messages is None or not (messages.expected or messages.missed or messages.misdelivered):
        return None
    due = messages.expected or 0
    counts: dict[str, tuple[int | None, int]] = {
        "loss": (messages.lost, due),
        "missed": (messages.missed, due + (messages.missed or 0)),
        "duplicates": (messages.duplicated, messages.delivered),
        "reordered": (messages.reordered, messages.delivered),
        "misdelivered": (messages.misdelivered, messages.delivered),
    }
    part, whole = counts[slo.subject]
    if part is None or not (due or (part and slo.subject in ("missed", "misdelivered"))):
        return None
    if slo.unit != "%":
        return float(part)
    return part / whole * 100 if whole else None


# -- stopping early ------------------------------------------------------------------------------------------


class LiveSource(SloSource, Protocol):
    """The numbers of a run in progress."""

    def histogram(self, metric: str) -> Histogram | None:
        """The values so far."""

    @property
    def certain_loss(self) -> int:
        """Messages that are lost whatever comes: skipped, and not arrived within the drain time. 0 if unsure."""


def out_of_reach(slo: Slo, source: LiveSource, remaining: int, remaining_s: float) -> bool:
    """Whether nothing that may still happen can meet `slo`.

    Never true on mere suspicion.

    `remaining`: at most this many further values of the SLO's metric (for message counts: deliveries) may come, and
    `remaining_s` of the measure phase. The best case is assumed: all of them instant, successful, unduplicated and in
    order.
    """
    upper = slo.operator != ">" and slo.operator != ">="
    match slo.kind:
        case "connected":
            return False  # the rest may still connect
        case "messages":
            return not _COMPARE["<="](_least_count(slo, source, remaining), slo.limit)
        case "time":
            return _time_out_of_reach(slo, source.histogram(slo.subject), remaining)
    row = source.row(slo.subject) or {}
    count, failures = row.get("count") or 0, row.get("failures") or 0
    match slo.kind:
        case "count":
            least, most = float(count), float(count + remaining)
        case "rate":
            seconds = (source.measure_s or 0.0) + remaining_s
            if seconds <= 0:
                return False
            least, most = (count - failures) / seconds, (count - failures + remaining) / seconds
        case _:
            least = failures / (count + remaining) * 100 if count + remaining else 0.0
            most = 100.0
    compare = _COMPARE[slo.operator]
    if slo.operator == "=":
        return slo.limit < least or slo.limit > most
    return not compare(least if upper else most, slo.limit)


def _least_count(slo: Slo, source: LiveSource, remaining: int) -> float:
    messages = source.messages
    delivered = messages.delivered if messages else 0
    if slo.subject == "loss":
        part, whole = source.certain_loss, delivered + source.certain_loss + remaining
    else:
        name = {"duplicates": "duplicated"}.get(slo.subject, slo.subject)
        known = messages is not None and name != "missed"  # which is known only at the end of the run
        part = getattr(messages, name) if known else 0
        whole = delivered + remaining
    if slo.unit != "%":
        return float(part)
    return part / whole * 100 if whole else 0.0


def _time_out_of_reach(slo: Slo, histogram: Histogram | None, remaining: int) -> bool:
    if histogram is None or histogram.max is None or slo.limit_ms is None or slo.aggregate is None:
        return False
    limit_ns = slo.limit_ms * NS_PER_MS
    whole = histogram.count + remaining
    match slo.aggregate:
        case "min":
            return False  # one fast value is enough
        case "max":
            return histogram.max > limit_ns
        case "mean":
            return histogram.sum / whole > limit_ns
        case percentile:
            rank = max(1, int(float(percentile[1:]) * whole / 100 + 0.5))  # as Histogram.percentile
            return rank > whole - histogram.count_above(int(limit_ns))
