"""What a master sends its workers about a run, besides the bus messages: plain data without secrets, as types.

Workers read it with `read`, because the other side may have another version.
"""

from __future__ import annotations

from typing import TypedDict, TypeVar

import msgspec

from wps_load.swarm.message_wire import UnknownMessage


class SharedTraits(TypedDict, total=False):
    """What a worker must have in common with its master; empty: it was checked before. `files`: digests by name."""

    version: str
    files: dict[str, str]


class TargetOrder(TypedDict):
    """Which target, and which secret each worker needs for it: an option's dest, empty if none is needed.

    `shown`: the target in words. `emulator`, `public`: the address of the embedded emulator, or of one with the public
    key; else empty. `endpoint`, `credential`: those of a target with Microsoft Entra ID. `network`: the master's.
    """

    target: str
    shown: str
    needs: str
    emulator: str
    public: str
    endpoint: str
    credential: str
    network: str


class _ToPlay(TargetOrder):
    """`mix`: path and content of the master's file, so that workers need none; None: not a mix, or sent before."""

    mix: tuple[str, str] | None
    seed: int
    traits: SharedTraits


class Order(_ToPlay):
    """Asks a worker before the run whether it could play its part. `users` None: a load shape decides."""

    users: int | None


class RunIdentity(_ToPlay):
    """The identity of a run that begins. `number`: the 32 bits of its id that every stamp carries."""

    users: int
    run_id: str
    number: int
    started_ns: int


_T = TypeVar("_T", Order, RunIdentity)


def read(data: object, kind: type[_T]) -> _T:
    """Reads an order. Raises UnknownMessage for anything that is not of this kind."""
    try:
        return msgspec.convert(data, kind)
    except msgspec.ValidationError as error:
        raise UnknownMessage(
            "an order from another version of wps-load arrived: master and workers need the same version"
        ) from error
