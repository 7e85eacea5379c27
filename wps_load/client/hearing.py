"""A subscriber of streams: which it hears, and how long its reader waits for the first fragment and between two.

A fragment is a message of its publisher: the ledger says whether it is fresh, lost, a duplicate or reordered. This
module remembers for each stream when its last fragment came, and whether it has ended. A stream that ends with an
error, or does not end, was cut off. One that was joined in the middle counts from there on.
"""

from __future__ import annotations

from typing import Protocol

from wps_load.client.context import PopulationContext
from wps_load.client.fragments import StreamName
from wps_load.measure.ledger import DUPLICATE, REORDERED, Receiver
from wps_load.protocol.messages import DataMessage, StreamMessage

KEPT = 64
"""This many finished streams are remembered: what arrives after their end is not new."""


class FragmentLine(Protocol):
    """The connection on which it arrives."""

    def is_intact(self, stream: int, seq: int, message: DataMessage) -> bool: ...


class _Heard:
    """One stream. `last_ns`: the arrival of its last fragment; `highest`: the highest number that has arrived."""

    __slots__ = ("highest", "last_ns", "name", "over")

    def __init__(self, name: StreamName) -> None:
        self.name = name
        self.highest = 0
        self.last_ns: int | None = None
        self.over = False


class Hearing:
    """The hearing of one virtual user, through all of its connections."""

    __slots__ = ("_context", "_heard", "_own", "_receiver")

    def __init__(self, context: PopulationContext, receiver: Receiver, own: int) -> None:
        self._context = context
        self._receiver = receiver
        self._own = own
        self._heard: dict[str, _Heard] = {}

    @property
    def open(self) -> int:
        """Streams of the present epoch that have not ended."""
        mark = self._context.epochs.mark
        return sum(not each.over and each.name.mark == mark for each in self._heard.values())

    def arrived(self, link: FragmentLine, message: StreamMessage, arrival_ns: int) -> None:
        """A fragment, or the end of a stream."""
        context = self._context
        heard = self._of(message.stream_id)
        if heard is None:
            context.unreadable(message.content.data)
        elif message.ends:
            self._ended(heard, message)
        else:
            self._fragment(link, heard, message, arrival_ns)

    def _of(self, stream_id: str) -> _Heard | None:
        heard = self._heard.get(stream_id)
        if heard is None:
            name = StreamName.of(stream_id)
            if name is None or name.mark & 0xFFFFFFFF != self._context.run.number:
                return None
            if len(self._heard) >= KEPT:
                self._heard = {name: each for name, each in self._heard.items() if not each.over}
            heard = self._heard[stream_id] = _Heard(name)
        return heard

    def _ended(self, heard: _Heard, message: StreamMessage) -> None:
        if not heard.over and heard.name.mark == self._context.epochs.mark:
            self._context.recorder.count("streams_heard_whole" if message.error is None else "streams_cut_off")
        heard.over = True

    def _fragment(self, link: FragmentLine, heard: _Heard, message: StreamMessage, arrival_ns: int) -> None:
        context, content = self._context, message.content
        read = context.stamp_readers.get(content.data_type)
        stamp = None if read is None else read(content.data)
        if stamp is None:
            context.unreadable(content.data)
            return
        epoch, key, stream, seq, due_ns, wait = stamp
        mark = key ^ stream ^ seq ^ due_ns ^ wait
        if not (mark == context.epochs.mark or context.of_now(epoch, mark)):
            return
        name, number = heard.name, message.number
        if (name.mark, name.stream) != (mark, stream) or not name.has(seq, number):
            context.run.ledger.damaged(context.number)  # it is of another stream, or of another place in it
        elif link.is_intact(stream, seq, content) and (came := self._receiver.arrive(stream, seq)) < DUPLICATE:
            if came == REORDERED and number > heard.highest:
                self._receiver.overtaken()  # by fragments of another stream, which is no disorder
            heard.highest = max(heard.highest, number)
            self._measure(heard, number, due_ns, arrival_ns)

    def _measure(self, heard: _Heard, number: int, due_ns: int, arrival_ns: int) -> None:
        context, stream = self._context, heard.name.stream
        if stream == self._own:
            return  # the service was told not to send it
        at_ns = arrival_ns + context.clock.offset_ns
        recorder = context.recorders.get(context.run.audiences.sender_of(stream), context.recorder)
        recorder.buffer("delivery").append(at_ns - due_ns)
        if heard.last_ns is not None:
            recorder.buffer("fragment_gap").append(arrival_ns - heard.last_ns)
        elif number == 1 or self._was_there(heard.name.due_ns):
            recorder.buffer("first_fragment").append(at_ns - heard.name.due_ns)
        heard.last_ns = arrival_ns

    def _was_there(self, at_ns: int) -> bool:
        """Whether it has been a member since before `at_ns`."""
        return any(each.since is not None and each.since <= at_ns for each in self._receiver.memberships.values())

    def forget(self) -> None:
        """Its user leaves by plan: nothing more is expected."""
        self._heard.clear()

    def end(self) -> None:
        """The run is over: unfinished streams were cut off."""
        if unended := self.open:
            self._context.recorder.count("streams_cut_off", unended)
        self._heard.clear()
