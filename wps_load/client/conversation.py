"""One connection of `doctor`, used in question and answer: join, publish, wait for the result.

It is a task's connection (`client.api_link`), so it survives what a run would survive, such as a recovery.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from gevent.queue import Empty, Queue

from wps_load.client.access import ConnectGrant, UrlAccess
from wps_load.client.api_link import ApiLink, RequestOutcome
from wps_load.client.connections import Connections
from wps_load.client.context import PopulationContext, RunContext
from wps_load.client.dial import Dialed
from wps_load.client.quote import quote
from wps_load.client.stream import Network
from wps_load.clock import NS_PER_S, now_ns
from wps_load.errors import ConnectionLost, Finding
from wps_load.measure.catalog import ack_label
from wps_load.measure.stamp import Stamp, make_mark, mark_of, pack_binary, pack_text, read_bytes, read_json
from wps_load.protocol.messages import DataMessage, JoinGroup, StreamMessage
from wps_load.protocol.traits import ANSWER_TOPIC, PublishKind
from wps_load.settings.run_config import RunConfig
from wps_load.workload.payload import PayloadPlan
from wps_load.workload.population import EVENT_NAME

_EPOCH: Final = 0
_JOIN_ADVICE: Final = "give the token the role webpubsub.joinLeaveGroup (--wps-roles)"
_SEND_ADVICE: Final = "give the token the role webpubsub.sendToGroup (--wps-roles)"
_HANDLER_ADVICE: Final = (
    "scenarios with answers (upstream; echo with simple) need an event handler that echoes, such as `wps-load upstream`"
)
_INVOKE_ADVICE: Final = "invoke is a preview: the service, or this resource, may not know it"
_NO_ANSWER: Final = "the message did not come back in {limit:g} s"


class Conversation:
    """`number`: the 32 bits that mark our messages. Every wait ends after `limit_s`, as a Finding."""

    def __init__(
        self, config: RunConfig, network: Network, grant: ConnectGrant, dialed: Dialed, *, number: int, limit_s: float
    ) -> None:
        self._config = config
        self._number = number
        self._limit_s = limit_s
        self._run = RunContext.create(
            config, run_id="doctor", number=number, users=1, network=network, warn=lambda kind, sentence: None
        )
        self._context = PopulationContext.create(self._run, config.population, UrlAccess(grant.url, in_header=False))
        self._codec = self._context.codec
        self._inbox: Queue[tuple[DataMessage | RequestOutcome | None, int]] = Queue()
        self._link = ApiLink(
            Connections(self._context),
            grant,
            dialed,
            on_data=self._on_data,
            on_end=lambda *_: self._inbox.put((None, 0)),
        )

    def close(self) -> None:
        self._link.close()
        self._run.scheduler.close()

    @property
    def connection_id(self) -> str | None:
        """The id that clients of subprotocols get with `connected`."""
        return self._link.session.connection_id

    # -- waits ---------------------------------------------------------------------------------------------------

    def connected(self) -> None:
        """Waits until the service sends `connected`; a simple client is usable at once. Raises Finding."""
        if not self._codec.enveloped:
            return
        if not self._link.connected.wait(self._limit_s):
            raise Finding(
                "connected_timeout",
                f"the upgrade was answered, but no `connected` message came in {self._limit_s:g} s",
                "check that the target is Web PubSub and that its hub speaks --wps-protocol",
            )
        if self._link.lost is not None:
            raise self._link.lost

    def echo_in_group(self, group: str) -> float:
        """Joins `group`, publishes to it, and waits for the copy; ms from sending to arrival. Raises Finding."""
        ack_id = self._link.session.next_ack_id()
        self._request(ack_id, self._codec.opcode, self._codec.encode(JoinGroup(group, ack_id)))
        answer, _ = self._wait(
            lambda message: isinstance(message, RequestOutcome),
            Finding(
                "ack_timeout", f"the join was not answered in {self._limit_s:g} s", "check the state of the resource"
            ),
        )
        _accepted(answer, "join", _JOIN_ADVICE)
        ack_id = self._link.session.next_ack_id()
        sent_ns = self._publish("group", group, ack_id)
        arrived_ns = self._came_back(sent_ns, "check the state of the resource")
        return (arrived_ns - sent_ns) / 1e6

    def echo_by_handler(self) -> float:
        """Sends an event (`simple`: a message) and waits for the handler's answer; ms. Raises Finding."""
        if self._codec.traits.answers_on_topics:  # it may need no subscription: a refusal is not a finding
            ack_id = self._link.session.next_ack_id()
            answers = self._codec.encode(JoinGroup(ANSWER_TOPIC.format(event=EVENT_NAME), ack_id))
            self._link.request(ack_id, answers, self._codec.opcode).answer.wait(self._limit_s)
        sent_ns = self._publish("event", EVENT_NAME if self._codec.enveloped else "message", None)
        return (self._came_back(sent_ns, _HANDLER_ADVICE) - sent_ns) / 1e6

    def echo_by_invocation(self) -> float:
        """Invokes an event and waits for its response; ms. Raises Finding, ConnectionLost."""
        number = self._link.session.invocations.next_number()
        template = self._context.template("invoke", EVENT_NAME, no_echo=False)
        data, sent_ns = self._data(self._context.payloads)
        invocation = self._link.invoke(number, template.encode_safe(data, number), template.opcode)
        came = invocation.answer.wait(self._limit_s)
        if came is None:
            raise Finding("invoke_timeout", f"no response in {self._limit_s:g} s", _INVOKE_ADVICE)
        if isinstance(came, ConnectionLost):
            raise came
        response, arrival_ns = came
        if not response.success:
            told = f"an invocation failed ({quote(response.error or 'no name')}): {quote(response.error_message)}"
            raise Finding(ack_label(response.error, "invoke"), told, _HANDLER_ADVICE)
        return float(arrival_ns - sent_ns) / 1e6

    def rest_data(self) -> tuple[bytes, int]:
        """The body of a REST send to us, and when it was made."""
        return self._data(self._config.population.payload_plan(envelope=False))

    def came_by_rest(self, sent_ns: int) -> float:
        """Waits for the message that `rest_data` made; ms. Raises Finding."""
        return (self._came_back(sent_ns, _HANDLER_ADVICE) - sent_ns) / 1e6

    # -- inside --------------------------------------------------------------------------------------------------

    def _publish(self, kind: PublishKind, name: str, ack_id: int | None) -> int:
        template = self._context.template(kind, name, no_echo=False)
        data, sent_ns = self._data(self._context.payloads)
        payload = template.encode_safe(data, ack_id)
        if ack_id is not None:
            self._request(ack_id, template.opcode, payload)
        elif not self._link.send(payload, template.opcode):
            raise Finding("send_failed", "the connection took no message", "check the state of the resource")
        return sent_ns

    def _data(self, payloads: PayloadPlan) -> tuple[bytes, int]:
        pack = pack_text if payloads.stamp_is_text else pack_binary
        sent_ns = now_ns()
        stamp = pack(_EPOCH, make_mark(_EPOCH, self._number), 0, 0, sent_ns, 0)
        return payloads.choose(0, 0).wrap(stamp), sent_ns

    def _request(self, ack_id: int, opcode: int, payload: bytes) -> None:
        """Sends a request, whose answer arrives like any message."""
        answer = self._link.request(ack_id, payload, opcode).answer
        answer.rawlink(lambda result: self._inbox.put((result.value, result.value.arrival_ns)))

    def _came_back(self, sent_ns: int, advice: str) -> int:
        """When our message came; an answer that refuses it ends the wait too."""

        def ends(message: DataMessage | RequestOutcome) -> bool:
            if isinstance(message, RequestOutcome):
                return not message.ok
            stamp = _stamp(message)
            return stamp is not None and mark_of(stamp) == make_mark(_EPOCH, self._number) and stamp[4] == sent_ns

        message, arrived_ns = self._wait(ends, Finding("no_answer", _NO_ANSWER.format(limit=self._limit_s), advice))
        _accepted(message, "publication", _SEND_ADVICE)
        return arrived_ns

    def _wait(
        self, ends: Callable[[DataMessage | RequestOutcome], bool], otherwise: Finding
    ) -> tuple[DataMessage | RequestOutcome, int]:
        """The result that ends the wait, and its instant.

        Raises ConnectionLost; raises `otherwise` if none comes in time.
        """
        until_ns = now_ns() + int(self._limit_s * NS_PER_S)
        while (left_ns := until_ns - now_ns()) > 0:
            try:
                message, arrived_ns = self._inbox.get(timeout=left_ns / NS_PER_S)
            except Empty:
                break
            if message is None:
                self._inbox.put((None, 0))  # for later waits
                assert self._link.lost is not None
                raise self._link.lost
            if isinstance(message, RequestOutcome) and message.lost is not None:
                raise message.lost
            if ends(message):
                return message, arrived_ns
        raise self._link.interrupted or otherwise

    def _on_data(self, message: DataMessage | StreamMessage, arrival_ns: int) -> None:
        if isinstance(message, DataMessage):
            self._inbox.put((message, arrival_ns))


def _accepted(message: DataMessage | RequestOutcome, what: str, advice: str) -> None:
    if isinstance(message, RequestOutcome) and not message.ok:
        raise Finding(ack_label(message.error), f"the service refused the {what}", advice)


def _stamp(message: DataMessage) -> Stamp | None:
    """The message's stamp. `simple` shows JSON as text: `read_json` accepts both."""
    return read_bytes(message.data) if message.data_type == "binary" else read_json(message.data)
