"""Requests without an answer: each is reported once, and a later answer is late."""

from __future__ import annotations

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from tests.protocol.session_messages import session_of
from wps_load.protocol.messages import Ack
from wps_load.protocol.session import AckResult, Session


def asked(*at_ns: int, lasting: bool = False) -> Session:
    """A session with a request at each of these instants; their contexts are the instants."""
    session = session_of("json")
    for at in at_ns:
        session.expect_ack(session.next_ack_id(), "publish", at, None, at, lasting)
    return session


def test_what_was_sent_before_the_limit_is_overdue_once_oldest_first() -> None:
    session = asked(10, 20, 30)
    assert [pending.context for pending in session.overdue(21)] == [10, 20]
    assert session.overdue(21) == []
    assert session.unanswered == 1
    assert [pending.context for pending in session.overdue(None)] == [30], "the end of a run"


def test_a_late_ack_is_counted_as_late_and_not_as_unknown() -> None:
    session = asked(10, 20)
    session.overdue(15)
    assert session.resolve(Ack(1, True)) is None
    assert (session.late_acks, session.unknown_acks) == (1, 0)
    assert session.resolve(Ack(1, True)) is None, "and again: nobody waits for it"
    assert (session.late_acks, session.unknown_acks) == (1, 1)
    assert session.resolve(Ack(2, True)) == AckResult("publish", 20, True, False, None)


def test_a_lasting_request_is_resolved_however_late() -> None:
    session = asked(10, lasting=True)
    assert len(session.overdue(11)) == 1
    assert session.unanswered == 0
    assert session.resolve(Ack(1, True)) == AckResult("publish", 10, True, False, None, late=True)
    assert session.late_acks == 1
    assert session.resolve(Ack(1, True)) is None


def test_what_ends_with_its_connection_is_reported_unless_it_was_overdue() -> None:
    session = asked(10, 20, lasting=True)
    session.overdue(15)
    assert [pending.context for pending in session.abandon_all()] == [20]
    assert session.unanswered == 0


def test_an_ack_without_a_number_is_unknown() -> None:
    session = asked(10)
    assert session.resolve(Ack(None, True)) is None
    assert session.unknown_acks == 1
    assert session.unanswered == 1


steps = st.lists(st.tuples(st.sampled_from(["ask", "ask lasting", "answer", "expire"]), st.integers(0, 9)), max_size=60)


@given(steps)
def test_every_request_is_answered_or_told_overdue_exactly_once(course: list[tuple[str, int]]) -> None:
    """A model of ten requests at most in flight: answers come in any order, early, late, twice or never."""
    session = session_of("json")
    outcomes: Counter[object] = Counter()
    sent = late = 0
    overdue: set[object] = set()
    acked: set[int] = set()
    for now, (step, which) in enumerate(course):
        if step.startswith("ask"):
            ack_id = session.next_ack_id()
            session.expect_ack(ack_id, "publish", ack_id, None, now, step.endswith("lasting"))
            sent += 1
        elif step == "answer" and sent:
            ack_id = max(1, sent - which)
            found = session.resolve(Ack(ack_id, True))
            late += ack_id in overdue and ack_id not in acked
            if found is not None:
                assert found.late == (ack_id in overdue)
                outcomes[ack_id] += not found.late
            acked.add(ack_id)
        elif step == "expire":
            for pending in session.overdue(now - which):
                outcomes[pending.context] += 1
                overdue.add(pending.context)
    assert session.unanswered == sum(ack_id not in outcomes for ack_id in range(1, sent + 1))
    for pending in session.abandon_all():
        outcomes[pending.context] += 1
    assert outcomes == Counter(range(1, sent + 1))
    assert session.late_acks >= late, "an ack that comes twice may be taken for the late one of another request"
