"""A subscriber of streams: what is timed, what was cut off, and what belongs to another stream than it says."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.client.contexts import population_context
from wps_load.client.context import PopulationContext
from wps_load.client.epochs import Epoch
from wps_load.client.fragments import StreamName
from wps_load.client.hearing import KEPT, Hearing
from wps_load.measure.ledger import Receiver
from wps_load.measure.stamp import make_mark, pack_text
from wps_load.protocol.messages import DataMessage, StreamError, StreamMessage

RUN, EPOCH = 7, 1
MARK = make_mark(EPOCH, RUN)
OWN, PUBLISHER = 0, 1
DUE_NS, STEP_NS = 1_000_000, 10_000
WORD = st.integers(0, (1 << 63) - 1)


@given(st.builds(StreamName, WORD, WORD, WORD, WORD, WORD))
def test_a_name_says_what_it_was_made_of(name: StreamName) -> None:
    assert StreamName.of(str(name)) == name


@pytest.mark.parametrize("text", ["", "1.2.3.4", "1.2.3.4.5.6", "1.2.3.4.g", "a stream of somebody else"])
def test_a_name_of_somebody_else_is_none(text: str) -> None:
    assert StreamName.of(text) is None


def test_fragments_of_several_streams_take_turns_in_their_publishers_numbers() -> None:
    name = StreamName(MARK, PUBLISHER, 0, first=2, step=3)
    assert [seq for seq in range(12) if name.has(seq, (seq - 2) // 3 + 1)] == [2, 5, 8, 11]
    assert not name.has(5, 1)


@dataclass
class Line:
    """`intact`: whether what comes is what was sent."""

    intact: bool = True

    def is_intact(self, stream: int, seq: int, message: DataMessage) -> bool:
        return self.intact


@dataclass
class Subscriber:
    """Of streams whose publisher has one at a time."""

    context: PopulationContext
    receiver: Receiver
    line: Line = field(default_factory=Line)

    def __post_init__(self) -> None:
        self.hearing = Hearing(self.context, self.receiver, OWN)

    def name(self, first: int = 0, stream: int = PUBLISHER) -> StreamName:
        return StreamName(MARK, stream, DUE_NS, first=first, step=1)

    def fragment(
        self, number: int, *, name: StreamName | None = None, seq: int | None = None, stream: int = PUBLISHER
    ) -> None:
        """The next one of a stream, due and arriving `STEP_NS` after the one before it."""
        name = name or self.name(stream=stream)
        seq = name.first + number - 1 if seq is None else seq
        due_ns = DUE_NS + seq * STEP_NS
        stamp = pack_text(EPOCH, MARK ^ stream, stream, seq, due_ns, 0)
        self.tell(StreamMessage(DataMessage("group", "g", "text", stamp.decode()), str(name), number, False, None), seq)

    def end(self, name: StreamName | None = None, error: StreamError | None = None) -> None:
        content = DataMessage("group", "g", "text", "")
        self.tell(StreamMessage(content, str(name or self.name()), 99, True, error), 99)

    def tell(self, message: StreamMessage, at: int) -> None:
        self.hearing.arrived(self.line, message, DUE_NS + at * STEP_NS + 500)

    def count(self, name: str) -> int:
        return self.context.recorder.peek().counters.get(name, 0)

    def times(self, name: str) -> list[int]:
        return self.context.recorder.buffer(name)


@pytest.fixture
def subscriber() -> Iterator[Subscriber]:
    with population_context(users=3, scenario="stream", group_size="3") as context:
        context.epochs.announce(Epoch(EPOCH, 0, 1 << 62))
        context.epochs.enter(EPOCH)
        yield Subscriber(context, context.run.ledger.receiver(0))


def test_the_first_fragment_and_the_gaps_between_the_others_are_timed(subscriber: Subscriber) -> None:
    for number in (1, 2, 3):
        subscriber.fragment(number)
    assert subscriber.times("first_fragment") == [500]
    assert subscriber.times("fragment_gap") == [STEP_NS, STEP_NS]
    assert subscriber.times("delivery") == [500] * 3
    assert subscriber.hearing.open == 1
    subscriber.end()
    subscriber.end()
    assert (subscriber.hearing.open, subscriber.count("streams_heard_whole")) == (0, 1), "it ends once"


@pytest.mark.parametrize(("since_ns", "waited"), [(None, 0), (DUE_NS, 1), (DUE_NS + 1, 0)])
def test_who_joined_a_stream_in_its_middle_did_not_wait_for_its_beginning(
    subscriber: Subscriber, since_ns: int | None, waited: int
) -> None:
    if since_ns is not None:
        subscriber.receiver.joined(3, since_ns)
    subscriber.fragment(4)
    assert len(subscriber.times("first_fragment")) == waited
    assert len(subscriber.times("delivery")) == 1


def test_a_stream_that_ends_with_an_error_or_never_was_cut_off(subscriber: Subscriber) -> None:
    failed, unended = subscriber.name(0), subscriber.name(50)
    subscriber.fragment(1, name=failed)
    subscriber.end(failed, StreamError("Timeout"))
    subscriber.fragment(1, name=unended)
    subscriber.hearing.end()
    assert (subscriber.count("streams_cut_off"), subscriber.hearing.open) == (2, 0)
    subscriber.hearing.end()
    assert subscriber.count("streams_cut_off") == 2


def test_of_who_leaves_by_plan_nothing_was_cut_off(subscriber: Subscriber) -> None:
    subscriber.fragment(1)
    subscriber.hearing.forget()
    subscriber.hearing.end()
    assert subscriber.count("streams_cut_off") == 0


def test_a_stream_that_another_one_of_its_publisher_has_overtaken_is_in_no_disorder(subscriber: Subscriber) -> None:
    running = subscriber.context.run.ledger.running
    early, late = subscriber.name(0), StreamName(MARK, PUBLISHER, DUE_NS, first=1, step=1)
    subscriber.fragment(1, name=late, seq=1)
    subscriber.fragment(1, name=early, seq=0)
    assert (running().delivered, running().reordered) == (2, 0)


def test_a_fragment_that_one_of_its_own_stream_has_overtaken_is_reordered(subscriber: Subscriber) -> None:
    for number in (1, 3, 2):
        subscriber.fragment(number)
    running = subscriber.context.run.ledger.running()
    assert (running.delivered, running.reordered) == (3, 1)


def test_a_fragment_that_comes_twice_is_timed_once(subscriber: Subscriber) -> None:
    for number in (1, 1):
        subscriber.fragment(number)
    assert (len(subscriber.times("delivery")), subscriber.context.run.ledger.running().duplicated) == (1, 1)


@pytest.mark.parametrize("seq", [1, 9])
def test_a_fragment_at_another_place_than_it_says_is_damaged(subscriber: Subscriber, seq: int) -> None:
    subscriber.fragment(1, seq=seq)
    running = subscriber.context.run.ledger.running()
    assert (running.corrupted, running.delivered) == (1, 0)


def test_content_that_is_not_what_was_sent_is_not_delivered(subscriber: Subscriber) -> None:
    subscriber.line.intact = False
    subscriber.fragment(1)
    assert subscriber.context.run.ledger.running().delivered == 0
    assert subscriber.times("delivery") == []


def test_what_it_publishes_itself_is_accounted_for_and_not_timed(subscriber: Subscriber) -> None:
    subscriber.fragment(1, stream=OWN)
    assert subscriber.times("delivery") == subscriber.times("first_fragment") == []


def test_streams_of_others_are_none_of_ours(subscriber: Subscriber) -> None:
    other_run = StreamName(make_mark(EPOCH, RUN + 1), PUBLISHER, DUE_NS, 0, 1)
    subscriber.tell(StreamMessage(DataMessage("group", "g", "text", "hello"), str(other_run), 1, False, None), 0)
    subscriber.tell(StreamMessage(DataMessage("group", "g", "text", "hello"), "theirs", 1, False, None), 0)
    assert (subscriber.hearing.open, subscriber.count("messages_unstamped")) == (0, 2)


def test_streams_that_are_over_are_forgotten_and_those_under_way_never(subscriber: Subscriber) -> None:
    under_way = subscriber.name(0)
    subscriber.fragment(1, name=under_way)
    for at in range(1, 2 * KEPT):
        name = subscriber.name(1000 * at)
        subscriber.fragment(1, name=name)
        subscriber.end(name)
    assert subscriber.hearing.open == 1
    assert subscriber.count("streams_heard_whole") == 2 * KEPT - 1
    subscriber.end(under_way)
    assert subscriber.count("streams_heard_whole") == 2 * KEPT
