"""What a master tells its workers of a run beside the messages of the bus: plain data without secrets, as types.

They read it with `read`, since whoever is on the other end may be of another version.
"""

from __future__ import annotations

from typing import TypedDict, TypeVar

import msgspec

from wps_load.swarm.message_wire import UnknownMessage


class SharedTraits(TypedDict, total=False):
    """What a worker needs to have in common with its master; empty: that was asked before. `files`: digests by name."""

    version: str
    files: dict[str, str]


class TargetOrder(TypedDict):
    """Which target, and which secret each worker needs for it: an option's dest, empty if none is needed.

    `shown`: the target in words. `emulator`, `public`: where the embedded emulator is, or one with the public key; else
    empty. `endpoint`, `credential`: of a target with Microsoft Entra ID. `network`: the master's.
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
    seed: int
    traits: SharedTraits


class Order(_ToPlay):
    """Asks a worker whether it could play its part, before the run. `users` None: a load shape decides."""

    users: int | None


class RunIdentity(_ToPlay):
    """Of a run that begins. `number`: the 32 bits of its id that every stamp carries."""

    users: int
    run_id: str
    number: int
    started_ns: int


_T = TypeVar("_T", Order, RunIdentity)


def read(data: object, kind: type[_T]) -> _T:
    """Raises UnknownMessage for what is not of this kind."""
    try:
        return msgspec.convert(data, kind)
    except msgspec.ValidationError as error:
        raise UnknownMessage(
            "an order from another version of wps-load arrived: master and workers need the same version"
        ) from error
