"""The messages of the swarm as plain data for msgpack, and back: `[kind, *fields]`. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, TypeVar

from wps_load.errors import ExitCode, WpsLoadError
from wps_load.measure.ledger import LedgerTotals, PairTotals
from wps_load.measure.presence import Presence
from wps_load.swarm.epoch_report import EpochReport
from wps_load.swarm.messages import (
    Accounts,
    Claim,
    Clock,
    ClockReply,
    ClockRequest,
    End,
    Expect,
    Failed,
    Finals,
    Grant,
    Hello,
    Move,
    Present,
    Rate,
    Release,
    Report,
    Reset,
    Retry,
    Slot,
    Status,
    Sums,
    ToAgent,
    ToCoordinator,
    Vitals,
    Window,
)  # fmt: skip
from wps_load.swarm.stream_finals import Streams

_Message = TypeVar("_Message")


class UnknownMessage(WpsLoadError):
    """A message that this version does not know, because master and worker have different versions."""


def to_wire(message: ToCoordinator | ToAgent) -> list[Any]:
    """Returns plain data for msgpack: None, bool, int, float, str, bytes, lists, and dicts whose keys are str."""
    kind = type(message)
    return [_NAMES[kind], *_WRITERS.get(kind, list)(message)]


def message_to_coordinator(wire: Sequence[Any]) -> ToCoordinator:
    """Reads an agent's message from `to_wire`. Raises UnknownMessage."""
    return _read(_TO_COORDINATOR, wire)


def message_to_agent(wire: Sequence[Any]) -> ToAgent:
    """Reads the coordinator's message from `to_wire`. Raises UnknownMessage."""
    return _read(_TO_AGENT, wire)


def _read(kinds: Mapping[str, Callable[..., _Message]], wire: Sequence[Any]) -> _Message:
    try:
        kind, *fields = wire
        return kinds[kind](*fields)
    except (KeyError, TypeError, ValueError) as error:
        raise UnknownMessage(
            "a message from another version of wps-load arrived: master and workers need the same version"
        ) from error


# -- fields that are not plain data: how they are written and read --------------------------------------


def _report_fields(report: Report) -> list[Any]:
    return [
        report.second,
        report.partial,
        report.open,
        report.epoch,
        _counted(report.deltas),
        _counted(report.totals),
        list(report.vitals),
        _presence_fields(report.presence),
        [part.to_wire() for part in report.parts],
        [_sums_fields(each) for each in report.populations],
        report.fired,
    ]


def _report(
    second: int,
    partial: bool,
    open_: int,
    epoch: int,
    deltas: Mapping[str, int],
    totals: Mapping[str, int],
    vitals: Sequence[Any],
    presence: Sequence[Any] | None,
    parts: Sequence[Any],
    populations: Sequence[Sequence[Any]],
    fired: bool,
) -> Report:
    return Report(
        second,
        partial,
        open_,
        epoch,
        deltas,
        totals,
        Vitals(*vitals),
        _presence(presence),
        tuple(EpochReport.from_wire(part) for part in parts),
        tuple(_sums(*each) for each in populations),
        fired,
    )


def _sums_fields(sums: Sums) -> list[Any]:
    return [sums.open, _counted(sums.deltas), _counted(sums.totals), _presence_fields(sums.presence)]


def _sums(open_: int, deltas: Mapping[str, int], totals: Mapping[str, int], presence: Sequence[Any] | None) -> Sums:
    return Sums(open_, deltas, totals, _presence(presence))


def _counted(counts: Mapping[str, int]) -> dict[str, int]:
    """Counts without zeros, because most counters are 0 in most seconds."""
    return {name: count for name, count in counts.items() if count}


def _presence_fields(presence: Presence | None) -> list[Any] | None:
    return None if presence is None else presence.to_wire()


def _presence(wire: Sequence[Any] | None) -> Presence | None:
    return None if wire is None else Presence.from_wire(wire)


def _with_streams_fields(message: Finals | Expect) -> list[Any]:
    return [message.streams.to_wire(), *message[1:]]


def _finals(streams: Any, *rest: Any) -> Finals:
    return Finals(Streams.from_wire(streams), *rest)


def _expect(streams: Any, *rest: Any) -> Expect:
    return Expect(Streams.from_wire(streams), *rest)


def _accounts_fields(accounts: Accounts) -> list[Any]:
    return [
        accounts.totals.to_wire(),
        accounts.connecting,
        [each.to_wire() for each in accounts.populations],
        [list(each) for each in accounts.pairs],
    ]


def _accounts(totals: Any, connecting: int, populations: Sequence[Any], pairs: Sequence[Any]) -> Accounts:
    return Accounts(
        LedgerTotals.from_wire(totals),
        connecting,
        tuple(LedgerTotals.from_wire(each) for each in populations),
        tuple(PairTotals(*each) for each in pairs),
    )


def _failed_fields(failed: Failed) -> list[Any]:
    return [failed.sentence, int(failed.code)]


def _failed(sentence: str, code: int) -> Failed:
    return Failed(sentence, ExitCode(code))


def _grant_fields(grant: Grant) -> list[Any]:
    return [[list(slot) for slot in grant.slots]]


def _grant(slots: Sequence[Any]) -> Grant:
    return Grant(tuple(Slot(*slot) for slot in slots))


def _move_fields(move: Move) -> list[Any]:
    return [move.user_index, list(move.slot)]


def _move(user_index: int, slot: Sequence[Any]) -> Move:
    return Move(user_index, Slot(*slot))


_NAMES: Final[Mapping[type, str]] = {
    Hello: "hello", Claim: "claim", Release: "release", Status: "status", Report: "report",
    ClockReply: "clock_reply", Finals: "finals", Accounts: "accounts", Failed: "failed",
    Grant: "grant", Move: "move", Window: "window", Rate: "rate", Present: "present", Retry: "retry", Reset: "reset",
    ClockRequest: "clock_request", Clock: "clock", End: "end", Expect: "expect",
}  # fmt: skip
_WRITERS: Final[Mapping[type, Callable[[Any], list[Any]]]] = {
    Report: _report_fields,
    Finals: _with_streams_fields,
    Expect: _with_streams_fields,
    Accounts: _accounts_fields,
    Failed: _failed_fields,
    Grant: _grant_fields,
    Move: _move_fields,
}
"""Kinds that are missing here have only plain data in their fields."""
_TO_COORDINATOR: Final[Mapping[str, Callable[..., ToCoordinator]]] = {
    "hello": Hello, "claim": Claim, "release": Release, "status": Status, "report": _report,
    "clock_reply": ClockReply, "finals": _finals, "accounts": _accounts, "failed": _failed,
}  # fmt: skip
_TO_AGENT: Final[Mapping[str, Callable[..., ToAgent]]] = {
    "grant": _grant, "move": _move, "window": Window, "rate": Rate, "present": Present, "retry": Retry, "reset": Reset,
    "clock_request": ClockRequest, "clock": Clock, "end": End, "expect": _expect,
}  # fmt: skip
