"""The publisher's side of the ledger: the numbers of one stream, and what happened to them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from wps_load.measure.causes import Cause
from wps_load.measure.intervals import IntervalSet


class StreamFinal(NamedTuple):
    """The final state of one stream on the publisher's side: plain values, which msgpack carries as a list.

    `count`: numbers taken. `failed`: flat ascending bounds lo0, hi0, lo1, hi1, ... of those that nobody must expect:
    never handed to a socket, or not known to have been published.
    """

    stream: int
    audience: int
    owner: int | None
    no_echo: bool
    count: int  # type: ignore[assignment]  # hides tuple.count, which is not needed here
    failed: tuple[int, ...]

    @classmethod
    def from_wire(cls, wire: Sequence[object]) -> StreamFinal:
        """Reads the list that came over the wire. Raises ValueError if it has another form."""
        stream, audience, owner, no_echo, count, failed = wire
        if not (isinstance(stream, int) and isinstance(audience, int) and isinstance(count, int)):
            raise ValueError("not a stream's final")
        if not (owner is None or isinstance(owner, int)) or not isinstance(failed, list | tuple):
            raise ValueError("not a stream's final")
        return cls(stream, audience, owner, bool(no_echo), count, tuple(failed))


class OutStream:
    """The numbers of one stream.

    `seq` is the next one: a hot caller may read and increment it itself. `population`: the number of the publisher's.
    """

    __slots__ = ("_failed", "_uncertain", "audience", "failed_by", "no_echo", "owner", "population", "seq", "stream")

    def __init__(self, stream: int, audience: int, owner: int | None, no_echo: bool, population: int = 0) -> None:
        self.population = population
        self.stream = stream
        self.audience = audience
        self.owner = owner
        self.no_echo = no_echo
        self.seq = 0
        self._failed: IntervalSet | None = None
        self._uncertain: IntervalSet | None = None
        self.failed_by: dict[Cause, int] = {}
        """How many numbers failed, by cause."""

    def take(self) -> int:
        """The next sequence number."""
        seq = self.seq
        self.seq = seq + 1
        return seq

    def skip(self, count: int, cause: Cause = Cause.GENERATOR) -> None:
        """Takes the next `count` numbers, none of which was handed to a socket."""
        if self._failed is None:
            self._failed = IntervalSet()
        self._failed.append(self.seq, self.seq + count)
        self.seq += count
        self.failed_by[cause] = self.failed_by.get(cause, 0) + count

    def failed(self, seq: int, cause: Cause = Cause.GENERATOR) -> None:
        """`seq` was never handed to the socket, so nobody can expect it. A second call keeps the first cause."""
        if self._failed is None:
            self._failed = IntervalSet()
        if self._failed.add(seq):
            self.failed_by[cause] = self.failed_by.get(cause, 0) + 1

    def uncertain(self, seq: int) -> None:
        """Records a message that was handed to the socket but may not have been published.

        A REST call without an answer is one. It counts as published, and is expected only where it arrives.
        """
        if self._uncertain is None:
            self._uncertain = IntervalSet()
        self._uncertain.add(seq)

    @property
    def send_failed(self) -> int:
        return self._failed.size if self._failed is not None else 0

    def restart(self) -> None:
        """Begins a new epoch: numbers start again."""
        self.seq = 0
        self._failed = None
        self._uncertain = None
        self.failed_by = {}

    def final(self) -> StreamFinal:
        return StreamFinal(self.stream, self.audience, self.owner, self.no_echo, self.seq, tuple(self._unexpected()))

    def _unexpected(self) -> list[int]:
        failed = [] if self._failed is None else self._failed.to_list()
        if self._uncertain is None:
            return failed
        both = IntervalSet.from_list(failed)
        for lo, hi in self._uncertain:
            for seq in range(lo, hi):
                both.add(seq)
        return both.to_list()
