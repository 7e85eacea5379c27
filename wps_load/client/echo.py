"""A publisher's own messages that come back: their round trip, and a prediction of the next frame.

A publisher that has seen how the service wraps its messages knows the bytes of the frame in which the newest one will
return. So that frame is not decoded but compared: equal bytes mean what the decoder would find in them, whatever the
server is. Anything else takes the usual path: a message that was changed, that comes in two pieces or together with
another one, or that another one has followed before it was back.
"""

from __future__ import annotations

from typing import Final, Protocol

from wps_load.client.context import PopulationContext
from wps_load.measure.ledger import DUPLICATE, Receiver
from wps_load.measure.stamp import TEXT_CHARS, WAIT_SHIFT
from wps_load.protocol.frames import server_frame_head

_LONGEST_LAG_BITS: Final = 32 + WAIT_SHIFT
"""Longer lags do not fit a stamp."""


class EchoPublisher(Protocol):
    """The publisher whose messages come back."""

    @property
    def stream(self) -> int: ...

    def came_back(self, at_ns: int, seq: int) -> None:
        """Closed loop: the next one may leave."""
        ...


class Echo:
    """The echo of one connection. `frame`: the frame in which the newest message will return; empty: unknown.

    `ready`: the bytes around a message's stamp are known.
    """

    __slots__ = (
        "_arrive",
        "_before",
        "_behind",
        "_came_back",
        "_clock",
        "_due_ns",
        "_epochs",
        "_mark",
        "_rtt",
        "_rtt_service",
        "_seq",
        "_stream",
        "_wait",
        "frame",
        "ready",
    )

    def __init__(self, context: PopulationContext, publisher: EchoPublisher, receiver: Receiver) -> None:
        self._stream = publisher.stream
        self._arrive = receiver.arrive
        self._came_back = publisher.came_back if context.settings.closed_loop else None
        self._clock = context.clock
        self._epochs = context.epochs
        self._rtt = context.rtt
        self._rtt_service = context.rtt_service
        self._before = self._behind = b""
        self._seq = self._due_ns = self._wait = self._mark = 0
        self.frame = b""
        self.ready = False

    def learn(self, opcode: int, payload: bytes, start: int) -> None:
        """One of the publisher's messages has arrived in a frame of its own; its stamp begins at `start`."""
        self._before = server_frame_head(opcode, len(payload)) + payload[:start]
        self._behind = payload[start + TEXT_CHARS :]
        self.ready = True

    def forget(self) -> None:
        """Frames are no longer predictable: one must be learned again first."""
        self.ready = False
        self.frame = b""

    def left(self, stamp: bytes, seq: int, due_ns: int, lag_ns: int) -> None:
        """A message is sent, due at `due_ns` of the run's time."""
        if lag_ns >> _LONGEST_LAG_BITS:
            self.frame = b""
            return
        self._mark = self._epochs.mark
        self._seq = seq
        self._due_ns = due_ns
        self._wait = lag_ns >> WAIT_SHIFT
        self.frame = self._before + stamp + self._behind

    def came(self, arrival_ns: int) -> bool:
        """`frame` has arrived. False: its epoch is over, so it must be decoded."""
        if self._mark != self._epochs.mark:
            return False
        arrive, seq = self._arrive, self._seq
        if arrive(self._stream, seq) < DUPLICATE:
            self.back(seq, self._due_ns, self._wait, arrival_ns)
        return True

    def back(self, seq: int, due_ns: int, wait: int, arrival_ns: int) -> None:
        """Message `seq` has arrived for the first time."""
        latency_ns = arrival_ns + self._clock.offset_ns - due_ns
        self._rtt.append(latency_ns)
        self._rtt_service.append(latency_ns - (wait << WAIT_SHIFT))
        came_back = self._came_back
        if came_back is not None:
            came_back(arrival_ns, seq)
