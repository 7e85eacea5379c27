"""Whether a run's connections fit into its processes: the room of each machine, added up host by host. Pure.

Locust divides users evenly, so the host with the least room for each of its workers decides. A host counts once,
however many workers it has.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
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

    @classmethod
    def of(cls, machine: Machine, network: str, host: str) -> Room:
        return cls(
            network, host, machine.files, machine.files_left, machine.ports, machine.addresses, machine.tracked,
            machine.memory_bytes,
        )  # fmt: skip

    @classmethod
    def from_wire(cls, data: object) -> Room | None:
        """Reads a worker's answer; None: it cannot be understood."""
        if not isinstance(data, list | tuple) or len(data) != len(cls._fields):
            return None
        network, host, *numbers = data
        if not all(each is None or isinstance(each, int) for each in numbers) or not isinstance(numbers[3], int):
            return None
        return cls(str(network), str(host), *numbers)

    def beside(self, others: Iterable[Room]) -> Room:
        """The room of a process that came during a run: what its host's others had left before the run."""
        known = next((each for each in others if each.network == self.network), self)
        return self._replace(files_left=known.files_left, tracked=known.tracked, memory_bytes=known.memory_bytes)


class _Host(NamedTuple):
    name: str
    workers: int
    wall: Wall


def shortage(users: int, rooms: Sequence[Room], targets: int | None = 1) -> str | None:
    """Why this many connections do not fit, in a sentence with the figure; None: no known limit is exceeded.

    `rooms`: one for each process that has users. `targets`: addresses that connections go to; None: unknown.
    """
    hosts = [host for host in _hosts(rooms, targets) if users // len(rooms) * host.workers > host.wall.connections]
    if not hosts:
        return None
    least = min(hosts, key=lambda host: host.wall.connections / host.workers)
    total = least.wall.connections * len(rooms) // least.workers
    who = "this process holds" if len(rooms) == 1 else f"these {len(rooms):,} workers hold"
    where = "" if len({room.network for room in rooms}) == 1 else f" on {least.name}"
    more = "" if len(rooms) == 1 else ", or add workers on other hosts"
    return (
        f"{users:,} connections do not fit: {who} {total:,} at most ({least.wall.name}{where}: {least.wall.found}): "
        f"{least.wall.more}{more}"
    )


def _hosts(rooms: Sequence[Room], targets: int | None) -> list[_Host]:
    """The first limit on each host that its system enforces."""
    found = []
    for network in dict.fromkeys(room.network for room in rooms):
        own = [room for room in rooms if room.network == network]
        machine = Machine(
            processes=len(own),
            files=_least(room.files for room in own),
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
