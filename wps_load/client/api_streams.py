"""A stream that a task publishes: started, written fragment by fragment, ended; timed as the scenario `stream` does.

    with client.stream("room") as stream:
        for word in answer:
            stream.send(word)

First the service accepts the stream (`stream_start`), and in the end it closes it (`stream_end`). Fragments in between
do not wait for acks; a nack or a recovery makes them be sent again. An exception that leaves the block ends the stream
with an error, which subscribers receive.
"""

from __future__ import annotations

import itertools
from collections import deque
from collections.abc import Iterator
from types import TracebackType
from typing import Any

from gevent.event import Event

from wps_load.client.answers import UNANSWERED
from wps_load.client.api_connector import TIMEOUT_S, ApiConnector
from wps_load.client.api_data import TaskData
from wps_load.client.api_link import ApiLink
from wps_load.client.api_values import at_least, seconds, within_limit
from wps_load.client.context import PopulationContext
from wps_load.client.establish import seconds_until
from wps_load.client.fragments import StreamName
from wps_load.client.quote import quote
from wps_load.client.task_accounts import Account, AddressedTo
from wps_load.client.task_streams import Sending
from wps_load.clock import NS_PER_S, now_ns
from wps_load.errors import ConnectionLost, Finding, LocalProtocolError
from wps_load.measure.catalog import ack_label
from wps_load.protocol.messages import (
    DataType,
    EndStream,
    StartStream,
    StreamAck,
    StreamClosed,
    StreamData,
    StreamError,
    StreamNack,
)
from wps_load.protocol.streams import OutgoingStream, StreamChange

_NUMBERS: Iterator[int] = itertools.count()
"""Distinguishes the streams of one process's clients, together with the client's own number."""
_SILENT = StreamError("Timeout", "The service does not answer.", "Timeout")
_GIVEN_UP = StreamError("Exception", "The publisher has failed.", "Exception")
_ADVICE = "check the token's roles, and whether the service has streams, which are a preview"


class PublishedStream:
    """Made by `WebPubSubClient.stream`, in a `with` statement. `send` writes a fragment; `with` calls `end`."""

    def __init__(
        self,
        context: PopulationContext,
        connector: ApiConnector,
        account: Account,
        data: TaskData,
        audience: AddressedTo,
        measured: bool,
    ) -> None:
        self._context = context
        self._connector = connector
        self._account = account
        self._data = data
        self._audience = audience
        self._measured = measured
        self._accepted = Event()
        """Set when it is accepted, or never will be."""
        self._over = Event()
        self._failure: Finding | None = None
        """The failure that the task must get."""
        self._sendings: deque[Sending] = deque()
        """The messages of measured fragments that are not acknowledged."""
        self._told = 0
        self._epoch: int | None = None
        self._due_ns = self._ended_ns = 0
        self._link: ApiLink
        self._stream: OutgoingStream

    @property
    def id(self) -> str:
        """Its id on the wire."""
        return self._stream.stream_id

    @property
    def ended(self) -> bool:
        """Whether it accepts no more fragments: it was ended, the service has closed it, or its connection is gone."""
        return self._stream.ended

    @property
    def unacknowledged(self) -> int:
        """Fragments that the service has not acknowledged yet."""
        return self._stream.outstanding

    # -- for the task ------------------------------------------------------------

    def start(self, idle_timeout: float | None, timeout: float) -> PublishedStream:
        """Waits until the service has accepted it. Raises Finding."""
        context, connector = self._context, self._connector
        idle_ms = None if idle_timeout is None else int(at_least(idle_timeout, 0.001, "idle_timeout") * 1000)
        timeout_s = seconds(timeout)
        self._link = connector.ready()
        due_ns = now_ns()
        deadline_ns = due_ns + int(timeout_s * NS_PER_S)
        self._epoch = context.epochs.measured_at(due_ns)
        connector.await_passable(self._link, deadline_ns, "stream_start")
        due = due_ns + context.clock.offset_ns
        name = StreamName(context.epochs.mark, self._account.number, due, first=next(_NUMBERS), step=0)
        start = StartStream(self._audience.name, str(name), idle_ms, self._audience.no_echo)
        self._due_ns = due_ns
        self._stream = self._link.publish(str(name), start, self, due_ns)
        self._count("streams_started")
        self.pump()
        if not self._accepted.wait(seconds_until(deadline_ns)):
            self._give_up("stream_start")
        self._tell_failure()
        return self

    def send(self, data: Any, *, timeout: float = TIMEOUT_S) -> None:
        """Writes a fragment with data as in `send_to_group`. It does not wait for the ack."""
        context = self._context
        data_type, wire, _ = self._data.written(data)
        deadline_ns = now_ns() + int(seconds(timeout) * NS_PER_S)
        self._require_open()
        self._connector.await_passable(self._link, deadline_ns, "stream_end")
        self._require_open()
        sending = self._account.publisher.due(*self._audience) if self._measured else None
        if sending is not None:
            sealed = self._account.publisher.sealed(bytes(data) if data_type is DataType.BINARY else data, sending)
            wire = self._data.written(sealed).wire
        fragment = StreamData(self.id, self._stream.next_number, data_type, wire)
        try:
            payload = within_limit(context.codec.encode(fragment))
        except LocalProtocolError:
            if sending is not None:
                sending.forget(context.epochs.number)  # too long: it never leaves
            raise
        if sending is not None:
            self._sendings.append(sending)
        elif context.epochs.measured_at(now_ns()) is not None:
            context.recorder.count("tasks_published")
        self._stream.write(payload)
        self.pump()

    def end(self, *, timeout: float = TIMEOUT_S) -> None:
        """Ends it, and waits until the service has closed it. Does nothing if it is over."""
        self._finish(None, timeout)

    def fail(self, message: str, code: str = "", *, timeout: float = TIMEOUT_S) -> None:
        """Ends it with an error, which its subscribers receive."""
        self._finish(StreamError("", message, code), timeout)

    def _finish(self, error: StreamError | None, timeout: float) -> None:
        deadline_ns = now_ns() + int(seconds(timeout) * NS_PER_S)
        if self._stream.ended:
            return
        self._end(error)
        if not self._over.wait(seconds_until(deadline_ns)):
            self._give_up("stream_end")
        self._tell_failure()

    def _end(self, error: StreamError | None) -> None:
        self._ended_ns = now_ns()
        self._stream.end(self._context.codec.encode(EndStream(self.id, error)))
        self.pump()

    def __enter__(self) -> PublishedStream:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _traceback: TracebackType | None
    ) -> None:
        if error is None:
            self.end()
        elif not self._stream.ended:  # an exception propagates; a user that is stopped has no time to wait
            self._end(_GIVEN_UP if isinstance(error, Exception) else None)

    def _require_open(self) -> None:
        self._tell_failure()
        if self._stream.ended:
            raise LocalProtocolError("the stream has been ended: start another one")

    def _tell_failure(self) -> None:
        """Raises why it failed, once: it is counted already."""
        failure, self._failure = self._failure, None
        if failure is not None:
            raise failure

    def _give_up(self, metric: str) -> None:
        """No answer came in time."""
        farewell = self._link.session.streams.give_up(self._stream, _SILENT)
        if self._link.up and metric == "stream_start":
            self._link.send(farewell, self._context.codec.opcode)
        self._close(self._failed(metric, f"{metric}_timeout", *UNANSWERED["timeout"]))

    # -- for the link, in the hub ------------------------------------------------------------

    def answered(self, change: StreamChange, answer: StreamAck | StreamNack | StreamClosed, arrival_ns: int) -> None:
        """The service has answered about the stream."""
        while len(self._sendings) > self._stream.outstanding:
            self._sendings.popleft()
        if isinstance(answer, StreamNack):
            self._context.recorder.count("stream_nacks")
        if change.started:
            self._time("stream_start", arrival_ns - self._due_ns)
            self._accepted.set()
        if not change.over:
            self.pump()
            return
        if change.farewell is not None:
            self._link.send(change.farewell, self._context.codec.opcode)
        if change.error is None:
            self._count("streams_ended")
            self._time("stream_end", arrival_ns - self._ended_ns)
            self._close(None)
            return
        metric = "stream_end" if self._stream.accepted else "stream_start"
        name, told, _ = change.error
        sentence = f"a stream was {'closed' if self._stream.accepted else 'refused'} ({quote(name)}): {quote(told)}"
        self._close(self._failed(metric, ack_label(name, metric), sentence, _ADVICE))

    def lost(self, lost: ConnectionLost) -> None:
        """Its connection is gone for good, and with it the stream. The next call raises the loss itself."""
        metric = "stream_end" if self._stream.accepted else "stream_start"
        what = UNANSWERED["connection_lost"][0]
        self._close(self._failed(metric, f"{metric}_connection_lost", f"{what}: {lost.message}"))

    def pump(self) -> None:
        """Sends what can be sent, as far as the connection accepts it."""
        link = self._link
        if not link.passable.is_set() or not link.up:
            return
        for payload in self._stream.take(now_ns()):
            if not link.send(payload, self._context.codec.opcode) or not link.passable.is_set():
                break
        replayed, self._told = self._stream.replayed - self._told, self._stream.replayed
        if replayed:
            self._context.recorder.count("fragments_replayed", replayed)

    def beat(self, at_ns: int) -> None:
        """Does what is due by time: keepalives, and fragments to be sent again."""
        keepalive = self._stream.beat(at_ns)
        if keepalive is not None and self._link.up:
            self._link.send(keepalive, self._context.codec.opcode)
            self._context.recorder.count("stream_keepalives")
        if self._stream.ready:
            self.pump()

    # -- what is counted ------------------------------------------------------------

    def _close(self, failure: Finding | None) -> None:
        """It is over. `failure`: what the task gets."""
        left = len(self._sendings) - self._stream.never_sent
        for place, sending in enumerate(self._sendings):
            if place < left:
                self._account.publisher.unanswered(sending)
            else:
                self._account.publisher.not_sent(sending, "" if failure is None else failure.label)
        self._sendings.clear()
        self._failure = failure
        self._over.set()
        self._accepted.set()

    def _failed(self, metric: str, label: str, message: str, advice: str = "") -> Finding:
        self._context.failed(metric, label, message, advice)
        self._count("streams_failed")
        return Finding(label, message, advice)

    @property
    def _counts(self) -> bool:
        return self._epoch is not None and self._epoch == self._context.epochs.number

    def _count(self, counter: str) -> None:
        if self._counts:
            self._context.recorder.count(counter)

    def _time(self, metric: str, duration_ns: int) -> None:
        if self._counts:
            self._context.recorder.buffer(metric).append(duration_ns)
