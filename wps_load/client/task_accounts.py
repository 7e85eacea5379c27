"""The ledger's two sides for the clients of tasks: what they publish with `measured=True`, and what arrives.

The theory is "Exact accounting" in docs/architecture.md. A task's messages are due when it calls, so a stream keeps a
log of those instants; a client belongs to its groups from the ack of a join until it leaves or is lost.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

from wps_load.client.context import PopulationContext
from wps_load.client.task_streams import Sending, TaskStream
from wps_load.clock import now_ns
from wps_load.measure.causes import cause_of
from wps_load.measure.ledger import DUPLICATE
from wps_load.measure.stamp import WAIT_SHIFT
from wps_load.measure.task_envelope import Opened, seal
from wps_load.measure.task_stamp import COUNTED, TaskStamp, audience_number, new_number


class AddressedTo(NamedTuple):
    """The intended receivers of a message: `kind` is group, user, connection, all, or the `answers` of one client."""

    kind: str
    name: str
    no_echo: bool = False


class TaskPublisher:
    """One client's publishing side, or an app server's. `owner`: the number of the client that may hear itself."""

    def __init__(self, context: PopulationContext, owner: int | None) -> None:
        self._context = context
        self._owner = owner
        self._streams: dict[tuple[int, bool], TaskStream] = {}
        self.numbers: set[int] = set()
        """Of its streams."""
        self.one_way: set[int] = set()
        """Streams whose messages do not come back to it."""

    def due(self, kind: str, name: str, no_echo: bool = False) -> Sending:
        """A message to this audience is due now."""
        context = self._context
        audience = audience_number(context.settings.hub, kind, name)
        stream = self._streams.get((audience, no_echo))
        if stream is None:
            number = new_number(context.number)
            stream = context.run.task_streams.open(number, audience, self._owner, no_echo)
            self._streams[audience, no_echo] = stream
            self.numbers.add(number)
            if no_echo:
                self.one_way.add(number)
        at_ns = now_ns()
        return Sending(stream, at_ns, context.epochs.measured_at(at_ns))

    def sealed(self, data: Any, sending: Sending) -> Any:
        """The data as sent to the service; must be sent at once, because it takes the sequence number."""
        epochs = self._context.epochs
        seq = sending.take(epochs.number)
        stamp = TaskStamp(
            mark=epochs.mark,
            flags=0 if seq is None else COUNTED,
            stream=sending.stream.out.stream,
            audience=sending.stream.out.audience,
            seq=seq or 0,
            due_ns=sending.due_ns + self._context.clock.offset_ns,
            wait=now_ns() - sending.due_ns >> WAIT_SHIFT,
            check=0,
        )
        return seal(data, stamp)

    def not_sent(self, sending: Sending, label: str) -> None:
        """It never left, or was refused."""
        sending.failed(self._context.epochs.number, cause_of(label))

    def unanswered(self, sending: Sending) -> None:
        """It was sent, but nobody knows whether it was published."""
        sending.uncertain(self._context.epochs.number)


class Account:
    """A client's receiving side, and its publisher.

    `groups` that others may put it into are not known here, so messages of those are not misdelivered: `others_add`.
    """

    def __init__(self, context: PopulationContext) -> None:
        self._context = context
        self._hub = context.settings.hub
        self.number = number = new_number(context.number)
        """This client's number in the ledger."""
        self._receiver = context.run.ledger.receiver(number)
        self.publisher = TaskPublisher(context, number)
        self._answers = AddressedTo("answers", str(number))
        """The audience of the event handler's answers, which is this client alone."""
        self._awaits_answers = False
        self._others_add = not context.run.config.target.makes_tokens or any(
            each.calls_rest for each in context.run.config.populations
        )
        self._groups: set[int] = set()
        """Audiences that are groups, as far as this client has used them."""
        self._unclear: set[int] = set()
        """Groups whose join or leave is in progress, or was never answered."""
        self._out_since: dict[int, int] = {}
        """Groups that it has left, and when that was confirmed, in the run's time."""
        self._connection: int | None = None

    # -- membership ------------------------------------------------------------------------------------------

    def connected(self, user_id: str | None, connection_id: str | None, groups: Iterable[str]) -> None:
        """A new connection. `groups`: those of its token."""
        at_ns = self._time(now_ns())
        receiver = self._receiver
        if self._connection is not None:
            receiver.left(self._connection, at_ns, planned=True)
        self._connection = None
        receiver.joined(audience_number(self._hub, "all"), at_ns)
        if self._awaits_answers:
            receiver.joined(audience_number(self._hub, *self._answers[:2]), at_ns)
        if user_id is not None:
            receiver.joined(audience_number(self._hub, "user", user_id), at_ns)
        if connection_id is not None:
            self._connection = audience_number(self._hub, "connection", connection_id)
            receiver.joined(self._connection, at_ns)
        for group in groups:
            receiver.joined(self._group(group), at_ns)

    def await_answers(self) -> AddressedTo:
        """From now on an answer to each measured event is expected. It is connected."""
        if not self._awaits_answers:
            self._awaits_answers = True
            self._receiver.joined(audience_number(self._hub, *self._answers[:2]), self._time(now_ns()))
        return self._answers

    def joining(self, group: str) -> None:
        """A join is requested."""
        self._unclear.add(self._group(group))

    def joined(self, group: str, at_ns: int) -> None:
        """The ack of a join arrived at `at_ns`."""
        audience = self._group(group)
        self._unclear.discard(audience)
        self._receiver.joined(audience, self._time(at_ns))

    def leaving(self, group: str) -> None:
        """A leave is requested; from now on no message is expected."""
        audience = self._group(group)
        self._unclear.add(audience)
        self._receiver.left(audience, self._time(now_ns()), planned=True)

    def left(self, group: str, at_ns: int) -> None:
        """The ack of a leave arrived: from now on messages are misdelivered."""
        audience = self._group(group)
        self._unclear.discard(audience)
        self._out_since[audience] = self._time(at_ns)
        self._receiver.begin_apart()

    def refused(self, group: str) -> None:
        """The service refused a join: messages are misdelivered."""
        self._unclear.discard(self._group(group))

    def lost(self, at_ns: int) -> None:
        """The connection was dropped, for good."""
        self._receiver.left_all(self._time(at_ns), planned=False)

    def closed(self) -> None:
        """The connection ends by plan, or the one that was lost will not come back."""
        self._receiver.left_all(self._time(now_ns()), planned=True)

    def _group(self, group: str) -> int:
        audience = audience_number(self._hub, "group", group)
        self._groups.add(audience)
        return audience

    def _time(self, at_ns: int) -> int:
        """The instant in the run's time."""
        return at_ns + self._context.clock.offset_ns

    # -- arrivals --------------------------------------------------------------------------------------------

    def arrived(self, opened: Opened, group: str | None, arrival_ns: int) -> None:
        """A measured message has arrived. Runs in the hub. `group`: the one that its envelope names."""
        context, stamp = self._context, opened.stamp
        if not stamp.flags & COUNTED:
            return
        if stamp.mark != context.epochs.mark and not context.of_now(stamp.epoch, stamp.mark):
            return
        if not opened.intact:
            context.run.ledger.damaged(context.number)
            return
        if self._is_misdelivered(stamp, group):
            context.run.ledger.misdelivered(context.number)
            return
        if self._receiver.arrive(stamp.stream, stamp.seq) >= DUPLICATE:
            return
        latency_ns = self._time(arrival_ns) - stamp.due_ns
        if stamp.stream in self.publisher.numbers:
            context.rtt.append(latency_ns)
            context.rtt_service.append(latency_ns - (stamp.wait << WAIT_SHIFT))
        else:
            context.deliveries[stamp.stream].append(latency_ns)

    def _is_misdelivered(self, stamp: TaskStamp, group: str | None) -> bool:
        audience = stamp.audience
        if stamp.stream in self.publisher.one_way:
            return True
        if group is not None and audience_number(self._hub, "group", group) != audience:
            return True
        membership = self._receiver.memberships.get(audience)
        if membership is not None and membership.since is not None:
            return False
        if audience in self._unclear:
            return False
        if membership is None:
            # if others add members, the members of a group or the connections of a user are unknown here
            return not self._others_add
        out_since = self._out_since.get(audience)
        return not self._others_add and out_since is not None and stamp.due_ns >= out_since
