"""A run's messages, made without a network: their size on the wire, and how fast this machine handles them."""

from __future__ import annotations

import itertools
import socket
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from statistics import mean, median

from wps_load.capacity.forecast import FrameSizes
from wps_load.client.fragments import StreamName
from wps_load.clock import NS_PER_S, NS_PER_US, now_ns
from wps_load.emulator.subprotocols import WIRES
from wps_load.emulator.wires import RoutedMessage, StreamInfo, Wire
from wps_load.measure.ledger import Ledger
from wps_load.measure.stamp import make_mark, pack_binary, pack_text, read_binary, read_json, read_text
from wps_load.protocol.codecs import CODECS, Template
from wps_load.protocol.frames import FrameReader, FrameWriter
from wps_load.protocol.messages import DataMessage, DataType, StreamAck, StreamMessage
from wps_load.protocol.sessions import new_session
from wps_load.settings.run_config import Population
from wps_load.workload.population import EVENT_NAME, group_name, user_name
from wps_load.workload.scenarios import Topology

SAMPLES = 256
_RUN_ID, _RUN = "0" * 8, 1
_GROUP = group_name(_RUN_ID, 0)
_STREAM_ID = str(StreamName(make_mark(1, 1 << 31), 0, 10**15, 1000, 1))
_BATCH = 64
_CHUNK_BYTES = 64 * 1024
_READERS = {"text": read_text, "json": read_json, "binary": read_binary}


@dataclass(frozen=True, slots=True)
class Costs:
    """CPU of one core for one message, in microseconds: encoding, stamp, ledger, and its own system call.

    `publish_us` None: users publish nothing; the cost of a REST send is not measured.
    """

    publish_us: float | None
    receive_us: float


class Sample:
    """The messages of a population as they will be, with names of a run's usual length.

    `receiver`: the protocol of the receivers; None: its own.
    """

    def __init__(self, population: Population, receiver: str | None = None) -> None:
        self.population = population
        self.codec = CODECS[population.protocol]
        self.heard_by = CODECS[receiver or population.protocol]
        self.data_type = DataType(population.data_type)
        self.payloads = population.published_plan()
        self._raw = population.payload_plan(envelope=False)
        self._rest = population.scenario_row.needs_key
        self._by_group = population.scenario_row.publishes_to_groups(population.protocol)
        self._streams = population.scenario_row.streams
        self._template = self._made_template() if population.scenario_row.users_publish else None
        self._frame = FrameWriter().frame
        self._own_wire = _wire(self.codec.name)
        self._wire = _wire(self.heard_by.name)

    def _made_template(self) -> Template:
        if self._streams:
            return self.codec.publish_template("stream", _STREAM_ID, self.data_type)
        if self._by_group:
            return self.codec.publish_template("group", _GROUP, self.data_type, self.population.no_echo)
        kind = self.population.scenario_row.kind_of_publication(self.codec.name)
        if kind == "raw":
            return self.codec.publish_template("event", "message", self.data_type)
        return self.codec.publish_template(kind, EVENT_NAME, self.data_type)

    def inbound(self, seq: int) -> bytes:
        """The frame of message `seq` as a user publishes it; a REST sender's body."""
        if self._template is None:
            return self._data(seq)
        pack = pack_text if self.payloads.stamp_is_text else pack_binary
        now = now_ns()
        data = self.payloads.choose(0, seq).wrap(pack(1, make_mark(1, _RUN), 0, seq, now, 0))
        numbered = self._streams or (self.population.ack and self.codec.enveloped)
        ack_id = seq + 1 if numbered else None
        return self._frame(self._template.opcode, self._template.encode_safe(data, ack_id))

    def outbound(self, seq: int) -> bytes:
        """The frame in which the service delivers it."""
        data = self._data(seq)
        if self._by_group:
            stream = StreamInfo(_STREAM_ID, seq + 1) if self._streams else None
            message = RoutedMessage("group", _GROUP, user_name(_RUN_ID, 0), self.data_type, data, stream=stream)
        else:
            message = RoutedMessage("server", None, None, self.data_type, data)
        return self._wire.message(message, seq + 1 if self._wire.reliable else None)

    def _data(self, seq: int) -> bytes:
        pack = pack_text if self._raw.stamp_is_text else pack_binary
        now = now_ns()
        return self._raw.choose(0, seq).wrap(pack(1, make_mark(1, _RUN), 0, seq, now, 0))

    def sizes(self) -> FrameSizes:
        """Means over the first messages; a mix of sizes keeps its weights in every range."""
        if self.population.scenario_row.topology is Topology.SILENT:
            return FrameSizes(0.0, 0.0, 0.0)
        seqs = range(SAMPLES)
        return FrameSizes(
            data=mean(self._raw.choose(0, seq).size_bytes for seq in seqs),
            inbound=mean(len(self.inbound(seq)) for seq in seqs),
            outbound=mean(len(self.outbound(seq)) for seq in seqs),
            ack=float(len(self._ack())),
        )

    def _ack(self) -> bytes:
        """The ack of one message to its publisher; empty: there is none."""
        if self._streams:
            return self._own_wire.stream(StreamAck(_STREAM_ID, SAMPLES))
        return self._own_wire.ack(SAMPLES, None, "") if self.population.ack and self.codec.enveloped else b""

    def costs(self, seconds: float) -> Costs:
        """Measures for about `seconds`, on this core.

        The result is the median of batches, so that other work on the machine disturbs little.
        """
        return Costs(self.publish_us(seconds / 2), self.receive_us(seconds / 2))

    def publish_us(self, seconds: float) -> float | None:
        """CPU for one message that a user publishes; None: an app server does."""
        if self._rest:
            return None
        numbers = itertools.count()
        with _pair() as (ours, theirs):
            return _median_us(lambda: self._publish(ours, theirs, next(numbers)), seconds)

    def receive_us(self, seconds: float) -> float:
        """CPU for one message that is received."""
        with _pair() as (ours, theirs):
            return _median_us(self._receiving(ours, theirs), seconds)

    def _publish(self, ours: socket.socket, theirs: socket.socket, seq: int) -> int:
        """Encodes and sends one message; returns the time that took, in ns."""
        began = now_ns()
        rest = self.inbound(seq)
        took = 0
        while True:
            rest = rest[ours.send(rest) :]
            took += now_ns() - began
            _swallow(theirs)
            if not rest:
                return took
            began = now_ns()

    def _receiving(self, ours: socket.socket, theirs: socket.socket) -> Callable[[], int]:
        """Receives one message as a connection does.

        It is read, unframed and decoded, its stamp is read, the ledger is asked, and the latency is noted.
        """
        session, reader = new_session(self.heard_by), FrameReader()
        for opcode, payload in reader.feed(self._wire.connected("c", None, None)):
            session.receive(opcode, payload)
        receiver = Ledger(_RUN).receiver(0)
        latencies: deque[int] = deque(maxlen=1000)
        read = _READERS[self.data_type.value]
        numbers = itertools.count()

        def take(data: bytes) -> None:
            for opcode, payload in reader.feed(data):
                message = session.receive(opcode, payload)
                content = message.content if isinstance(message, StreamMessage) else message
                stamp = read(content.data) if isinstance(content, DataMessage) else None
                assert stamp is not None, "our own message has our stamp"
                receiver.arrive(stamp[2], stamp[3])
                latencies.append(now_ns() - stamp[4])
                session.sequence_ack_due(now_ns())

        def receive() -> int:
            rest, took = self.outbound(next(numbers)), 0
            while rest:
                sent = theirs.send(rest[:_CHUNK_BYTES])
                rest = rest[sent:]
                began = now_ns()
                while sent > 0:
                    data = ours.recv(_CHUNK_BYTES)
                    sent -= len(data)
                    take(data)
                took += now_ns() - began
            return took

        return receive


@contextmanager
def _pair() -> Iterator[tuple[socket.socket, socket.socket]]:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        ours.setblocking(False)
        theirs.setblocking(False)
        yield ours, theirs


def _wire(protocol: str) -> Wire:
    return next(wire for wire in WIRES if wire.name == protocol)


def _median_us(one: Callable[[], int], seconds: float) -> float:
    """The median over batches of the mean time of one message, in microseconds; a mix of sizes is measured as it is."""
    until = now_ns() + int(seconds * NS_PER_S)
    batches: list[float] = []
    while now_ns() < until or not batches:
        batches.append(mean(one() for _ in range(_BATCH)) / NS_PER_US)
    return median(batches)


def _swallow(sock: socket.socket) -> None:
    with suppress(BlockingIOError):
        while sock.recv(1 << 20):
            pass
