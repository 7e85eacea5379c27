"""Attempts that the end of a run finds under way."""

from __future__ import annotations

import pytest

from wps_load.client import attempts
from wps_load.client.attempts import Attempts
from wps_load.clock import NS_PER_S
from wps_load.measure.recorder import Recorder


@pytest.fixture
def now(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    clock = [0]
    monkeypatch.setattr(attempts, "now_ns", lambda: clock[0])
    return clock


def test_what_the_end_finds_under_way_has_failed_and_has_waited(now: list[int]) -> None:
    recorder = Recorder()
    under_way = Attempts(recorder)
    for who, due_s in enumerate((0, 1, 2, 9)):
        under_way.begin(who, due_s * NS_PER_S)
    under_way.end(1)
    under_way.end(1)
    now[0] = 8 * NS_PER_S
    assert under_way.abandon(5 * NS_PER_S) == 2
    snapshot = recorder.peek()
    assert snapshot.failures == {("connect", "connect_unfinished"): 2}
    waited = snapshot.histograms["connect_waited"]
    assert (waited.count, waited.min, waited.max) == (2, 6 * NS_PER_S, 8 * NS_PER_S)
    assert len(under_way) == 1, "one that began after the end is none of the run's"
    assert under_way.abandon(5 * NS_PER_S) == 0


def test_one_that_has_just_begun_is_waited_for(now: list[int]) -> None:
    under_way = Attempts(Recorder())
    under_way.begin("old", 0)
    now[0] = 5 * NS_PER_S
    assert not under_way.hopeful(now[0])
    under_way.begin("young", now[0] - 1)
    assert under_way.hopeful(now[0])
    now[0] += NS_PER_S
    assert not under_way.hopeful(now[0])
    under_way.begin("later", now[0])
    assert not under_way.hopeful(now[0]), "due when the run was over"


def test_a_time_limit_of_ours_is_a_wait_too(now: list[int]) -> None:
    recorder = Recorder()
    under_way = Attempts(recorder)
    under_way.begin("a", 0)
    now[0] = 15 * NS_PER_S
    under_way.gave_up("a")
    under_way.end("a")
    snapshot = recorder.peek()
    assert snapshot.histograms["connect_waited"].max == 15 * NS_PER_S
    assert not snapshot.failures, "whoever gave up says why"
