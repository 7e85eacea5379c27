"""One connection of `doctor`, used in question and answer: join, publish, wait for what comes back."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from gevent.queue import Empty, Queue

from wps_load.client.connection import Connection
from wps_load.client.dial import Dialed
from wps_load.client.quote import quote
from wps_load.clock import NS_PER_S, now_ns
from wps_load.errors import ConnectionLost, Finding
from wps_load.measure.catalog import ack_label
from wps_load.measure.stamp import Stamp, make_mark, mark_of, pack_binary, pack_text, read_binary, read_json
from wps_load.protocol.codecs import CODECS
from wps_load.protocol.frames import FrameWriter
from wps_load.protocol.messages import Ack, Connected, DataMessage, DataType, Disconnected, Downstream, JoinGroup
from wps_load.protocol.session import Session
from wps_load.settings.run_config import RunConfig
from wps_load.workload.payload import PayloadPlan
from wps_load.workload.population import EVENT_NAME

_EPOCH: Final = 0
_JOIN_ADVICE: Final = "give the token the role webpubsub.joinLeaveGroup (--wps-roles)"
_SEND_ADVICE: Final = "give the token the role webpubsub.sendToGroup (--wps-roles)"
_NO_ANSWER: Final = "the message did not come back in {limit:g} s"


class Conversation:
    """`number`: the 32 bits that mark our messages. Every wait ends after `limit_s`, as a Finding."""

    def __init__(self, config: RunConfig, dialed: Dialed, number: int, limit_s: float) -> None:
        self._config = config
        self._codec = CODECS[config.population.protocol]
        self._session = Session(self._codec)
        self._number = number
        self._limit_s = limit_s
        self._inbox: Queue = Queue()
        self._frame = FrameWriter().frame
        self._connection = Connection(dialed, self._on_message, self._on_close)
        self._connection.start(dialed.leftover, dialed.upgraded_ns)

    def close(self) -> None:
        self._connection.close()

    # -- waits ---------------------------------------------------------------------------------------------------

    def connected(self) -> None:
        """Waits until the service says `connected`; a simple client is usable at once. Raises Finding."""
        if self._codec.enveloped:
            self._wait(
                lambda message: isinstance(message, Connected),
                "connected_timeout",
                f"the upgrade was answered, but no `connected` message came in {self._limit_s:g} s",
                "check that the target is Web PubSub and that its hub speaks --wps-protocol",
            )

    def echo_in_group(self, group: str) -> float:
        """Joins `group`, publishes to it, and waits for the copy; ms from sending to arrival. Raises Finding."""
        ack_id = self._session.next_ack_id()
        self._send(self._codec.opcode, self._codec.encode(JoinGroup(group, ack_id)))
        self._acked(ack_id, "join", _JOIN_ADVICE)
        ack_id = self._session.next_ack_id()
        sent_ns = self._publish("group", group, ack_id)
        arrived_ns = self._came_back(sent_ns, refused_ack_id=ack_id)
        return (arrived_ns - sent_ns) / 1e6

    def echo_by_handler(self) -> float:
        """Sends an event (`simple`: a message) and waits for the handler's answer; ms. Raises Finding."""
        sent_ns = self._publish("event", EVENT_NAME if self._codec.enveloped else "message", None)
        return (self._came_back(sent_ns) - sent_ns) / 1e6

    def rest_data(self) -> tuple[bytes, int]:
        """The body of a REST send to us, and when it was made."""
        return self._data(self._config.population.payload_plan(envelope=False))

    def came_by_rest(self, sent_ns: int) -> float:
        """Waits for what `rest_data` made; ms. Raises Finding."""
        return (self._came_back(sent_ns) - sent_ns) / 1e6

    # -- inside --------------------------------------------------------------------------------------------------

    def _publish(self, kind: str, name: str, ack_id: int | None) -> int:
        config = self._config
        template = self._codec.publish_template(
            "group" if kind == "group" else "event", name, DataType(config.population.data_type)
        )
        data, sent_ns = self._data(config.population.published_plan())
        self._send(template.opcode, template.encode_safe(data, ack_id))
        return sent_ns

    def _data(self, payloads: PayloadPlan) -> tuple[bytes, int]:
        pack = pack_text if payloads.stamp_is_text else pack_binary
        sent_ns = now_ns()
        stamp = pack(_EPOCH, make_mark(_EPOCH, self._number), 0, 0, sent_ns, 0)
        return payloads.choose(0, 0).wrap(stamp), sent_ns

    def _send(self, opcode: int, payload: bytes) -> None:
        if not self._connection.send(self._frame(opcode, payload)):
            raise Finding("send_failed", "the connection took no message", "check the state of the resource")

    def _acked(self, ack_id: int, what: str, advice: str) -> None:
        answer, _ = self._wait(
            lambda message: isinstance(message, Ack) and message.ack_id == ack_id,
            "ack_timeout",
            f"the {what} was not answered in {self._limit_s:g} s",
            "check the state of the resource",
        )
        _accepted(answer, what, advice)

    def _came_back(self, sent_ns: int, refused_ack_id: int | None = None) -> int:
        """When our message came; the ack that refuses it ends the wait too."""

        def ends(message: Downstream) -> bool:
            if isinstance(message, Ack):
                return message.ack_id == refused_ack_id and not message.success
            stamp = _stamp(message) if isinstance(message, DataMessage) else None
            return stamp is not None and mark_of(stamp) == make_mark(_EPOCH, self._number) and stamp[4] == sent_ns

        message, arrived_ns = self._wait(
            ends,
            "no_answer",
            _NO_ANSWER.format(limit=self._limit_s),
            "scenarios with answers (upstream; echo with simple) need an event handler that echoes, such as "
            "`wps-load upstream`"
            if refused_ack_id is None
            else "check the state of the resource",
        )
        _accepted(message, "publication", _SEND_ADVICE)
        return arrived_ns

    def _wait(
        self, ends: Callable[[Downstream], bool], label: str, otherwise: str, advice: str
    ) -> tuple[Downstream, int]:
        until_ns = now_ns() + int(self._limit_s * NS_PER_S)
        farewell = ""
        while (left_ns := until_ns - now_ns()) > 0:
            try:
                message, arrived_ns = self._inbox.get(timeout=left_ns / NS_PER_S)
            except Empty:
                break
            if isinstance(message, ConnectionLost):
                raise message.after(farewell)
            if isinstance(message, Disconnected):
                farewell = quote(message.reason)
            if ends(message):
                return message, arrived_ns
        raise Finding(label, otherwise, advice)

    def _on_message(self, opcode: int, payload: bytes, arrival_ns: int) -> None:
        message = self._session.receive(opcode, payload)
        if message is not None:
            self._inbox.put((message, arrival_ns))

    def _on_close(self, lost: ConnectionLost, asked: bool) -> None:
        self._inbox.put((lost, now_ns()))


def _accepted(message: Downstream, what: str, advice: str) -> None:
    if isinstance(message, Ack) and not message.success and message.error != "Duplicate":
        label = ack_label(message.error)
        raise Finding(label, f"the service refused the {what}", advice)


def _stamp(message: DataMessage) -> Stamp | None:
    """`simple` shows JSON as text: `read_json` takes both."""
    return read_binary(message.data) if message.data_type == "binary" else read_json(message.data)
