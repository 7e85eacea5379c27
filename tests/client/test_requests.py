"""What becomes of a scenario's joins and acknowledged publications: each counted once, in the epoch that it is of."""

from __future__ import annotations

import pytest

from tests.client.contexts import population_context
from wps_load.client import requests
from wps_load.protocol.pending import PendingAck
from wps_load.protocol.session import AckResult
from wps_load.workload.population import USER_BASE

ASKED_NS, CAME_NS = 1_000, 5_000
GROUP = 3
PRESENT, OTHER = 0, 1
"""Epochs."""


class Asker:
    """Records what a user learns about its joins."""

    def __init__(self) -> None:
        self.told: list[tuple[str, int, int | None]] = []

    def joined(self, audience: int, at_ns: int | None) -> None:
        self.told.append(("joined", audience, at_ns))

    def joined_late(self, audience: int, at_ns: int) -> None:
        self.told.append(("joined late", audience, at_ns))


def answer(kind: str, second: int, error: str | None = None, *, late: bool = False) -> AckResult:
    """`second`: the audience of a join, the epoch of a publication."""
    return AckResult(kind, (ASKED_NS, second), error is None, False, error, late)


Told = list[tuple[str, int, int | None]]


@pytest.mark.parametrize(
    ("answered", "told", "times", "failures"),
    [
        (answer("join", GROUP), [("joined", GROUP, CAME_NS)], [CAME_NS - ASKED_NS], {}),
        (answer("join", GROUP, "Forbidden"), [("joined", GROUP, None)], [], {("join_group", "ack_forbidden"): 1}),
        (answer("join", GROUP, late=True), [("joined late", GROUP, CAME_NS)], [], {}),
        (answer("join", GROUP, "Forbidden", late=True), [], [], {}),
    ],
    ids=["joined", "refused", "late", "refused late"],
)
def test_a_join_and_its_answer(
    answered: AckResult, told: Told, times: list[int], failures: dict[tuple[str, str], int]
) -> None:
    asker = Asker()
    with population_context() as context:
        requests.answered(context, asker, answered, CAME_NS)
        assert asker.told == told
        assert context.recorder.buffer("join_group") == times
        assert context.recorder.peek().failures == failures


@pytest.mark.parametrize(
    ("audience", "heard"), [(USER_BASE + 4, True), (GROUP, False)], ids=["its own answers", "a group"]
)
def test_the_topic_of_answers_may_need_no_subscription_and_a_group_does(audience: int, heard: bool) -> None:
    asker = Asker()
    with population_context(protocol="mqtt", scenario="upstream") as context:
        requests.answered(context, asker, answer("join", audience, "0x87"), CAME_NS)
        assert asker.told == [("joined", audience, CAME_NS if heard else None)]
        assert bool(context.recorder.peek().failures) is not heard
        assert context.recorder.buffer("join_group") == [], "that was no answer to time"


@pytest.mark.parametrize("epoch", [PRESENT, OTHER])
def test_an_ack_counts_in_the_epoch_of_its_publication(epoch: int) -> None:
    said: list[str] = []
    with population_context(lambda kind, sentence: said.append(sentence)) as context:
        requests.answered(context, Asker(), answer("publish", epoch), CAME_NS)
        requests.answered(context, Asker(), answer("publish", epoch, "Forbidden"), CAME_NS)
        requests.answered(context, Asker(), answer("publish", epoch, late=True), CAME_NS)
        counts = epoch == PRESENT
        assert context.recorder.buffer("publish_ack") == ([CAME_NS - ASKED_NS] if counts else [])
        assert context.recorder.peek().failures == ({("publish_ack", "ack_forbidden"): 1} if counts else {})
    assert [requests.PUBLICATION_ADVICE in sentence for sentence in said] == [True] * counts


@pytest.mark.parametrize(
    ("kind", "second", "why", "failures", "told"),
    [
        ("publish", PRESENT, "timeout", {("publish_ack", "ack_timeout"): 1}, []),
        ("publish", PRESENT, "connection_lost", {("publish_ack", "ack_connection_lost"): 1}, []),
        ("publish", OTHER, "timeout", {}, []),
        ("join", GROUP, "timeout", {("join_group", "join_timeout"): 1}, [("joined", GROUP, None)]),
        ("join", GROUP, "connection_lost", {("join_group", "join_connection_lost"): 1}, []),
    ],
)
def test_an_answer_that_did_not_come(
    kind: str, second: int, why: str, failures: dict[tuple[str, str], int], told: Told
) -> None:
    """A user that has lost its connection joins again: only a join that was not answered in time is over."""
    asker = Asker()
    with population_context() as context:
        requests.unanswered(context, asker, PendingAck(kind, (ASKED_NS, second), None), why)
        assert context.recorder.peek().failures == failures
        assert asker.told == told
