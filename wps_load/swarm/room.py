"""Whether a run's connections fit into its processes: the room of each machine, added up host by host. Pure.

Locust divides users evenly, so the host with the least room for each of its workers decides. A host counts once,
however many workers it has.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from math import inf
from typing import NamedTuple

from wps_load.capacity.machines import UTMOST, Wall, walls
from wps_load.machine import Machine


class Room(NamedTuple):
    """The room of one process's machine.

    `network`: the same for all processes that share ports. Numbers are as in `Machine`: None if unknown.
    """

    network: str
    host: str
    files: int | None
    files_left: int | None
    ports: int | None
    addresses: int
    tracked: int | None
    memory_bytes: int | None
    files_taken: int = 0

    @classmethod
    def of(cls, machine: Machine, network: str, host: str) -> Room:
        return cls(
            network, host, machine.files, machine.files_left, machine.ports, machine.addresses, machine.tracked,
            machine.memory_bytes, machine.files_taken,
        )  # fmt: skip

    @classmethod
    def from_wire(cls, data: object) -> Room | None:
        """Reads a worker's answer; None: it cannot be understood."""
        if not isinstance(data, list | tuple) or len(data) != len(cls._fields):
            return None
        network, host, *numbers = data
        if not all(each is None or isinstance(each, int) for each in numbers):
            return None
        room = cls(str(network), str(host), *numbers)
        return None if room.addresses is None or room.files_taken is None else room

    def beside(self, others: Iterable[Room]) -> Room:
        """The room of a process that came during a run: what its host's others had left before the run."""
        known = next((each for each in others if each.network == self.network), self)
        return self._replace(files_left=known.files_left, tracked=known.tracked, memory_bytes=known.memory_bytes)


class EmulatorRoom(NamedTuple):
    """The embedded emulator's limit of open files, and how many of them it uses before the first connection."""

    files: int
    taken: int


class _Host(NamedTuple):
    name: str
    workers: int
    wall: Wall

    def least_users(self, users: int, workers: int) -> int:
        """The users that it gets at least, if `workers` share them evenly: others may get one more than it."""
        each, over = divmod(users, workers)
        return each * self.workers + max(0, over - (workers - self.workers))


class _Short(NamedTuple):
    """Who holds how many connections at most, and what to do."""

    holds: int
    who: str
    why: str
    more: str


def shortage(
    users: int, rooms: Sequence[Room], targets: int | None = 1, emulator: EmulatorRoom | None = None
) -> str | None:
    """Why this many connections do not fit, in a sentence with the figure; None: no known limit is exceeded.

    `rooms`: one for each process that has users. `targets`: addresses that connections go to; None: unknown.
    `emulator`: the embedded one's room, if it is the target.
    """
    found = [each for each in (_of_processes(users, rooms, targets), _of_emulator(users, emulator)) if each]
    if not found:
        return None
    short = min(found)
    return f"{users:,} connections do not fit: {short.who} {short.holds:,} at most ({short.why}): {short.more}"


def _of_processes(users: int, rooms: Sequence[Room], targets: int | None) -> _Short | None:
    hosts = [host for host in _hosts(rooms, targets) if host.least_users(users, len(rooms)) > host.wall.connections]
    if not hosts:
        return None
    least = min(hosts, key=lambda host: host.wall.connections / host.workers)
    total = least.wall.connections * len(rooms) // least.workers
    who = "this process holds" if len(rooms) == 1 else f"these {len(rooms):,} workers hold"
    where = "" if len({room.network for room in rooms}) == 1 else f" on {least.name}"
    more = "" if len(rooms) == 1 else ", or add workers on other hosts"
    return _Short(total, who, f"{least.wall.name}{where}: {least.wall.found}", f"{least.wall.more}{more}")


def _of_emulator(users: int, emulator: EmulatorRoom | None) -> _Short | None:
    """The emulator is a process of its own, which resets what it cannot take: that would look like the service."""
    if emulator is None or users <= (holds := max(0, emulator.files - emulator.taken)):
        return None
    why = f"open files: its limit of {emulator.files:,} less {emulator.taken:,} for other files"
    more = "raise the hard limit (ulimit -Hn, LimitNOFILE=) where the run is started, or use fewer users"
    return _Short(holds, "the embedded emulator holds", why, more)


def _hosts(rooms: Sequence[Room], targets: int | None) -> list[_Host]:
    """The first limit on each host that its system enforces."""
    found = []
    for network in dict.fromkeys(room.network for room in rooms):
        own = [room for room in rooms if room.network == network]
        tightest = min(own, key=lambda room: inf if room.files is None else room.files - room.files_taken)
        machine = Machine(
            processes=len(own),
            files=tightest.files,
            files_taken=tightest.files_taken,
            files_left=_least(room.files_left for room in own),
            ports=_least(room.ports for room in own),
            addresses=max(room.addresses for room in own),
            tracked=_least(room.tracked for room in own),
            memory_bytes=_least(room.memory_bytes for room in own),
        )
        firm = [wall for wall in walls(machine, targets, margins=UTMOST) if wall.firm]
        found += [_Host(own[0].host, len(own), wall) for wall in firm[:1]]
    return found


def _least(numbers: Iterable[int | None]) -> int | None:
    known = [each for each in numbers if each is not None]
    return min(known, default=None)
