"""Carries out a CutPlan: breaks connections of this process's virtual users on purpose, at instants fixed by the plan.

Every process goes through the whole run's cuts with their victims, and carries out those whose victim it has. So the
cuts are the same in one process and in eight, without agreement. A cut whose victim has no connection at its instant
(it is still recovering from the last one) is left out; `connections.cut` counts real cuts.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from typing import Protocol

from wps_load.client.connection import Cut
from wps_load.client.context import PopulationContext
from wps_load.clock import NS_PER_S, now_ns
from wps_load.workload.chaos import CutPlan, victims
from wps_load.workload.pacer import ConstantPacer

TOO_LATE_NS = NS_PER_S
"""A process that joins the run late skips cuts that were due before it came."""


class Victim(Protocol):
    """A user with a connection that may be cut."""

    def cut(self, kind: Cut, code: int) -> bool: ...


class Cutter:
    """Cuts from `start_ns`, the measure phase's beginning in our clock, until its end, which may be moved.

    `users`: the population's users of this process, by index, as they come and go. `present`: the indices of all
    present users, of all populations and processes; nobody changes it.
    """

    def __init__(
        self,
        context: PopulationContext,
        users: Mapping[int, Victim],
        present: Collection[int],
        plan: CutPlan,
        start_ns: int,
        until_ns: int,
    ) -> None:
        self._until_ns = until_ns
        self._users = users
        scheduler = context.run.scheduler
        self._kind = Cut(plan.kind)
        self._code = plan.code
        self._seed = context.settings.seed
        self._belongs = lambda index: context.run.audiences.belongs(index, (context.number,))
        self._turn = 0
        self._victims = victims(self._seed, filter(self._belongs, present))
        self._all: Iterator[Victim] | None = None
        self._next_due: Callable[[], int] | None = None
        if plan.all_at_ns is not None:
            scheduler.call_at(start_ns + plan.all_at_ns, self._cut_all)
        elif plan.per_s is not None:
            self._next_due = ConstantPacer(start_ns, plan.per_s, phase=0.5).next_due
            scheduler.call_at(self._next_due(), self._cut_next)

    def attend(self, changed: Iterable[int], present: Collection[int]) -> None:
        """Users have come and gone, here or in other processes: cuts hit those who are present."""
        if any(map(self._belongs, changed)):
            self._turn += 1
            self._victims = victims(self._seed, filter(self._belongs, present), self._turn)

    def move_end(self, at_ns: int) -> None:
        """Nothing is cut at this instant or later."""
        self._until_ns = at_ns

    def end_at(self, at_ns: int) -> None:
        """It ends at this instant, if not before."""
        self._until_ns = min(self._until_ns, at_ns)

    def _cut_next(self, due_ns: int) -> int | None:
        """The run's next cut, which is ours if we have its victim."""
        if due_ns >= self._until_ns:
            return None
        user = self._users.get(next(self._victims))
        if user is not None and now_ns() - due_ns < TOO_LATE_NS:
            user.cut(self._kind, self._code)
        assert self._next_due is not None
        return self._next_due()

    def _cut_all(self, due_ns: int) -> int | None:
        """Cuts one user per call, due again at once: other work that is due comes before the next of thousands."""
        if due_ns >= self._until_ns:
            return None
        if self._all is None:
            late = now_ns() - due_ns >= TOO_LATE_NS
            self._all = iter(() if late else list(self._users.values()))
        user = next(self._all, None)
        if user is None:
            return None
        user.cut(self._kind, self._code)
        return max(due_ns, now_ns())
