"""The virtual users of one population in this process, with their publish plan, cuts and keepalive."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence

import gevent

from wps_load.client.app_server import AppServerClient, make_sender
from wps_load.client.connections import Connections
from wps_load.client.context import PopulationContext
from wps_load.client.cuts import Cutter
from wps_load.client.epochs import Epoch
from wps_load.client.keepalive_sweep import Sweep
from wps_load.client.publish_plan import PublishPlan
from wps_load.client.readiness import Readiness
from wps_load.client.rest_sender import RestSender
from wps_load.client.virtual_user import VirtualUser
from wps_load.clock import NS_PER_S, now_ns
from wps_load.protocol.keepalive import Keepalive
from wps_load.workload.chaos import lifetimes_ns
from wps_load.workload.population import Role, user_name
from wps_load.workload.user_streams import user_stream

WIDENED_AT_ONCE = 20
"""Users that join new groups in one turn of the loop."""


class PopulationRunner:
    """`users`: by index, as they come and go. Read-only for others."""

    def __init__(self, context: PopulationContext) -> None:
        config = context.run.config
        self.context = context
        self.users: dict[int, VirtualUser] = {}
        self.readiness = Readiness()
        self.connections = Connections(context)
        self.plan = PublishPlan(context)
        self._keepalive = Sweep(self.connections, Keepalive(config.keepalive_interval_ns, config.keepalive_timeout_ns))
        self._cutter: Cutter | None = None
        self._rest: RestSender | None = None
        self._stops = False
        self._streams = any(each.scenario_row.streams for each in config.populations)
        """Whether there are streams that its users may hear."""
        self._left: set[VirtualUser] = set()
        """Users that have left with their population, but that Locust still has."""
        self._unawaited = Readiness()
        """The readiness of users that come during the run, which nobody waits for."""
        self._lifetimes: dict[int, Iterator[int]] = {}

    def app_server(self) -> AppServerClient:
        """The client for a user of a class whose tasks call REST. Its users share the connections."""
        if self._rest is None:
            self._rest = make_sender(self.context)
        return AppServerClient(self.context, self._rest)

    # -- users -----------------------------------------------------------------------------------------------

    def admit(self, index: int, incarnation: int, slot_ns: int) -> VirtualUser:
        """Admits a virtual user for `index`, due to connect at `slot_ns` of our clock."""
        part = self.context.run.audiences.role_of(index)
        assert part is not None, "the engine has found that it belongs to this population"
        stream = user_stream(index, incarnation)
        late = bool(self.context.settings.start_ns)
        user = VirtualUser(
            self.connections,
            self._unawaited if late else self.readiness,
            part,
            stream,
            self._slot(index, slot_ns) if late else slot_ns,
            publisher=self.plan.publisher_of(part, stream),
            lifetimes=self._lifetimes_of(index),
        )
        self.users[index] = user
        if late:
            self.readiness.settle()
        (self._unawaited if late else self.readiness).come(joins=user.joins)
        self._stop_in_time()
        return user

    def admit_bystander(self, index: int, slot_ns: int) -> VirtualUser:
        """Admits a user that belongs to no population, and never connects."""
        part = Role(index, user_name(self.context.run.run_id, index), (), (), None)
        user = self.users[index] = VirtualUser(
            self.connections, self.readiness, part, index, slot_ns, publisher=None, lifetimes=None
        )
        user.stay_away()
        return user

    def _slot(self, index: int, slot_ns: int) -> int:
        """Users of a population that starts later come one after the other from then on, as fast as others."""
        found = self.context.run.mixture.of(index)
        assert found is not None
        gap_ns = NS_PER_S / self.context.run.config.spawn_rate
        return max(slot_ns, self.context.start_ns + int(found[1] * gap_ns))

    def _stop_in_time(self) -> None:
        stop_ns = self.context.stop_ns
        if stop_ns is None:
            return
        if now_ns() >= stop_ns:
            self._stop(stop_ns)
        elif not self._stops:
            self._stops = True
            self.context.run.scheduler.call_at(stop_ns, self._stop)

    def _stop(self, _: int) -> None:
        """All users leave by plan. Locust does not know, and keeps its users."""
        for user in list(self.users.values()):
            self.dismiss(user)
            self.readiness.settle()  # Locust's user is still there, and must not be waited for
            self._left.add(user)

    def _lifetimes_of(self, index: int) -> Iterator[int] | None:
        """The lifetimes of this index's connections (`churn`): a successor continues where its predecessor stopped."""
        settings = self.context.settings
        if settings.lifetime_ns is None:
            return None
        if index not in self._lifetimes:
            self._lifetimes[index] = iter(lifetimes_ns(settings.lifetime_ns, settings.seed, index))
        return self._lifetimes[index]

    def dismiss(self, user: VirtualUser) -> None:
        """A virtual user ends by plan."""
        if self.users.get(user.role.index) is user:
            del self.users[user.role.index]
            late = bool(self.context.settings.start_ns)
            self.readiness.leave(joins=user.joins and not late, settled=late or user.settled)
        elif user in self._left:
            self._left.remove(user)
            self.readiness.leave(joins=False, settled=True)
        if user.publisher is not None:
            self.plan.retire(user.publisher)
        user.hearing.forget()
        user.stop()

    # -- epochs ----------------------------------------------------------------------------------------------

    def announce(self, epoch: Epoch, present: Collection[int]) -> None:
        """Publishing in this epoch, and the cuts of the first measured one.

        `present`: the indices of all present users, of all populations and processes.
        """
        self.plan.announce(epoch)
        cut = self.context.settings.cut
        if cut is not None and self._cutter is None and epoch.number > 0:
            self._cutter = Cutter(self.context, self.users, present, cut, epoch.start_ns, epoch.until_ns)

    def attend(self, at_ns: int, came: Sequence[int], gone: Sequence[int], present: Collection[int]) -> None:
        """Users of the run have come and gone, here or elsewhere: what is divided among them follows.

        `present`: as of `announce`.
        """
        self.plan.attend(at_ns, came, gone)
        if self._cutter is not None:
            self._cutter.attend([*came, *gone], present)

    def widen(self) -> None:
        """The population that its users listen to has new groups: they join them."""
        gevent.spawn(self._widen)

    def _widen(self) -> None:
        for turn, (index, user) in enumerate(list(self.users.items())):
            part = self.context.run.audiences.role_of(index)
            if part is not None and self.users.get(index) is user:
                user.widen(part)
            if turn % WIDENED_AT_ONCE == 0:
                gevent.sleep(0)  # thousands at once would delay the messages

    def move_end(self, at_ns: int, *, present: bool) -> None:
        """The newest epoch ends at `at_ns`. `present`: it is the present one."""
        if present:
            self.plan.move_end(at_ns)
        if self._cutter is not None:
            self._cutter.move_end(at_ns)

    def end_at(self, at_ns: int) -> None:
        """Nothing due at `at_ns` or later is published or cut, and the integrals of connections end."""
        self.plan.end_at(at_ns)
        if self._cutter is not None:
            self._cutter.end_at(at_ns)
        self.connections.end_at(at_ns)

    # -- streams ---------------------------------------------------------------------------------------------

    @property
    def hears_on(self) -> bool:
        """Whether a stream that somebody hears has not ended."""
        return self._streams and any(each.hearing.open for each in self.users.values())

    def end_hearing(self) -> None:
        """The run is over: unfinished streams were cut off."""
        for each in self.users.values():
            each.hearing.end()

    # -- a few times a second ---------------------------------------------------------------------------------

    def acknowledge(self, at_ns: int) -> None:
        self.connections.acknowledge(at_ns)

    def keep_alive(self) -> None:
        self._keepalive.beat()

    # -- the end ---------------------------------------------------------------------------------------------

    def close(self) -> None:
        """Ends every connection as planned."""
        for user in list(self.users.values()):
            self.dismiss(user)
        self.plan.close()
        if self._rest is not None:
            self._rest.close()
