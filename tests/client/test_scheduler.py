from __future__ import annotations

from collections.abc import Iterator

import gevent
import pytest
from gevent.event import Event
from hypothesis import given, settings
from hypothesis import strategies as st

from wps_load.client import scheduler as module
from wps_load.client.scheduler import Scheduler
from wps_load.clock import NS_PER_MS, NS_PER_S, DeadlineTimer, now_ns

LIMIT_S = 5


@pytest.fixture(params=["timerfd", "loop"])
def scheduler(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[Scheduler]:
    """With a Linux timer, and as on a platform that has none."""
    if request.param == "loop":
        monkeypatch.setattr(DeadlineTimer, "available", staticmethod(lambda: False))
    found = Scheduler()
    yield found
    found.close()


def run(scheduler: Scheduler, last_ns: int) -> None:
    """Until everything up to `last_ns` was called."""
    done = Event()
    scheduler.call_at(last_ns, lambda _: done.set())
    assert done.wait(LIMIT_S)


def test_callbacks_come_in_the_order_of_their_due_times_and_never_early(scheduler: Scheduler) -> None:
    begin, seen, late = now_ns(), [], []

    def call(due_ns: int) -> None:
        seen.append((due_ns - begin) // NS_PER_MS)
        late.append(now_ns() - due_ns)

    for at_ms in (7, 0, 3, 12, 1, 3, -5):
        scheduler.call_at(begin + at_ms * NS_PER_MS, call)
    run(scheduler, begin + 13 * NS_PER_MS)
    assert seen == [-5, 0, 1, 3, 3, 7, 12]
    assert min(late) >= 0
    assert len(scheduler) == 0


def test_first_comes_before_what_is_due_at_the_same_instant(scheduler: Scheduler) -> None:
    at, seen = now_ns() + NS_PER_MS, []
    scheduler.call_at(at, lambda _: seen.append("later"))
    scheduler.call_at(at, lambda _: seen.append("first"), first=True)
    run(scheduler, at + 1)
    assert seen == ["first", "later"]


def test_a_callback_says_when_it_wants_to_be_called_next(scheduler: Scheduler) -> None:
    begin, seen = now_ns(), []

    def again(due_ns: int) -> int | None:
        seen.append(due_ns)
        return due_ns + 700_000 if len(seen) < 20 else None

    scheduler.call_at(begin, again)
    run(scheduler, begin + 20 * 700_000)
    assert seen == [begin + n * 700_000 for n in range(20)]


def test_a_callback_may_add_what_is_due_before_everything_else(scheduler: Scheduler) -> None:
    begin, seen = now_ns(), []

    def adds(due_ns: int) -> None:
        scheduler.call_at(begin - NS_PER_MS, lambda _: seen.append("added"))
        seen.append("adds")

    scheduler.call_at(begin, adds)
    scheduler.call_at(begin, lambda _: seen.append("last"))
    run(scheduler, begin + 1)
    assert seen == ["adds", "added", "last"]


def test_what_is_dropped_is_not_called_also_if_it_drops_itself(scheduler: Scheduler) -> None:
    begin, seen = now_ns(), []

    def gone(_: int) -> None:
        seen.append("gone")

    def drops(due_ns: int) -> int:
        seen.append("drops")
        scheduler.drop(lambda callback: callback in (drops, gone))
        return due_ns + 1

    scheduler.call_at(begin, drops)
    scheduler.call_at(begin + 1, gone)
    scheduler.call_at(begin + 30 * NS_PER_MS, gone)
    run(scheduler, begin + 31 * NS_PER_MS)
    assert seen == ["drops"]


def test_after_close_nothing_is_called(scheduler: Scheduler) -> None:
    begin, seen = now_ns(), []

    def closes(due_ns: int) -> int:
        seen.append("closes")
        scheduler.close()
        return due_ns

    scheduler.call_at(begin, closes)
    scheduler.call_at(begin + 1, lambda _: seen.append("other"))
    gevent.sleep(0.01)
    scheduler.call_at(begin + 2, lambda _: seen.append("late"))
    gevent.sleep(0.01)
    assert seen == ["closes"]


def test_a_failing_callback_is_reported_once_and_the_others_go_on(
    scheduler: Scheduler, caplog: pytest.LogCaptureFixture
) -> None:
    begin, seen = now_ns(), []

    def fails(_: int) -> int:
        raise ZeroDivisionError

    scheduler.call_at(begin, fails)
    scheduler.call_at(begin + 1, lambda _: seen.append("other"))
    run(scheduler, begin + 2)
    assert seen == ["other"]
    assert [record.getMessage() for record in caplog.records] == [
        "a scheduled callback failed; it will not be called again"
    ]


def test_the_hub_gets_its_turn_in_a_long_burst(scheduler: Scheduler, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "SLICE_NS", 0)
    begin = now_ns()
    calls: list[int] = []
    turns: list[int] = []
    for _ in range(50):
        scheduler.call_at(begin, lambda _: calls.append(1))

    def look_on() -> None:
        while len(calls) < 50:
            turns.append(len(calls))
            gevent.sleep(1e-6)

    watcher = gevent.spawn(look_on)
    run(scheduler, begin + 1)
    watcher.kill()
    assert len(calls) == 50
    assert len(set(turns)) > 10


def test_what_is_due_soon_needs_no_timer(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is called all the same, and never early: the loop comes back until it is time."""
    armed: list[int] = []
    arm = DeadlineTimer.arm

    def noted(timer: DeadlineTimer, deadline_ns: int) -> None:
        armed.append(deadline_ns)
        arm(timer, deadline_ns)

    monkeypatch.setattr(DeadlineTimer, "arm", noted)
    monkeypatch.setattr(module, "SOON_NS", NS_PER_S)
    scheduler, called = Scheduler(), []
    try:
        begin = now_ns()
        last = begin + 3 * NS_PER_MS
        for due_ns in (begin, begin + NS_PER_MS):
            scheduler.call_at(due_ns, lambda due_ns: called.append(now_ns() - due_ns))
        run(scheduler, last)
    finally:
        scheduler.close()
    assert armed == [begin]
    assert len(called) == 2
    assert min(called) >= 0


@settings(max_examples=50, deadline=None)
@given(
    st.lists(st.tuples(st.integers(-5_000_000, 5_000_000), st.integers(1, 4_000_000), st.integers(1, 4)), max_size=30)
)
def test_any_calendar_is_kept_in_order(entries: list[tuple[int, int, int]]) -> None:
    """(first due, period, how often) of each callback: all are called at all of their times, in order."""
    scheduler, seen = Scheduler(), []
    begin = now_ns()
    try:
        for number, (offset, period, times) in enumerate(entries):
            left = [times]

            def due(at: int, number: int = number, period: int = period, left: list[int] = left) -> int | None:
                seen.append((at - begin, number))
                left[0] -= 1
                return at + period if left[0] else None

            scheduler.call_at(begin + offset, due)
        run(scheduler, begin + 25_000_000)
    finally:
        scheduler.close()
    wanted = [
        (offset + n * period, number) for number, (offset, period, times) in enumerate(entries) for n in range(times)
    ]
    assert sorted(seen) == sorted(wanted)
    future = [at for at, _ in seen if at > 6_000_000]
    assert future == sorted(future)
