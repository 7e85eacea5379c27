"""REST senders: an app server's side of the load, beside the users, on the same open-loop schedules.

The scheduler gives the due times; a greenlet sends each message and waits for the response. At most `IN_FLIGHT`
requests are under way in a process: a message that finds them all busy waits, and its waiting time is in its
`delivery`, which counts from the due time. `rest_publish` is the request's own time. A request that is refused or fails
is not sent again: its message is `send_failed`, neither published nor lost. If a request has no answer, nobody knows
whether its message was published: it counts as published, because its bytes have left, and is expected only where it
arrives.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from fractions import Fraction
from typing import NamedTuple

from gevent.pool import Group

from wps_load.client.context import PopulationContext
from wps_load.client.publishing_window import PublishingWindow
from wps_load.client.rest_access import rest_access
from wps_load.client.rest_sender import UNANSWERED, RestSender, Unanswered
from wps_load.clock import NS_PER_S, now_ns
from wps_load.errors import Finding
from wps_load.measure.causes import Cause, cause_of
from wps_load.measure.stamp import make_mark, pack_binary, pack_text
from wps_load.workload.population import USER_BASE, RestStream, phase, rest_streams
from wps_load.workload.scenarios import ROWS, Topology
from wps_load.workload.seeding import derive
from wps_load.workload.standing import addressed_by

IN_FLIGHT = 64
"""The most requests of a process at a time, each on its own connection: as in a busy app server's client pool."""
WAITING_MESSAGES = 10_000
"""The most messages that a stream holds back while all requests are busy; a new one then fails the oldest."""
SLOW_NS = NS_PER_S
"""A longer request occupies its place for a reason of the service's."""
FINISH_S = 3.0
"""How long the end of publishing waits for responses.

A message without a response by then is expected only where it arrives. Its response is waited for until the drain ends.
"""
FAILED_PAUSE_NS = NS_PER_S
"""Closed loop: after a failure the next message is due this much later, so that a dead endpoint is not hammered."""


class Job(NamedTuple):
    """A message that is due. `prompt`: a request was free at once."""

    seq: int
    due_ns: int
    window: PublishingWindow
    prompt: bool


class RestPublisher:
    """One stream of a sender. `follows`: the sender's next stream in turn, perhaps itself, for the closed loop."""

    __slots__ = (
        "_moved",
        "_senders",
        "_waiting",
        "audience",
        "begins",
        "follows",
        "name",
        "newcomer",
        "no_echo",
        "owner",
        "phase",
        "seed",
        "share",
        "stream",
        "to_user",
        "window",
    )

    def __init__(self, senders: RestSenders, part: RestStream, seed: int, *, begins: bool) -> None:
        self._senders = senders
        self._waiting: deque[Job] = deque()
        self.stream = part.stream
        self.audience = part.audience
        self.to_user = part.kind == "user"
        self.name = part.name
        self.share: Fraction = part.share
        self.phase = part.phase
        self.seed = seed
        self.owner: int | None = None
        self.no_echo = False
        self.newcomer = False
        """Whether its user is absent: then it does not begin with the others."""
        self._moved = False
        """Whether it has another turn than before."""
        self.begins = begins
        self.follows: RestPublisher = self
        self.window: PublishingWindow | None = None

    @property
    def ready(self) -> bool:
        """Closed loop: each sender has one message in flight, so its first stream begins and the others follow."""
        return self.begins

    def take_turn(self, share: Fraction, phase: float) -> None:
        """Gives it another part of its sender's rate, and another turn in it."""
        self.share, self.phase, self._moved = share, phase, True

    def new_turn(self) -> float | None:
        """Where in its interval it begins anew; None: it continues as before."""
        moved, self._moved = self._moved, False
        return self.phase if moved else None

    def halt(self) -> None:
        """The ledger's epoch is over: nothing of it leaves any more, and messages that are held back are dropped."""
        self._waiting.clear()
        if self.window is not None:
            self.window.close()
        if self.newcomer:
            self.window = None

    def begin(self, window: PublishingWindow) -> None:
        """A new epoch: sequence numbers start again from 0."""
        self.window = window

    def unsent(self) -> int:
        """Messages that were due and wait for a free request."""
        return len(self._waiting)

    def waits_for(self, at_ns: int) -> Cause:
        """What delays messages that are held back."""
        return self._senders.busy_with(at_ns)

    def give_up(self) -> None:
        """Messages that are held back fail."""
        cause = self.waits_for(now_ns())
        while self._waiting:
            job = self._waiting.popleft()
            job.window.out.failed(job.seq, cause)

    def publish(self, due_ns: int) -> None:
        """The message that is due at `due_ns`, in this worker's clock. Runs in the hub."""
        window = self.window
        assert window is not None
        prompt = self._senders.submit(self)
        self._waiting.append(Job(window.out.take(), due_ns, window, prompt))
        if len(self._waiting) > WAITING_MESSAGES:
            oldest = self._waiting.popleft()
            oldest.window.out.failed(oldest.seq, self.waits_for(now_ns()))

    def end(self, end_ns: int) -> None:
        """Nothing leaves any more: messages that were due before `end_ns` and did not leave have failed."""
        self.give_up()
        if self.window is not None:
            self.window.miss(end_ns)

    def take(self) -> Job | None:
        """The oldest waiting message; None: it was given up meanwhile."""
        return self._waiting.popleft() if self._waiting else None

    def came_back(self, at_ns: int) -> None:
        """Closed loop: the response has arrived; the sender's next message is due at `at_ns`."""
        window = self.follows.window
        if window is not None and window.closed is not None:
            window.advance(at_ns)


class RestSenders:
    """This process's REST senders and their requests: sender k lives in process k mod `processes`."""

    def __init__(self, context: PopulationContext, senders: int, ordinal: int, processes: int) -> None:
        config = context.run.config
        access = rest_access(config.target)
        assert access is not None, "the rules of the options demand a key"
        self._context = context
        limit_s = config.answer_timeout_ns / NS_PER_S
        self._rest = RestSender(access, context.settings.hub, context.run.network, timeout_s=limit_s)
        payloads = context.settings.payload_plan(envelope=False)  # a REST body is the data itself
        self._choose = payloads.choose
        self._pack = pack_text if payloads.stamp_is_text else pack_binary
        self._queue: deque[RestPublisher] = deque()
        self._busy = 0
        self._in_flight: dict[Job, RestPublisher] = {}
        self._took_ns = 0
        self._answered_ns = 0
        self._workers = Group()
        self._finished = False
        self._targets = context.targets
        self.publishers: list[RestPublisher] = []
        self._senders = senders
        self._rows: dict[int, list[RestPublisher]] = {}
        """Each local sender's streams to present users, in the order of their turns."""
        self._gone: dict[int, RestPublisher] = {}
        """Streams to absent users, by their numbers."""
        for sender in range(ordinal, senders, processes):
            self._rows[sender] = [*self._streams(sender, senders)]
            self.publishers += self._rows[sender]

    def _streams(self, sender: int, senders: int) -> Iterator[RestPublisher]:
        context = self._context
        parts = rest_streams(
            context.settings, context.run.run_id, sender, senders, self._targets, standing=context.standing
        )
        found = [self._stream(part, begins=at == 0) for at, part in enumerate(parts)]
        for at, publisher in enumerate(found):
            publisher.follows = found[(at + 1) % len(found)]
        yield from found

    def follow(self, at_ns: int, came: Sequence[int], gone: Sequence[int]) -> list[RestPublisher] | None:
        """Users have come and gone: from now on each sender sends in turn to those of its own that are present.

        Returns the streams that are new, or go on; None: nothing has changed. An added user belongs to the sender whose
        number is its index's remainder.
        """
        context = self._context
        if ROWS[context.settings.scenario].topology is not Topology.REST_USERS:
            return None
        numbers = addressed_by(context.run.config.populations, context.number)
        belongs = context.run.audiences.belongs
        left = {USER_BASE + index for index in gone}
        new: list[RestPublisher] = []
        for sender, row in self._rows.items():
            added = [i for i in came if i % self._senders == sender and belongs(i, numbers)]
            staying = [each for each in row if each.audience not in left]
            if not added and len(staying) == len(row):
                continue
            for each in row:
                if each.audience in left:
                    self._gone[each.stream] = each
                    each.newcomer = True
                    if each.window is not None:
                        each.window.close()
            parts = rest_streams(context.settings, context.run.run_id, 0, 1, added, standing=context.standing)
            found = [self._gone.pop(part.stream) if part.stream in self._gone else self._stream(part) for part in parts]
            self._rows[sender] = self._in_turn([*staying, *found], phase(sender), at_ns)
            new += found
            for each in found:
                each.newcomer = False
        return new

    def _stream(self, part: RestStream, *, begins: bool = False) -> RestPublisher:
        return RestPublisher(self, part, derive(self._context.settings.seed, "arrivals", part.stream), begins=begins)

    def _in_turn(self, row: list[RestPublisher], begin: float, at_ns: int) -> list[RestPublisher]:
        """Orders streams by their next turns, at even distances."""
        row.sort(key=lambda each: 2.0 if each.window is None else each.window.left_of_period(at_ns) or 0.0)
        for turn, each in enumerate(row):
            each.take_turn(Fraction(1, len(row)), (turn + begin) / len(row))
            each.follows = row[(turn + 1) % len(row)]
        return row

    def submit(self, publisher: RestPublisher) -> bool:
        """Submits one message of `publisher`, to be sent as soon as a request is free. True: at once."""
        self._queue.append(publisher)
        if self._busy >= IN_FLIGHT:
            return False
        self._busy += 1
        self._workers.spawn(self._work)
        return True

    def busy_with(self, at_ns: int) -> Cause:
        """Why no request is free.

        Either each waits for a service that takes seconds, or there are too few of them for a service that answers
        normally.
        """
        slow = max(self._took_ns, at_ns - self._answered_ns) > SLOW_NS
        return Cause.SERVICE if slow else Cause.GENERATOR

    def finish(self) -> None:
        """Publishing is over: waits for the outstanding responses, at most `FINISH_S`. Blocks its greenlet."""
        self._workers.join(FINISH_S)
        for job in self._in_flight:
            job.window.out.uncertain(job.seq)

    @property
    def awaited(self) -> bool:
        """Whether a response is outstanding."""
        return bool(self._in_flight)

    def end(self) -> None:
        """The run is over: requests without a response have failed, and nothing is waited for any more."""
        self._finished = True
        for job, publisher in self._in_flight.items():
            if publisher.window is job.window:
                self._context.failed("rest_publish", "rest_timeout", *UNANSWERED)

    def close(self) -> None:
        self._finished = True
        self._workers.kill(block=False)
        self._rest.close()

    def _work(self) -> None:
        try:
            while self._queue:
                publisher = self._queue.popleft()
                job = publisher.take()
                if job is not None:
                    self._send(publisher, job)
        finally:
            self._busy -= 1

    def _send(self, publisher: RestPublisher, job: Job) -> None:
        context = self._context
        epoch = context.epochs.number
        sent_ns = now_ns()
        if job.prompt:  # waiting for the service to answer others is not the generator's lag
            context.send_lag.append(sent_ns - job.due_ns)
        self._in_flight[job] = publisher
        try:
            failure = self._request(publisher, job, epoch, sent_ns)
        finally:
            del self._in_flight[job]
        back_ns = self._answered_ns = now_ns()
        self._took_ns = back_ns - sent_ns
        if self._finished or publisher.window is not job.window:
            return
        if failure is not None:
            if isinstance(failure, Unanswered):
                job.window.out.uncertain(job.seq)
            else:
                job.window.out.failed(job.seq, cause_of(failure.label))
            context.failed("rest_publish", failure.label, failure.message, failure.advice)
        elif epoch == context.epochs.number:
            context.recorder.buffer("rest_publish").append(back_ns - sent_ns)
        if job.window.closed is not None:
            if failure is None:
                publisher.came_back(back_ns)
            else:
                context.run.scheduler.call_at(back_ns + FAILED_PAUSE_NS, publisher.came_back)

    def _request(self, publisher: RestPublisher, job: Job, epoch: int, sent_ns: int) -> Finding | None:
        """Sends one message. None: it was accepted."""
        context = self._context
        key = make_mark(epoch, context.run.number) ^ publisher.stream
        due_ns = job.due_ns + context.clock.offset_ns
        stamp = self._pack(epoch & 0xFF, key, publisher.stream, job.seq, due_ns, sent_ns - job.due_ns)
        data = self._choose(publisher.stream, job.seq).wrap(stamp)
        try:
            if publisher.to_user:
                self._rest.send_to_user(publisher.name, data, context.data_type)
            else:
                self._rest.send_to_all(data, context.data_type)
        except Finding as failure:
            return failure
        return None
