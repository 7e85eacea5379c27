"""What becomes of an invocation: a response is its delivery, an error ends it without a loss, silence is cancelled."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import orjson
import pytest

from tests.client.contexts import population_context
from wps_load.client import invoking
from wps_load.client.context import PopulationContext
from wps_load.measure.catalog import PENDING
from wps_load.measure.ledger import Receiver
from wps_load.protocol.codecs import CODECS
from wps_load.protocol.messages import InvokeResponse
from wps_load.protocol.pending import PendingAck
from wps_load.protocol.session import Session

STREAM = 0
SEQ, DUE_NS, SENT_NS, CAME_NS = 4, 1_000, 2_000, 9_000
PRESENT, OTHER = 0, 1
"""Epochs."""


@dataclass
class Source:
    """A publisher, which hears of its invocations."""

    told: list[tuple[str, int]] = field(default_factory=list)

    def came_back(self, at_ns: int, seq: int) -> None:
        self.told.append(("came back", seq))

    def refused(self, at_ns: int, seq: int) -> None:
        self.told.append(("refused", seq))


@dataclass
class Owner:
    receiver: Receiver
    stream: int = STREAM
    publisher: Source | None = field(default_factory=Source)


@dataclass(eq=False)
class Link:
    owner: Owner
    up: bool = True
    session: Session = field(default_factory=lambda: Session(CODECS["json"]))
    sent: list[bytes] = field(default_factory=list)

    def send(self, payload: bytes) -> bool:
        self.sent.append(payload)
        return True

    def unanswered(self, pending: PendingAck, why: str) -> None:
        raise AssertionError("time does not go on here")


@contextmanager
def invoked(epoch: int = PRESENT) -> Iterator[tuple[PopulationContext, Link, int]]:
    """One invocation is under way: its number is the third."""
    with population_context(scenario="invoke") as context:
        link = Link(Owner(context.run.ledger.receiver(0)))
        yield context, link, invoking.begin(context, link, (SEQ, DUE_NS, epoch), SENT_NS)


def failures(context: PopulationContext) -> dict[tuple[str, str], int]:
    return context.recorder.peek().failures


def test_an_invocation_is_waited_for_and_counted_among_those_under_way() -> None:
    with invoked() as (context, link, number):
        second = invoking.begin(context, link, (SEQ + 1, DUE_NS, PRESENT), SENT_NS)
        assert (number, second) == (1, 2)
        assert context.recorder.buffer(PENDING) == [1, 2]
        assert context.run.answers.askers == {link}


def test_a_response_is_the_delivery_and_the_next_may_leave() -> None:
    with invoked() as (context, link, number):
        invoking.answered(context, link, InvokeResponse(str(number), True), CAME_NS)
        assert context.recorder.buffer("invoke") == [CAME_NS - DUE_NS]
        assert link.owner.publisher is not None
        assert link.owner.publisher.told == [("came back", SEQ)]
        assert context.run.ledger.running().delivered == 1
        invoking.answered(context, link, InvokeResponse(str(number), True), CAME_NS)
        assert context.recorder.peek().counters["responses_unknown"] == 1, "it is not waited for any more"
        assert context.run.ledger.running().duplicated == 0


def test_a_second_invocation_of_a_message_that_came_is_not_timed_again() -> None:
    with invoked() as (context, link, _):
        again = invoking.begin(context, link, (SEQ, DUE_NS, PRESENT), SENT_NS)
        for number in (1, again):
            invoking.answered(context, link, InvokeResponse(str(number), True), CAME_NS)
        assert len(context.recorder.buffer("invoke")) == 1
        assert context.run.ledger.running().duplicated == 1


@pytest.mark.parametrize("publisher", [Source(), None])
def test_an_error_fails_by_its_name_and_says_what_the_handler_said(publisher: Source | None) -> None:
    said: list[str] = []
    with population_context(lambda kind, sentence: said.append(sentence), scenario="invoke") as context:
        link = Link(Owner(context.run.ledger.receiver(0), publisher=publisher))
        number = invoking.begin(context, link, (SEQ, DUE_NS, PRESENT), SENT_NS)
        response = InvokeResponse(str(number), False, error="Forbidden", error_message="not you")
        invoking.answered(context, link, response, CAME_NS)
        assert failures(context) == {("invoke", "invoke_forbidden"): 1}
        assert context.run.ledger.running().delivered == 0
    assert "(Forbidden): not you" in said[0]
    assert publisher is None or publisher.told == [("refused", SEQ)]


def test_what_was_sent_in_an_epoch_that_is_over_counts_no_more() -> None:
    with invoked(OTHER) as (context, link, number):
        invoking.answered(context, link, InvokeResponse(str(number), True), CAME_NS)
        pending = PendingAck("invoke", (number, SEQ, DUE_NS, OTHER), None)
        invoking.unanswered(context, link, pending, "timeout")
        assert (context.recorder.buffer("invoke"), failures(context)) == ([], {})
        assert link.owner.publisher is not None
        assert link.owner.publisher.told == []
        assert len(link.sent) == 1, "the service is told all the same"


@pytest.mark.parametrize(
    ("why", "up", "cancelled"), [("timeout", True, 1), ("timeout", False, 0), ("connection_lost", True, 0)]
)
def test_the_service_is_told_of_what_nobody_waits_for_if_it_can_be(why: str, up: bool, cancelled: int) -> None:
    with invoked() as (context, link, number):
        link.up = up
        (pending,) = link.session.invocations.overdue(None)
        invoking.unanswered(context, link, pending, why)
        assert failures(context) == {("invoke", f"invoke_{why}"): 1}
        assert context.recorder.peek().counters.get("invocations_cancelled", 0) == cancelled
        cancel = {"type": "cancelInvocation", "invocationId": str(number)}
        assert [orjson.loads(each) for each in link.sent] == [cancel] * cancelled


@pytest.mark.parametrize("counted", [True, False], ids=["dropped", "by plan"])
def test_with_the_socket_everything_that_is_pending_has_failed_at_once(counted: bool) -> None:
    with invoked() as (context, link, _):
        invoking.begin(context, link, (SEQ + 1, DUE_NS, PRESENT), SENT_NS)
        invoking.lost(context, link, counted=counted)
        assert failures(context) == ({("invoke", "invoke_connection_lost"): 2} if counted else {})
        assert len(link.session.invocations) == 0
