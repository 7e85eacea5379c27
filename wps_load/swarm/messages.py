"""The messages between the coordinator and the agents as values: one NamedTuple for each kind. Pure.

Instants (`..._ns`) are in the coordinator's clock, except where a field says that it is the agent's. In one process the
values are passed as they are; between processes they travel as plain data (`message_wire`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from wps_load.errors import ExitCode
from wps_load.measure.ledger import LedgerTotals, PairTotals
from wps_load.measure.presence import Presence
from wps_load.swarm.epoch_report import EpochReport
from wps_load.swarm.stream_finals import Streams

# -- agent to coordinator --------------------------------------------------------------------------------------


class Hello(NamedTuple):
    """The first message of an agent. `host`: the same for all processes that share a clock."""

    host: str


class Claim(NamedTuple):
    """This many users need an index and a slot each."""

    users: int


class Release(NamedTuple):
    """The user with this index has stopped."""

    user_index: int


class Status(NamedTuple):
    """The progress of the agent's users, sent whenever it changes.

    `settled`: connected, or failed once. `joiners`: those that join groups; `joined`: those that have.
    """

    settled: int
    open: int
    joiners: int
    joined: int


class Vitals(NamedTuple):
    """One second of a process: CPU in percent of one core, memory, and the longest pause of the garbage collector."""

    cpu_percent: float
    rss_bytes: int
    gc_pause_ns: int


class Sums(NamedTuple):
    """`open`: connections. `deltas`: message counts since the last report; `totals`: those of its epoch so far.

    `presence`: None before the measure phase is announced.
    """

    open: int
    deltas: Mapping[str, int]
    totals: Mapping[str, int]
    presence: Presence | None


class Report(NamedTuple):
    """One second of an agent. `partial`: it is part of a second, in the drain.

    `deltas`: message counts since the last report; `totals`: those of `epoch` so far; a missing name counts 0.
    `presence`: None before the measure phase is announced. `populations`: the same for each population, if there are
    several. `fired`: somebody at the agent wants each request, so Locust's own statistics get them there.
    """

    second: int
    partial: bool
    open: int
    epoch: int
    deltas: Mapping[str, int]
    totals: Mapping[str, int]
    vitals: Vitals
    presence: Presence | None
    parts: Sequence[EpochReport]
    populations: Sequence[Sums] = ()
    fired: bool = False


class ClockReply(NamedTuple):
    """The answer to a `ClockRequest`: its `sent_ns`, and the agent's clock in between."""

    sent_ns: int
    agent_ns: int


class Finals(NamedTuple):
    """What the agent's publishers have sent: the final of each stream and its schedule, which is in the agent's clock.

    `clock`: the lines of the agent's timescale, as plain data. `hears`: the audiences that its receivers belong to, as
    flat ranges.
    """

    streams: Streams
    clock: Sequence[Sequence[int]]
    hears: Sequence[int]


class Accounts(NamedTuple):
    """The agent's last message: its ledger's totals. `connecting`: attempts that were under way at the end.

    If there are several populations, it has the totals of each, and who has heard how much of whom.
    """

    totals: LedgerTotals
    connecting: int
    populations: Sequence[LedgerTotals] = ()
    pairs: Sequence[PairTotals] = ()


class Failed(NamedTuple):
    """An error in a worker that ends the run: a sentence for people, and the exit code."""

    sentence: str
    code: ExitCode


# -- coordinator to agent --------------------------------------------------------------------------------------


class Slot(NamedTuple):
    """A user's index, how often that index was used before, and the instant at which the user is due to connect."""

    user_index: int
    incarnation: int
    due_ns: int


class Grant(NamedTuple):
    """Slots for users that were claimed, in the order of the claims."""

    slots: Sequence[Slot]


class Window(NamedTuple):
    """An epoch of publishing, from `start_ns` until `until_ns`.

    `ordinal` of `agents`: this agent's place among the first agents, which divide the work that belongs to no user
    (that of the REST senders); None: it came later.
    """

    epoch: int
    start_ns: int
    until_ns: int
    ordinal: int | None = None
    agents: int = 0


class Rate(NamedTuple):
    """From `at_ns` on, all publishers together send this many messages a second."""

    per_second: int
    at_ns: int


class Present(NamedTuple):
    """From `at_ns` on, these users are present: their indices as flat ascending bounds lo0, hi0, lo1, hi1, ..."""

    at_ns: int
    indices: Sequence[int]


class Move(NamedTuple):
    """The user with this index leaves, and the user of this slot takes its seat."""

    user_index: int
    slot: Slot


class Retry(NamedTuple):
    """Users that back off should retry soon."""


class Reset(NamedTuple):
    """Statistics start again at `at_ns`. `epoch`: the one that begins then; None before the measure phase."""

    at_ns: int
    epoch: int | None


class ClockRequest(NamedTuple):
    """Requests the time on the agent's clock."""

    sent_ns: int


class Clock(NamedTuple):
    """The new line of the agent's timescale: its start in the agent's clock, offset, and rate in ppb."""

    from_ns: int
    offset_ns: int
    ppb: int


class End(NamedTuple):
    """Publishing stops at `at_ns`; the agent answers with its `Finals`."""

    at_ns: int


class Expect(NamedTuple):
    """The streams that the agent can hear, each with the number of its clock; the agent answers with its `Accounts`.

    `clocks`: by number; clocks that no stream names are left out. `known`: the numbers of all agents' streams, as flat
    ranges. The agent waits for messages in flight during `drain_ns` at most. `end_ns`: the end of publishing.
    """

    streams: Streams
    clocks: Sequence[Sequence[Sequence[int]]]
    known: Sequence[int]
    drain_ns: int
    end_ns: int


ToCoordinator = Hello | Claim | Release | Status | Report | ClockReply | Finals | Accounts | Failed
ToAgent = Grant | Move | Window | Rate | Present | Retry | Reset | ClockRequest | Clock | End | Expect
