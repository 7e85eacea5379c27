"""`WebPubSubClient`: Web PubSub spoken from a Locust task. It is what `WebPubSubUser.client` is.

Every call blocks the caller's greenlet only, has a time limit, and is counted under the names of docs/metrics.md. What
goes wrong raises a `Finding`, counted already and logged once of its kind; its `label` is the one in the table of
failures. A call that the protocol does not have raises LocalProtocolError: a mistake in the locustfile. So do values
that cannot be sent: WrongType (a TypeError) and WrongValue (a ValueError), before anything is sent.

The client connects when it is first used. A connection that ends unasked is told once, as ConnectionLost, to the call
that waits or the next one; the call after that connects anew and joins the same groups, as the official SDKs do.
Reliable subprotocols recover the connection first, and calls wait meanwhile.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial
from typing import Any

import orjson

from wps_load.client import api_invoke, api_values
from wps_load.client.api_connector import TIMEOUT_S, ApiConnector
from wps_load.client.connections import Connections
from wps_load.client.inbox import Callback, Inbox
from wps_load.client.outstanding import Key, Outstanding, Sent, data_key
from wps_load.client.task_accounts import Account, AddressedTo
from wps_load.client.task_streams import Sending
from wps_load.clock import NS_PER_S, now_ns
from wps_load.errors import ConnectionLost, Finding, LocalProtocolError, WrongType
from wps_load.measure.task_envelope import unseal
from wps_load.protocol import names
from wps_load.protocol.messages import DataMessage, DataType, InvokeResponse, SendEvent, SendToGroup, Upstream
from wps_load.protocol.simple import EVENT
from wps_load.protocol.traits import ANSWER_TOPIC, NO_INVOKE


class WebPubSubClient:
    """One connection at a time, of one simulated user, that is counted among `connections`.

    `user_id` None: one of its own. `groups` are joined with each connection (a simple client: by its token).
    `on_callback_error`: told what a callback raises; None: it is logged.
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
        self._inbox = Inbox(on_callback_error)
        self._outstanding = Outstanding()
        self._json_is_text = context.codec.traits.json_as_text
        self._account = Account(context)
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
        """There is a connection, perhaps one that is being recovered."""
        link = self._connector.link
        return link is not None and link.lost is None

    @property
    def connection_id(self) -> str | None:
        """What the service calls this connection; None while there is none, and for a simple client."""
        link = self._connector.link
        return None if link is None else link.session.connection_id

    @property
    def name(self) -> str:
        """Ours alone in the hub: the run's id and a random part, or the `user_id` given. Minted tokens carry it.

        Good for a group of one's own: two runs in one hub do not meet in it.
        """
        return self._connector.name

    @property
    def user_id(self) -> str | None:
        """Who the service says we are; before it has spoken, whom the minted token names; else None."""
        return self._connector.user_id

    @property
    def dropped(self) -> int:
        """Messages that nobody received in time, and that had to make room for newer ones."""
        return self._inbox.dropped

    def connect(self) -> None:
        """Connects, unless there is a connection, and joins its groups. Every other call does so by itself.

        After a failure the next attempt waits: exponential back-off with jitter, `Retry-After` obeyed.
        Raises ConnectFailure; ConnectionLost for a loss that has not been told; Finding for a refused join.
        """
        self._connector.ready()

    def close(self) -> None:
        """Starts the close handshake and returns. Groups are forgotten; the next call connects anew."""
        self._connector.forget_groups()
        self._connector.close()
        self._outstanding.clear()
        self._inbox.wake()

    def end(self) -> None:
        """The simulated user ends: closes, and stops the callbacks. Never waits, so the hub may call it."""
        self._inbox.stop()
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

        `ack`: waits for the service's answer, `publish_ack`. When our own copy comes back (we are in the group, and
        not `no_echo`), that is `rtt`; it is known by its data, so give each message data of its own.

        `measured`: the message carries a stamp, and is accounted for at all members among the run's clients: `delivery`
        and `rtt`, what was lost, came twice or in another order. They get the data as they are; a program that is none
        of the run's sees the stamp (docs/locustfiles.md).
        """
        self._require_envelope("send_to_group")
        names.group_name(group)
        data_type, wire, shown = self._written(data)
        if measured:
            audience = AddressedTo("group", group, no_echo)

            def sealed(wire: object, ack_id: int | None) -> Upstream:
                return SendToGroup(group, data_type, wire, ack_id, no_echo)

            self._publish_measured(audience, sealed, data_type, data, ack, timeout)
            return
        key = None if no_echo else self._key(group, data_type, shown)
        self._publish(lambda ack_id: SendToGroup(group, data_type, wire, ack_id, no_echo), key, ack, timeout)

    def send_event(
        self, name: str, data: Any, *, ack: bool = True, measured: bool = False, timeout: float = TIMEOUT_S
    ) -> None:
        """Raises an event at the hub's event handler. As `send_to_group`; an answer of the same data is `rtt`.

        `measured`: that answer is expected, and lost where the handler gives none or another one.
        """
        self._require_envelope("send_event")
        names.event_name(name)
        if self._context.codec.traits.answers_on_topics:
            self._connector.join_optional(ANSWER_TOPIC.format(event=name), api_values.seconds(timeout))
        self._publish_event(name, data, ack, measured, timeout)

    def invoke(self, event: str, data: Any = None, *, timeout: float = TIMEOUT_S) -> InvokeResponse:
        """Raises an event at the hub's event handler and returns its answer: `data`, with `data_type`; None: no data.

        JSON subprotocols only. Its time is `invoke`. An error of the handler's, and no response in `timeout` seconds
        (it is cancelled then), raise a Finding; so does a connection that is lost meanwhile: nothing is sent again.
        """
        if not self._context.codec.traits.invokes:
            raise LocalProtocolError(f"invoke in {self._context.codec.name}: {NO_INVOKE}")
        names.event_name(event, "event")
        timeout_s = api_values.seconds(timeout)
        data_type, wire = (None, None) if data is None else self._written(data)[:2]
        return api_invoke.invoke(self._context, self._connector, event, data_type, wire, timeout_s)

    def send(self, data: Any, *, measured: bool = False, timeout: float = TIMEOUT_S) -> None:
        """`--wps-protocol simple`: sends a raw message, which has no ack. An answer of the same data is `rtt`.

        str and bytes go as they are, anything else as JSON text. `measured`: as of `send_event`.
        """
        if self._context.codec.enveloped:
            protocol = self._context.codec.name
            raise LocalProtocolError(
                f"send is for --wps-protocol simple; in {protocol} use send_event or send_to_group"
            )
        self._publish_event(EVENT, data, False, measured, timeout)

    def _publish_event(self, name: str, data: Any, ack: bool, measured: bool, timeout: float) -> None:
        data_type, wire, shown = self._written(data)
        if measured:
            self._connector.ready()
            audience = self._account.await_answers()
            sealed = partial(SendEvent, name, data_type)
            self._publish_measured(audience, sealed, data_type, data, ack, timeout)
            return
        key = self._key(None, data_type, shown)
        self._publish(lambda ack_id: SendEvent(name, data_type, wire, ack_id), key, ack, timeout)

    def _publish(
        self,
        message: Callable[[int | None], Upstream],
        key: Key | None,
        ack: bool,
        timeout: float,
        due: Callable[[], Sending] | None = None,
    ) -> None:
        """`due`: of a measured message, when it is due is asked once there is a connection."""
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
        if not link.send(payload, context.codec.opcode_for(_data_type(written))):
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
            return upstream(self._written(sealed)[1], ack_id)

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

    def _written(self, data: Any) -> tuple[DataType, object, object]:
        """(type, as the codec takes it, as it comes back)."""
        data_type, wire, shown = self._typed(data)
        if self._context.codec.traits.typed:
            return data_type, wire, shown
        return data_type, wire, wire.encode() if isinstance(wire, str) else wire

    def _typed(self, data: Any) -> tuple[DataType, object, object]:
        """As `_written`, where messages say what type their data have."""
        if isinstance(data, str):
            return DataType.TEXT, api_values.utf8_text(data), data
        if isinstance(data, bytes | bytearray | memoryview):
            return DataType.BINARY, bytes(data), bytes(data)
        text = api_values.json_text(data)
        if not self._context.codec.enveloped:
            return DataType.TEXT, text, text
        return DataType.JSON, (text if self._json_is_text else data), data

    def _key(self, group: str | None, data_type: DataType, shown: object) -> Key:
        return data_key(group, data_type if self._context.codec.traits.typed else DataType.BINARY, shown)

    def _require_envelope(self, call: str) -> None:
        if not self._context.codec.enveloped:
            raise LocalProtocolError(
                f"{call} needs a subprotocol; a simple client (--wps-protocol simple) has only send"
            )

    # -- receiving ------------------------------------------------------------

    def receive(self, timeout: float | None = TIMEOUT_S) -> DataMessage | None:
        """The next message, or None when none comes in `timeout` seconds; `timeout` None: waits for ever.

        JSON data comes as its value; only protobuf clients get it as text from the service. What came before a
        connection was lost is given before the loss is told. 256 messages are kept, then the oldest goes (`dropped`).
        Raises LocalProtocolError where `on_message` is in use: its callbacks get the messages.
        """
        if self._inbox.has_callbacks:
            raise LocalProtocolError("messages go to the callbacks of on_message; receive has none to give")
        deadline_ns = None if timeout is None else now_ns() + int(api_values.seconds(timeout) * NS_PER_S)
        while (message := self._inbox.pop()) is None:
            self._connector.ready()
            if not self._inbox.wait(deadline_ns):
                return None
        return message

    def on_message(self, callback: Callback) -> Callback:
        """From now on every message goes to `callback(message)`, in order, in a greenlet that belongs to this user.

        The callback may call this client. Several are called one after the other. What one raises is told to Locust,
        and the next message comes all the same. Usable as a decorator. It does not connect by itself.
        """
        if not callable(callback):
            raise WrongType(f"callback is of type {type(callback).__name__}; needed is a function")
        self._inbox.call(callback)
        return callback

    def _on_data(self, message: DataMessage, arrival_ns: int) -> None:
        """In the hub."""
        opened = unseal(message.data)
        if opened is not None:
            self._account.arrived(opened, message.group, arrival_ns)
            message = message._replace(data=opened.data)
        elif self._context.epochs.measured_at(arrival_ns) is not None:
            self._context.recorder.count("tasks_delivered")
        if self._json_is_text and message.data_type == DataType.JSON:
            message = message._replace(data=_parsed(message.data))
        if opened is None and len(self._outstanding) and message.from_user_id in (None, self.user_id):
            sent = self._sent_of(message)
            if sent is not None and sent.epoch == self._context.epochs.number:
                self._context.rtt.append(arrival_ns - sent.due_ns)
                self._context.rtt_service.append(arrival_ns - sent.sent_ns)
        self._inbox.put(message)

    def _sent_of(self, message: DataMessage) -> Sent | None:
        """What of ours is back with this message, if it is ours."""
        group = None if message.source == "server" else message.group  # MQTT's answers come on a topic
        sent = self._outstanding.take(data_key(group, message.data_type, message.data))
        if sent is None and self._json_is_text and message.data_type == DataType.TEXT:
            # the service delivers JSON to protobuf clients as text
            sent = self._outstanding.take(data_key(group, DataType.JSON, _parsed(message.data)))
        return sent

    def _on_end(self) -> None:
        """In the hub: the connection has ended for good, so what is under way won't come back."""
        self._outstanding.clear()
        self._inbox.wake()


_UNANSWERED = ("ack_timeout", "ack_connection_lost")
"""The service has the message, or has not: nobody knows whether it was published."""


def _data_type(message: Upstream) -> DataType:
    return message.data_type if isinstance(message, SendToGroup | SendEvent) else DataType.JSON


def _parsed(data: object) -> object:
    """JSON data of a protobuf message, which is text there; what is none is left as it came."""
    try:
        return orjson.loads(data) if isinstance(data, str) else data
    except orjson.JSONDecodeError:
        return data
