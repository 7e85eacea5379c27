"""The virtual users of one population in this process, and what they are led by: publish plan, cuts, keepalive."""

from __future__ import annotations

from collections.abc import Iterator

from wps_load.client.app_server import AppServerClient, make_sender
from wps_load.client.audiences import INDEX_BITS
from wps_load.client.chaos import Cutter
from wps_load.client.connections import Connections
from wps_load.client.context import PopulationContext
from wps_load.client.epochs import Epoch
from wps_load.client.keepalive import Sweep
from wps_load.client.publish_plan import PublishPlan
from wps_load.client.readiness import Readiness
from wps_load.client.rest import RestSender
from wps_load.client.virtual_user import VirtualUser
from wps_load.protocol.keepalive import Keepalive
from wps_load.workload.chaos import lifetimes_ns
from wps_load.workload.population import role


class PopulationRunner:
    """`users`: by index, as they come and go. Read them, do not change them."""

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
        self._lifetimes: dict[int, Iterator[int]] = {}

    def app_server(self) -> AppServerClient:
        """For a user of a class whose tasks call REST. Its users share the connections."""
        if self._rest is None:
            self._rest = make_sender(self.context)
        return AppServerClient(self.context, self._rest)

    # -- users -----------------------------------------------------------------------------------------------

    def admit(self, index: int, incarnation: int, slot_ns: int) -> VirtualUser:
        """A new virtual user for `index`, due to connect at `slot_ns` of our clock."""
        context = self.context
        part = role(context.settings, context.run.run_id, index, max(context.users, 1))
        stream = incarnation << INDEX_BITS | index
        user = VirtualUser(
            self.connections,
            self.readiness,
            part,
            stream,
            slot_ns,
            publisher=self.plan.publisher_of(part, stream),
            lifetimes=self._lifetimes_of(index),
        )
        self.users[index] = user
        self.readiness.come(joins=user.joins)
        return user

    def _lifetimes_of(self, index: int) -> Iterator[int] | None:
        """Of the connections of this index (`churn`), whoever has it: one goes on where the one before has stopped."""
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
            self.readiness.leave(joins=user.joins, settled=user.settled)
        if user.publisher is not None:
            self.plan.retire(user.publisher)
        user.stop()

    # -- epochs ----------------------------------------------------------------------------------------------

    def announce(self, epoch: Epoch) -> None:
        """Publishing in this epoch, and the cuts of the first one that is measured."""
        self.plan.announce(epoch)
        cut = self.context.settings.cut
        if cut is not None and self._cutter is None and epoch.number > 0:
            self._cutter = Cutter(self.context, self.users, cut, epoch.start_ns, epoch.until_ns)

    def move_end(self, at_ns: int, *, present: bool) -> None:
        """The newest epoch ends at `at_ns`. `present`: it is the one that is on."""
        if present:
            self.plan.move_end(at_ns)
        if self._cutter is not None:
            self._cutter.move_end(at_ns)

    def end_at(self, at_ns: int) -> None:
        """Nothing that is due at `at_ns` or later is published or cut, and the integrals of connections end."""
        self.plan.end_at(at_ns)
        if self._cutter is not None:
            self._cutter.end_at(at_ns)
        self.connections.end_at(at_ns)

    # -- some times a second ---------------------------------------------------------------------------------

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
