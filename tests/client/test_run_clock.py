"""The run's time in a process: a guess until it is known, then a line that others follow without a jump back."""

from __future__ import annotations

import pytest

from wps_load.client import run_clock
from wps_load.client.run_clock import RunClock

PPB_PER_PPM = 1_000


class At:
    """The process's own clock."""

    now_ns = 1_000_000_000_000

    def __call__(self) -> int:
        return self.now_ns


@pytest.fixture
def at(monkeypatch: pytest.MonkeyPatch) -> At:
    made = At()
    monkeypatch.setattr(run_clock, "now_ns", made)
    return made


def test_until_it_is_known_the_runs_time_is_the_processs_own(at: At) -> None:
    clock = RunClock()
    assert (clock.now_ns(), clock.to_local(5)) == (at.now_ns, 5)


def test_the_first_line_holds_for_what_was_before_it_too(at: At) -> None:
    clock = RunClock()
    clock.follow([at.now_ns, 500, 0], first=True)
    assert clock.now_ns() == at.now_ns + 500
    assert clock.to_local(1_500) == 1_000


def test_a_better_line_changes_nothing_of_what_was(at: At) -> None:
    clock = RunClock()
    clock.follow([at.now_ns, 500, 0], first=True)
    before = clock.to_local(at.now_ns)
    at.now_ns += 1_000
    clock.follow([at.now_ns, 900, 0], first=False)
    assert clock.now_ns() == at.now_ns + 900
    assert clock.to_local(at.now_ns - 1_000 + 500) == before + 500


def test_an_offset_that_grows_is_read_anew_where_somebody_asks_for_it(at: At) -> None:
    clock = RunClock()
    clock.follow([at.now_ns, 0, 100 * PPB_PER_PPM], first=True)
    at.now_ns += 1_000_000_000
    assert clock.offset_ns == 0
    clock.refresh()
    assert clock.offset_ns == 100_000
    assert clock.to_local(clock.now_ns()) == at.now_ns
