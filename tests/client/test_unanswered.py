"""Requests without an answer: told once after a time limit, at the connection's end, and at the end of the run."""

from __future__ import annotations

from dataclasses import dataclass, field

from wps_load.client import oddities
from wps_load.client.answers import SLICE, Answers
from wps_load.client.back_offs import BackOffs
from wps_load.clock import NS_PER_S
from wps_load.measure.recorder import Recorder
from wps_load.protocol.codecs import CODECS
from wps_load.protocol.frames import Opcode
from wps_load.protocol.messages import Ack
from wps_load.protocol.pending import PendingAck
from wps_load.protocol.session import Session

LIMIT_NS = 8 * NS_PER_S
PERIOD_NS = NS_PER_S // 2
CONNECTED = b'{"type":"system","event":"connected","connectionId":"c"}'


@dataclass(eq=False)
class Asker:
    """With a session that is connected."""

    session: Session = field(default_factory=lambda: Session(CODECS["json"]))
    told: list[tuple[int, str]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.session.receive(Opcode.TEXT, CONNECTED)

    def ask(self, number: int, at_ns: int) -> None:
        self.session.expect_ack(number, "publish", number, b"", at_ns)

    def unanswered(self, pending: PendingAck, why: str) -> None:
        assert isinstance(pending.context, int)
        self.told.append((pending.context, why))


def waiting(*askers: Asker) -> Answers:
    found = Answers(LIMIT_NS)
    found.askers.update(askers)
    return found


def test_what_waits_too_long_has_failed_once_and_its_asker_is_looked_at_no_more() -> None:
    asker = Asker()
    asker.ask(1, 0)
    asker.ask(2, 3 * NS_PER_S)
    answers = waiting(asker)
    answers.beat(LIMIT_NS)
    assert (asker.told, answers.awaited) == ([], True)
    answers.beat(LIMIT_NS + PERIOD_NS)
    assert asker.told == [(1, "timeout")]
    answers.beat(2 * LIMIT_NS)
    assert asker.told == [(1, "timeout"), (2, "timeout")]
    assert (answers.askers, answers.awaited) == (set(), False)


def test_it_looks_a_few_times_in_a_limit_however_often_it_is_called() -> None:
    asker = Asker()
    asker.ask(1, -LIMIT_NS)
    answers = waiting(asker)
    answers.beat(1)
    asker.told.clear()
    asker.ask(2, -LIMIT_NS)
    answers.askers.add(asker)
    answers.beat(PERIOD_NS)
    assert asker.told == []
    answers.beat(1 + PERIOD_NS)
    assert asker.told == [(2, "timeout")]


def test_a_crowd_is_looked_at_whole() -> None:
    crowd = [Asker() for _ in range(2 * SLICE + 1)]
    for asker in crowd:
        asker.ask(1, 0)
    waiting(*crowd).beat(2 * LIMIT_NS)
    assert all(asker.told == [(1, "timeout")] for asker in crowd)


def test_what_is_pending_at_a_connections_end_has_failed_unless_that_was_planned() -> None:
    dropped, closed = Asker(), Asker()
    answers = waiting(dropped, closed)
    for asker in (dropped, closed):
        asker.ask(1, 0)
    answers.lost(dropped, counted=True)
    answers.lost(closed, counted=False)
    assert (dropped.told, closed.told, answers.askers) == ([(1, "connection_lost")], [], set())


def test_at_the_end_of_the_run_whatever_is_pending_has_failed() -> None:
    asker = Asker()
    asker.ask(1, NS_PER_S)
    answers = waiting(asker)
    answers.end()
    assert (asker.told, answers.awaited) == ([(1, "timeout")], False)


def test_what_a_session_has_met_is_counted_as_differences() -> None:
    session, recorder = Session(CODECS["json"]), Recorder()
    session.receive(Opcode.TEXT, CONNECTED)
    told = oddities.met(session)
    for _ in range(2):
        session.resolve(Ack(99, True))
    told = oddities.count(recorder, session, told)
    session.resolve(Ack(98, True))
    told = oddities.count(recorder, session, told)
    assert oddities.count(recorder, session, told) == told
    assert recorder.take().counters == {"acks_unknown": 3}


def test_who_waits_after_an_end_of_waiting_waits() -> None:
    back_offs = BackOffs()
    back_offs.end()
    assert back_offs.wait(0.001) is False
