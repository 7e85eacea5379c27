"""A publisher of streams: its messages are the fragments of streams of a fixed length.

It has a number of places, with one stream after the other in each; messages go to the places in turn. A stream is due
to start with its first fragment, and to end after that length. A fragment belongs to the stream that is open in its
place when it is due: it is written at once, and leaves when the service has accepted the stream. If the service refuses
or closes a stream, its other fragments fail; the next stream begins when this one would have ended. If the connection
is recovered its streams go on (`protocol.streams`); if it is gone they are over.

A stream's id contains its run, epoch and publisher, when it was due to start, in the run's time, and which of its
publisher's messages its fragments are: a subscriber needs no more to measure its reader's waits.
"""

from __future__ import annotations

from collections import deque
from typing import Any, NamedTuple, Protocol, cast

from wps_load.client.answers import UNANSWERED, Asker
from wps_load.client.context import PopulationContext
from wps_load.client.publisher import Outlet, Publisher
from wps_load.client.quote import quote
from wps_load.clock import now_ns
from wps_load.measure.catalog import ack_label
from wps_load.measure.causes import Cause
from wps_load.measure.outgoing import OutStream
from wps_load.protocol.codecs import Template
from wps_load.protocol.messages import EndStream, StartStream, StreamAck, StreamClosed, StreamError, StreamNack
from wps_load.protocol.pending import PendingAck
from wps_load.protocol.streams import OutgoingStream, StreamChange

_SILENT = StreamError("Timeout", "The service does not answer.", "Timeout")
_ADVICE = "check the token's roles, and whether the service has streams, which are a preview"
_NOBODY = -1


class StreamName(NamedTuple):
    """The content of a stream's id. `mark`: of the run and the epoch, as in a stamp. `due_ns`: in the run's time.

    Its fragments are the messages `first`, `first + step`, `first + 2 * step`, ... of its publisher.
    """

    mark: int
    stream: int
    due_ns: int
    first: int
    step: int

    def __str__(self) -> str:
        return ".".join(f"{part:x}" for part in self)

    def has(self, seq: int, number: int) -> bool:
        """Whether its publisher's message `seq` is its fragment `number`."""
        return seq == self.first + self.step * (number - 1)

    @classmethod
    def of(cls, stream_id: str) -> StreamName | None:
        """Reads an id; None: it belongs to no publisher here."""
        try:
            mark, stream, due_ns, first, step = (int(part, 16) for part in stream_id.split("."))
        except ValueError:
            return None
        return cls(mark, stream, due_ns, first, step)


class AnswerLine(Asker, Protocol):
    """The connection on which answers come."""

    @property
    def up(self) -> bool: ...

    def send(self, payload: bytes) -> bool: ...


class Place:
    """Has one stream after the other. `open`: accepts fragments; those due before `closed_until_ns` have no stream."""

    __slots__ = ("closed_until_ns", "open")

    def __init__(self) -> None:
        self.open: Fragments | None = None
        self.closed_until_ns = 0


class Fragments:
    """One stream in progress, and which messages its fragments are. `out`: the ledger's side of its epoch.

    `next_seq`: the message of its next fragment.
    """

    __slots__ = (
        "_seqs", "_told", "due_ns", "end_ns", "ended_ns", "epoch",
        "next_seq", "out", "place", "publisher", "stream", "template",
    )  # fmt: skip

    def __init__(
        self, publisher: StreamPublisher, place: Place, out: OutStream, epoch: int, due_ns: int, end_ns: int
    ) -> None:
        self.publisher = publisher
        self.place = place
        self.out = out
        self.epoch = epoch
        self.due_ns = due_ns
        self.end_ns = end_ns
        self.ended_ns = end_ns
        """When its end was due: when the end of its epoch was announced, if that is earlier."""
        self.next_seq = 0
        self.stream: OutgoingStream
        self.template: Template
        self._seqs: deque[int] = deque()  # of unacknowledged fragments
        self._told = 0

    def write(self, seq: int, data: bytes) -> None:
        self._seqs.append(seq)
        self.stream.write(self.template.encode_safe(data, self.stream.next_number))

    @property
    def last_sent(self) -> int | None:
        """The message of the last fragment that was sent; None: it is acknowledged, or there is none."""
        place = len(self._seqs) - self.stream.never_sent - 1
        return self._seqs[place] if place >= 0 else None

    def not_sent(self) -> None:
        """The connection refused the fragment that was sent last."""
        place = len(self._seqs) - self.stream.never_sent - 1
        if place >= 0 and self._seqs[place] != _NOBODY:
            self.out.failed(self._seqs[place], Cause.SERVICE)
            self._seqs[place] = _NOBODY

    def acknowledged(self) -> None:
        while len(self._seqs) > self.stream.outstanding:
            self._seqs.popleft()

    def newly_replayed(self) -> int:
        """How many fragments were sent again since the last call."""
        found, self._told = self.stream.replayed - self._told, self.stream.replayed
        return found

    def over(self, cause: Cause) -> None:
        """Nothing of it leaves any more, in its epoch.

        What had been handed to the socket is expected, unless the plan ended that.
        """
        sent = len(self._seqs) - self.stream.never_sent
        for place, seq in enumerate(self._seqs):
            if seq == _NOBODY:
                continue
            if place >= sent:
                self.out.failed(seq, cause)
            elif cause is Cause.PLAN:
                self.out.uncertain(seq)
        self._seqs.clear()


class StreamPublisher(Publisher):
    """The publisher that the module describes. `_under_way`: the streams that are not closed, including open ones."""

    __slots__ = ("_group", "_length_ns", "_places", "_under_way")

    def __init__(self, context: PopulationContext, *, name: str, **others: Any) -> None:
        super().__init__(context, name=name, **others)
        assert context.settings.stream_length_ns is not None
        self._group = name
        self._length_ns = context.settings.stream_length_ns
        self._places = tuple(Place() for _ in range(context.settings.streams))
        self._under_way: set[Fragments] = set()

    def unsent(self) -> int:
        return super().unsent() + sum(each.stream.never_sent for each in self._under_way)

    # -- fragments -------------------------------------------------------------------------------------------

    def _transmit(self, link: Outlet, seq: int, due_ns: int, *, held: bool = False) -> None:
        places = self._places
        place = places[seq % len(places)]
        if due_ns < place.closed_until_ns:
            self.fail(seq, Cause.SERVICE)
            return
        fragments = place.open
        if fragments is not None and (due_ns >= fragments.end_ns or seq != fragments.next_seq):
            self.finish(fragments, min(due_ns, fragments.end_ns))  # a message that failed leaves no gap in a stream
            fragments = None
        if fragments is None:
            fragments = self._start(link, place, seq, due_ns)
        context = self._context
        lag_ns = now_ns() - due_ns
        stamp = self._pack(context.epochs.byte, self._key, self.stream, seq, due_ns + context.clock.offset_ns, lag_ns)
        fragments.write(seq, self._choose(self.stream, seq).wrap(stamp))
        fragments.next_seq = seq + len(places)
        if not held:
            context.send_lag.append(lag_ns)
        self.pump(fragments)

    def _start(self, link: Outlet, place: Place, seq: int, due_ns: int) -> Fragments:
        context, window = self._context, self.window
        assert window is not None
        end_ns = due_ns + self._length_ns
        place.open = fragments = Fragments(self, place, window.out, context.epochs.number, due_ns, end_ns)
        due = due_ns + context.clock.offset_ns
        name = str(StreamName(context.epochs.mark, self.stream, due, first=seq, step=len(self._places)))
        start = StartStream(self._group, name, no_echo=self.no_echo)
        fragments.stream = link.session.streams.start(name, start, fragments, due_ns)
        fragments.template = context.template("stream", name, no_echo=True)
        self._under_way.add(fragments)
        context.run.answers.askers.add(link)
        context.recorder.count("streams_started")
        context.run.scheduler.call_at(end_ns, lambda _: self._time_is_up(fragments))
        return fragments

    def _time_is_up(self, fragments: Fragments) -> None:
        """Messages that are held back were due earlier: then the stream ends after them."""
        if fragments.place.open is fragments and not self._backlog:
            self.finish(fragments, fragments.end_ns)

    def finish(self, fragments: Fragments, at_ns: int) -> None:
        """It accepts no more fragments; its end, due at `at_ns`, leaves after them."""
        if fragments.place.open is fragments:
            fragments.place.open = None
        fragments.ended_ns = at_ns
        fragments.stream.end(self._context.codec.encode(EndStream(fragments.stream.stream_id)))
        if self.link is not None:
            self._context.run.answers.askers.add(self.link)
        self.pump(fragments)

    def pump(self, fragments: Fragments) -> None:
        """Sends what can be sent, as far as the connection accepts it."""
        link, context = self.link, self._context
        if link is None or not link.connection.outbox.writable:
            return
        for payload in fragments.stream.take(now_ns()):
            if not link.connection.send(context.frame(self._opcode, payload)):
                if not context.codec.reliable and fragments.epoch == context.epochs.number:
                    fragments.not_sent()  # else it is sent again after the recovery
                break
            if not link.connection.outbox.writable:
                if (seq := fragments.last_sent) is not None and seq != _NOBODY:
                    link.stalled_on(self, seq)
                break
        if replayed := fragments.newly_replayed():
            context.recorder.count("fragments_replayed", replayed)

    def beat(self, at_ns: int) -> None:
        """Does what is due by time: keepalives, and fragments to be sent again. A few times a second."""
        for each in tuple(self._under_way):
            keepalive = each.stream.beat(at_ns)
            link = self.link
            if keepalive is not None and link is not None:
                link.connection.send(self._context.frame(self._opcode, keepalive))
                self._context.recorder.count("stream_keepalives")
            if each.stream.ready:
                self.pump(each)

    # -- its connection ----------------------------------------------------------------------------------

    def drained(self) -> None:
        for each in tuple(self._under_way):
            self.pump(each)
        super().drained()
        for each in self._opened:
            if now_ns() >= each.end_ns:
                self._time_is_up(each)

    def halt(self) -> None:
        super().halt()
        for each in self._opened:
            self.finish(each, now_ns())

    def end(self, end_ns: int) -> None:
        super().end(end_ns)
        for each in self._opened:
            self.finish(each, each.end_ns if each.end_ns <= end_ns else now_ns())  # we learn the run's end late

    @property
    def _opened(self) -> list[Fragments]:
        """The streams that accept fragments."""
        return [place.open for place in self._places if place.open is not None]

    @property
    def starting(self) -> bool:
        """Whether fragments wait for the service to accept their stream."""
        return any(each.stream.never_sent for each in self._under_way)

    def give_up_fragments(self) -> None:
        """Fragments that have not left by now have failed."""
        for each in tuple(self._under_way):
            if each.stream.never_sent:
                self._forget(each, Cause.SERVICE)

    def lost(self, cause: Cause, *, holds: bool) -> None:
        super().lost(cause, holds=holds)
        if not holds:
            for place in self._places:
                place.closed_until_ns = 0  # the next connection begins new streams
            for each in tuple(self._under_way):
                self._forget(each, cause)

    def closed(self, fragments: Fragments, cause: Cause) -> None:
        """It is over, before its time if it is open."""
        if fragments.place.open is fragments:
            fragments.place.closed_until_ns = fragments.end_ns
        self._forget(fragments, cause)

    def _forget(self, fragments: Fragments, cause: Cause) -> None:
        if fragments.place.open is fragments:
            fragments.place.open = None
        self._under_way.discard(fragments)
        if fragments.epoch == self._context.epochs.number:
            fragments.over(cause)


# -- answers -----------------------------------------------------------------------------------------------------


def answered(
    context: PopulationContext, link: AnswerLine, answer: StreamAck | StreamNack | StreamClosed, arrival_ns: int
) -> None:
    """The service has answered about a stream of this client."""
    change = link.session.streams.receive(answer, arrival_ns)
    if change is None:
        context.recorder.count("stream_answers_unknown")
        return
    fragments = cast(Fragments, change.stream.context)
    fragments.acknowledged()
    if isinstance(answer, StreamNack):
        context.recorder.count("stream_nacks")
    if change.started and fragments.epoch == context.epochs.number:
        context.recorder.buffer("stream_start").append(arrival_ns - fragments.due_ns)
    if change.over:
        _closed(context, link, change, fragments, arrival_ns)
    else:
        fragments.publisher.pump(fragments)


def _closed(
    context: PopulationContext, link: AnswerLine, change: StreamChange, fragments: Fragments, arrival_ns: int
) -> None:
    counts = fragments.epoch == context.epochs.number
    if change.farewell is not None:
        link.send(change.farewell)
    if counts and change.error is None:
        context.recorder.count("streams_ended")
        context.recorder.buffer("stream_end").append(arrival_ns - fragments.ended_ns)
    elif counts and change.error is not None:
        name, told, _ = change.error
        metric = _metric(fragments)
        sentence = f"a stream was {'closed' if fragments.stream.accepted else 'refused'} ({quote(name)}): {quote(told)}"
        context.recorder.count("streams_failed")
        context.failed(metric, ack_label(name, metric), sentence, _ADVICE)
    fragments.publisher.closed(fragments, Cause.SERVICE)


def unanswered(context: PopulationContext, link: AnswerLine, pending: PendingAck, why: str) -> None:
    """A stream whose start or end got no answer.

    Either the answer was late (`timeout`), or the stream went with its connection (`connection_lost`).
    """
    stream = cast(OutgoingStream, pending.context)
    fragments = cast(Fragments, stream.context)
    if fragments.epoch == context.epochs.number:
        metric = _metric(fragments)
        context.recorder.count("streams_failed")
        context.failed(metric, f"{metric}_{why}", *UNANSWERED[why])
    if why == "timeout":
        farewell = link.session.streams.give_up(stream, _SILENT)
        if link.up and not stream.accepted:
            link.send(farewell)
        fragments.publisher.closed(fragments, Cause.SERVICE)


def _metric(fragments: Fragments) -> str:
    """The metric that has failed: the stream was never accepted, or did not end properly."""
    return "stream_end" if fragments.stream.accepted else "stream_start"
