"""`WebPubSubClient`: Web PubSub spoken from a Locust task. It is what `WebPubSubUser.client` is.

Every call blocks only the caller's greenlet, has a time limit, and is counted under the names of docs/metrics.md. A
failure raises a `Finding`, which has been counted, and logged if it is the first of its kind; its `label` is the one in
the table of failures. A call that the protocol does not have raises LocalProtocolError, a mistake in the locustfile. So
do values that cannot be sent, before anything is sent: WrongType (a TypeError) and WrongValue (a ValueError).

The client connects when it is first used. A connection that drops raises ConnectionLost once, in the waiting or the
next call; the call after that connects again and joins the same groups, as the official SDKs do. Reliable subprotocols
recover the connection first, and calls wait meanwhile.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial
from typing import Any

from wps_load.client import api_invoke, api_values
from wps_load.client.api_connector import TIMEOUT_S, ApiConnector
from wps_load.client.api_data import TaskData
from wps_load.client.api_hearing import HeardStream, HeardStreams, StreamCallback
from wps_load.client.api_streams import PublishedStream
from wps_load.client.connections import Connections
from wps_load.client.inbox import Callback, Inbox
from wps_load.client.outstanding import Key, Outstanding, Sent
from wps_load.client.task_accounts import Account, AddressedTo
from wps_load.client.task_streams import Sending
from wps_load.clock import NS_PER_S, now_ns
from wps_load.errors import ConnectionLost, Finding, LocalProtocolError
from wps_load.measure.task_envelope import unseal
from wps_load.protocol import names
from wps_load.protocol.messages import (
    DataMessage,
    DataType,
    InvokeResponse,
    SendEvent,
    SendToGroup,
    StreamMessage,
    Upstream,
)
from wps_load.protocol.simple import EVENT
from wps_load.protocol.traits import ANSWER_TOPIC, NO_INVOKE, NO_STREAMS


class WebPubSubClient:
    """The connection of one simulated user, at most one at a time, which is counted in `connections`.

    `user_id` None: a generated one. `groups` are joined with each connection (a simple client: by its token).
    `on_callback_error` is called with what a callback raises; None: it is logged.
    """

    def __init__(
        self,
        connections: Connections,
        *,
        user_id: str | None = None,
        groups: Iterable[str] = (),
        on_callback_error: Callable[[Exception], None] | None = None,
    ) -> None:
        self._context = context = connections.context
        self._inbox: Inbox[DataMessage] = Inbox(on_callback_error)
        self._outstanding = Outstanding()
        self._data = TaskData(context.codec.traits)
        self._account = Account(context)
        self._heard = HeardStreams(context, self._account.number, on_callback_error)
        self._connector = ApiConnector(
            connections,
            user_id=names.user_id(user_id),
            groups=names.group_names(groups),
            on_data=self._on_data,
            on_end=self._on_end,
            account=self._account,
        )

    # -- connection ------------------------------------------------------------

    @property
    def connected(self) -> bool:
        """Whether there is a connection, even if it is being recovered."""
        link = self._connector.link
        return link is not None and link.lost is None

    @property
    def connection_id(self) -> str | None:
        """The service's id of this connection; None without a connection, and for a simple client."""
        link = self._connector.link
        return None if link is None else link.session.connection_id

    @property
    def name(self) -> str:
        """A name unique in the hub: the run's id and a random part, or the given `user_id`. Minted tokens carry it.

        It also suits a group of the client's own: two runs in one hub do not share it.
        """
        return self._connector.name

    @property
    def user_id(self) -> str | None:
        """The user id that the service reports; before `connected`, that of the minted token; else None."""
        return self._connector.user_id

    @property
    def dropped(self) -> int:
        """How many messages were replaced by newer ones because nobody received them in time."""
        return self._inbox.dropped

    def connect(self) -> None:
        """Connects, unless there is a connection, and joins its groups. Every other call does so, too.

        After a failure the next attempt waits: exponential back-off with jitter, `Retry-After` obeyed.
        Raises ConnectFailure; ConnectionLost for a loss that was not raised yet; Finding for a refused join.
        """
        self._connector.ready()

    def close(self) -> None:
        """Starts the close handshake and returns. Groups are forgotten; the next call connects again."""
        self._connector.forget_groups()
        self._connector.close()
        self._outstanding.clear()
        self._heard.lost()
        self._inbox.wake()

    def end(self) -> None:
        """The simulated user ends: closes, and stops the callbacks. Never waits, so the hub may call it."""
        self._inbox.stop()
        self._heard.stop()
        self._connector.close()

    # -- groups ------------------------------------------------------------

    def join_group(self, group: str, *, timeout: float = TIMEOUT_S) -> None:
        """Joins and waits for the ack: `join_group`. If joined already, does nothing. `timeout` in seconds."""
        self._require_envelope("join_group")
        self._connector.join(names.group_name(group), api_values.seconds(timeout))

    def leave_group(self, group: str, *, timeout: float = TIMEOUT_S) -> None:
        """Leaves and waits for the ack. No metric times it; a failure counts for `join_group`, as `leave_...`."""
        self._require_envelope("leave_group")
        self._connector.leave(names.group_name(group), api_values.seconds(timeout))

    # -- sending ------------------------------------------------------------

    def send_to_group(
        self,
        group: str,
        data: Any,
        *,
        ack: bool = True,
        no_echo: bool = False,
        measured: bool = False,
        timeout: float = TIMEOUT_S,
    ) -> None:
        """Publishes `data`: str as text, bytes as binary, anything else as JSON. `timeout` in seconds.

        `ack`: waits for the service's answer, `publish_ack`. If the client is in the group, and not `no_echo`, its own
        copy comes back: that is `rtt`. The copy is recognized by its data, so give each message unique data.

        `measured`: the message carries a stamp and is accounted for at all members among the run's clients: `delivery`,
        `rtt`, loss, duplicates and order. They get the data as it was sent; programs outside the run see the stamp
        (docs/locustfiles.md).
        """
        self._require_envelope("send_to_group")
        names.group_name(group)
        data_type, wire, _ = written = self._data.written(data)
        if measured:
            audience = AddressedTo("group", group, no_echo)

            def sealed(wire: object, ack_id: int | None) -> Upstream:
                return SendToGroup(group, data_type, wire, ack_id, no_echo)

            self._publish_measured(audience, sealed, data_type, data, ack, timeout)
            return
        key = None if no_echo else self._data.key(group, written)
        self._publish(lambda ack_id: SendToGroup(group, data_type, wire, ack_id, no_echo), key, ack, timeout)

    def send_event(
        self, name: str, data: Any, *, ack: bool = True, measured: bool = False, timeout: float = TIMEOUT_S
    ) -> None:
        """Raises an event at the hub's event handler. As `send_to_group`; an answer of the same data is `rtt`.

        `measured`: that answer is expected, and counts as lost if the handler gives none or a different one.
        """
        self._require_envelope("send_event")
        names.event_name(name)
        if self._context.codec.traits.answers_on_topics:
            self._connector.join_optional(ANSWER_TOPIC.format(event=name), api_values.seconds(timeout))
        self._publish_event(name, data, ack, measured, timeout)

    def invoke(self, event: str, data: Any = None, *, timeout: float = TIMEOUT_S) -> InvokeResponse:
        """Raises an event at the hub's event handler and returns its answer: `data`, with `data_type`; None: no data.

        JSON subprotocols only. Timed as `invoke`. Raises a Finding for the handler's error, for no response within
        `timeout` seconds (the invocation is cancelled), and if the connection drops: nothing is sent again.
        """
        if not self._context.codec.traits.invokes:
            raise LocalProtocolError(f"invoke in {self._context.codec.name}: {NO_INVOKE}")
        names.event_name(event, "event")
        timeout_s = api_values.seconds(timeout)
        data_type, wire = (None, None) if data is None else self._data.written(data)[:2]
        return api_invoke.invoke(self._context, self._connector, event, data_type, wire, timeout_s)

    def stream(
        self,
        group: str,
        *,
        no_echo: bool = False,
        measured: bool = False,
        idle_timeout: float | None = None,
        timeout: float = TIMEOUT_S,
    ) -> PublishedStream:
        """Starts a stream to a group, for a `with` statement: `send` of what it returns writes a fragment.

        JSON and protobuf. Waits until the service has accepted it, `stream_start`; leaving the block ends it,
        `stream_end`. `measured`: as for `send_to_group`. The service closes it after `idle_timeout` seconds of silence
        (None: the service's default). Raises a Finding for a refusal, no answer in `timeout` seconds and an early end.
        """
        if not self._context.codec.traits.streams:
            raise LocalProtocolError(f"stream in {self._context.codec.name}: {NO_STREAMS}")
        audience = AddressedTo("group", names.group_name(group), no_echo)
        stream = PublishedStream(self._context, self._connector, self._account, self._data, audience, measured)
        return stream.start(idle_timeout, timeout)

    def send(self, data: Any, *, measured: bool = False, timeout: float = TIMEOUT_S) -> None:
        """`--wps-protocol simple`: sends a raw message, which has no ack. An answer of the same data is `rtt`.

        str and bytes go as they are, anything else as JSON text. `measured`: as for `send_event`.
        """
        if self._context.codec.enveloped:
            protocol = self._context.codec.name
            raise LocalProtocolError(
                f"send is for --wps-protocol simple; in {protocol} use send_event or send_to_group"
            )
        self._publish_event(EVENT, data, False, measured, timeout)

    def _publish_event(self, name: str, data: Any, ack: bool, measured: bool, timeout: float) -> None:
        data_type, wire, _ = written = self._data.written(data)
        if measured:
            self._connector.ready()
            audience = self._account.await_answers()
            sealed = partial(SendEvent, name, data_type)
            self._publish_measured(audience, sealed, data_type, data, ack, timeout)
            return
        key = self._data.key(None, written)
        self._publish(lambda ack_id: SendEvent(name, data_type, wire, ack_id), key, ack, timeout)

    def _publish(
        self,
        message: Callable[[int | None], Upstream],
        key: Key | None,
        ack: bool,
        timeout: float,
        due: Callable[[], Sending] | None = None,
    ) -> None:
        """`due`: gives a measured message's due time, once there is a connection."""
        context, connector = self._context, self._connector
        timeout_s = api_values.seconds(timeout)
        link = connector.ready()
        due_ns = now_ns() if due is None else due().due_ns
        epoch = context.epochs.measured_at(due_ns)
        deadline_ns = due_ns + int(timeout_s * NS_PER_S)

        def note() -> None:
            if epoch is None or due is not None:
                return
            context.recorder.count("tasks_published")
            if key is not None:
                self._outstanding.add(key, Sent(due_ns, now_ns(), epoch))

        if ack:
            answer = connector.ask(link, message, deadline_ns, metric="publish_ack", prefix="ack", on_send=note)
            if epoch is not None and epoch == context.epochs.number:
                context.recorder.buffer("publish_ack").append(answer.arrival_ns - due_ns)
            return
        written = message(None)
        payload = api_values.within_limit(context.codec.encode(written))
        connector.await_passable(link, deadline_ns, "publish_ack")
        note()
        if not link.send(payload, context.codec.opcode_for(getattr(written, "data_type", DataType.JSON))):
            connector.fail("publish_ack", "send_failed", "the connection broke while a message was sent")

    def _publish_measured(
        self,
        audience: AddressedTo,
        upstream: Callable[[object, int | None], Upstream],
        data_type: DataType,
        data: Any,
        ack: bool,
        timeout: float,
    ) -> None:
        """`upstream(data, ack_id)`: the message that carries the stamped data."""
        publisher = self._account.publisher
        sending: Sending | None = None

        def message(ack_id: int | None) -> Upstream:
            sealed = publisher.sealed(bytes(data) if data_type is DataType.BINARY else data, due())
            return upstream(self._data.written(sealed).wire, ack_id)

        def due() -> Sending:
            nonlocal sending
            sending = sending or publisher.due(*audience)
            return sending

        try:
            self._publish(message, None, ack, timeout, due)
        except Finding as failure:
            left = sending is not None and sending.seq is not None
            if left and (failure.label in _UNANSWERED or isinstance(failure, ConnectionLost)):
                publisher.unanswered(due())
            else:
                publisher.not_sent(due(), failure.label)
            raise
        except LocalProtocolError:
            if sending is not None and sending.seq is not None:  # too long with its envelope: it never left
                sending.forget(self._context.epochs.number)
            raise

    def _require_envelope(self, call: str) -> None:
        if not self._context.codec.enveloped:
            raise LocalProtocolError(
                f"{call} needs a subprotocol; a simple client (--wps-protocol simple) has only send"
            )

    # -- receiving ------------------------------------------------------------

    def receive(self, timeout: float | None = TIMEOUT_S) -> DataMessage | None:
        """The next message, or None when none comes in `timeout` seconds; `timeout` None: waits for ever.

        JSON data arrives as its value; only protobuf clients get it as text from the service. Messages that arrived
        before a loss are returned before the loss is raised. 256 messages are kept, the oldest is dropped (`dropped`).
        Raises LocalProtocolError where `on_message` is in use: its callbacks get the messages.
        """
        if self._inbox.has_callbacks:
            raise LocalProtocolError("messages go to the callbacks of on_message; receive has none to give")
        deadline_ns = api_values.deadline(timeout)
        while (message := self._inbox.pop()) is None:
            self._connector.ready()
            if not self._inbox.wait(deadline_ns):
                return None
        return message

    def receive_stream(self, timeout: float | None = TIMEOUT_S) -> HeardStream | None:
        """The next stream that begins, or None when none does in `timeout` seconds; None: waits for ever.

        Iterate it for its fragments. From the first call on, `receive` and `on_message` no longer get fragments.
        """
        return self._heard.next(self._connector.ready, timeout)

    def on_stream(self, callback: StreamCallback) -> StreamCallback:
        """From now on each stream that begins goes to `callback(stream)`, in a greenlet of its own, which iterates it.

        `receive` and `on_message` no longer get fragments.
        """
        return self._heard.call(api_values.function(callback))

    def on_message(self, callback: Callback) -> Callback:
        """From now on every message goes to `callback(message)`, in order, in a greenlet that belongs to this user.

        The callback may call this client. Several are called one after the other. What one raises goes to Locust,
        and the next message is delivered anyway. Usable as a decorator. It does not connect.
        """
        return self._inbox.call(api_values.function(callback))

    def _on_data(self, message: DataMessage | StreamMessage, arrival_ns: int) -> None:
        """Runs in the hub's greenlet: it must not wait."""
        if isinstance(message, StreamMessage):
            content = message.content if message.ends else self._taken(message.content, arrival_ns)
            self._heard.arrived(message, content, arrival_ns)
            if not (message.ends or self._heard.taken):
                self._inbox.put(content)
        else:
            self._inbox.put(self._taken(message, arrival_ns))

    def _taken(self, message: DataMessage, arrival_ns: int) -> DataMessage:
        """Accounts for a message and returns it in the form that the task gets."""
        opened = unseal(message.data)
        if opened is not None:
            self._account.arrived(opened, message.group, arrival_ns)
            message = message._replace(data=opened.data)
        elif self._context.epochs.measured_at(arrival_ns) is not None:
            self._context.recorder.count("tasks_delivered")
        message = self._data.read(message)
        if opened is None and len(self._outstanding) and message.from_user_id in (None, self.user_id):
            found = (self._outstanding.take(key) for key in self._data.keys_of(message))
            sent = next((each for each in found if each is not None), None)
            if sent is not None and sent.epoch == self._context.epochs.number:
                self._context.rtt.append(arrival_ns - sent.due_ns)
                self._context.rtt_service.append(arrival_ns - sent.sent_ns)
        return message

    def _on_end(self) -> None:
        """Runs in the hub: the connection has ended for good, so messages in flight will not come back."""
        self._outstanding.clear()
        self._heard.lost()
        self._inbox.wake()


_UNANSWERED = ("ack_timeout", "ack_connection_lost")
"""Errors after which nobody knows whether the service has published the message."""
