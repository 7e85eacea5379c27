from __future__ import annotations

from itertools import pairwise

from wps_load.clock import NS_PER_S
from wps_load.swarm.attendance import LONGEST_S, Attendance

LEAD_NS = 5


def test_arrivals_and_departures_are_announced_and_nothing_else() -> None:
    attendance = Attendance(4)
    assert attendance.news(range(4), 1, 0, LEAD_NS) is None
    told = attendance.news([0, 1, 2, 3, 4, 7], 2, 10, LEAD_NS)
    assert told is not None
    assert (told.at_ns, [*told.indices]) == (15, [0, 5, 7, 8])
    assert attendance.news([0, 1, 2, 3, 4, 7], 2, 100 * NS_PER_S, LEAD_NS) is None
    assert attendance.news([0, 1, 2, 3, 4, 7], 3, 100 * NS_PER_S, LEAD_NS) is None
    gone = attendance.news([], 4, 200 * NS_PER_S, LEAD_NS)
    assert gone is not None
    assert [*gone.indices] == []


def test_before_anybody_has_come_nothing_is_announced() -> None:
    assert Attendance(4).news([], 0, 0, LEAD_NS) is None


def test_a_ramp_is_told_at_most_once_a_second_and_less_often_as_it_goes_on() -> None:
    attendance, told = Attendance(1), []
    for tick in range(600):
        users = 1 + min(tick, 590)
        if attendance.news(range(users), users, tick * NS_PER_S // 10, LEAD_NS) is not None:
            told.append(tick / 10)
    gaps = [later - one for one, later in pairwise(told)]
    assert [round(gap, 3) for gap in gaps[:3]] == [1, 2, 3]
    assert max(gaps) < LONGEST_S + 0.01
    for tick in range(600, 700):
        attendance.news(range(591), 591, tick * NS_PER_S // 10, LEAD_NS)
    assert attendance.news(range(700), 700, 80 * NS_PER_S, LEAD_NS) is not None, "what came last is told as well"
