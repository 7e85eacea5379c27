"""Phases by numbers of users: which stretches of seconds are one, and what the report says of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.report.report_runs import facts
from wps_load.report import phases
from wps_load.report.interval import Interval
from wps_load.report.portion import Portion
from wps_load.report.summary import build_summary
from wps_load.report.user_phases import HOLD_S, MOST, UserPhases

Second = tuple[int, int | None]
"""Asked for at its end, and held all through it."""


def steady(count: int, seconds: int) -> list[Second]:
    return [(count, count)] * seconds


def climb(first: int, last: int, seconds: int) -> list[Second]:
    return [(first + (last - first) * (at + 1) // seconds, None) for at in range(seconds)]


def followed(seconds: list[Second], before: int | None = None, *, populations: Sequence[str] = ()) -> UserPhases:
    """`before`: the number that was requested when the first second began. Each of several `populations` has a message
    a second, and the last one the rest."""
    found = UserPhases()
    if before is None:
        before = seconds[0][0] if seconds[0][1] is not None else 1
    for at, (asked, held) in enumerate(seconds):
        counts = {"offered": asked, "published": asked, "delivered": asked, "missing": 0}
        second = Interval(float(at), at + 1.0, {"measure": 1.0}, asked, 1.0, counts)
        for name in populations:
            own = asked - len(populations) + 1 if name == populations[-1] else 1
            second.portions[name] = Portion(own, {key: own if value else 0 for key, value in counts.items()})
        found.add(second, before, asked, held)
        before = asked
    return found


@pytest.mark.parametrize(
    ("seconds", "names"),
    [
        (steady(20, 30), []),
        (steady(100, 2), []),
        ([(20, 20), (40, None), (40, 40)], ["20 to 40 users"]),
        ([*steady(20, 10), (40, None), *steady(40, 10)], ["20 users", "20 to 40 users", "40 users"]),
        (steady(20, 10) + steady(40, 10), ["20 users", "40 users"]),
        (climb(1, 100, 60), ["1 to 100 users"]),
        (climb(1, 100, 60) + steady(100, 5), ["1 to 100 users", "100 users"]),
        (steady(1, 5) + climb(1, 3, 4) + steady(3, 1), ["1 user", "1 to 3 users"]),
        (steady(20, 5) + steady(30, 2) + steady(20, 2) + steady(40, 5), ["20 users", "around 20 users", "40 users"]),
        ([second for count in range(50) for second in steady(count, 2)], ["0 to 49 users"]),
    ],
)
def test_numbers_that_were_held_and_the_ramps_between(seconds: list[Second], names: list[str]) -> None:
    assert [each.name for each in followed(seconds).found()] == names


@given(st.integers(0, 9), st.integers(1, 9))
def test_one_number_was_requested_however_late_its_users_come(late: int, seconds: int) -> None:
    assert not followed([(100, None)] * late + steady(100, seconds), before=100).found()


@given(st.lists(st.tuples(st.integers(1, 5), st.integers(1, 12), st.booleans()), min_size=1, max_size=40))
def test_nothing_is_left_out_or_told_twice(stretches: list[tuple[int, int, bool]]) -> None:
    seconds = [(count, count if held else None) for count, length, held in stretches for _ in range(length)]
    phased = followed(seconds, before=seconds[0][0])
    found = phased.found()
    assert [each.name for each in found] == [each.name for each in phased.found()], "asking changes nothing"
    if not found:
        assert len({count for count, _, _ in stretches}) == 1
        return
    assert (found[0].interval.from_s, found[-1].interval.to_s) == (0, len(seconds))
    for one, other in pairwise(found):
        assert one.interval.to_s == other.interval.from_s
        assert one.users != other.users
    assert sum(each.interval.counts["offered"] for each in found) == sum(asked for asked, _ in seconds)
    for each in found:
        if each.users is not None:
            assert each.length_s >= HOLD_S
            assert each.connected_s == each.users * each.length_s


def test_a_day_of_changes_keeps_a_bounded_number() -> None:
    seconds = [second for turn in range(2000) for second in steady(10 + turn % 7, 3 + turn % 11)]
    seconds += steady(500, 600)
    found = followed(seconds).found()
    assert found[-1].name == "500 users"
    assert 2 <= len(found) <= MOST
    assert sum(each.length_s for each in found) == len(seconds)


def test_the_report_says_what_each_number_of_users_was_offered() -> None:
    summary = build_summary(
        replace(facts(), user_phases=followed([*steady(20, 10), (40, None), *steady(40, 10)]).found())
    )
    rows = phases.user_phases(summary)
    assert [(row["users"], row["connections"], row["offered_per_s"]) for row in rows] == [
        (20, 20, 20), (None, 40, 40), (40, 40, 40),
    ]  # fmt: skip
    assert phases.users_sentence(summary) == (
        "The number of users changed: 20 users for 10 s, 20 messages/s offered, 20 delivered; "
        "40 users for 10 s, 40 messages/s offered, 40 delivered; 1 ramp in between."
    )
    assert [row["name"] for row in summary["phases"]][-1] == "drain"
    assert len(phases.users_table(summary).rows) == 3
    still = build_summary(facts())
    assert (phases.users_sentence(still), phases.user_phases(still)) == ("", [])


def test_the_report_says_what_each_population_had_with_each_number_of_users() -> None:
    found = followed([*steady(20, 10), (40, None), *steady(40, 10)], populations=("app", "viewers")).found()
    summary = build_summary(replace(facts(), user_phases=found))
    rows = phases.user_phases(summary)
    assert [[part["offered_per_s"] for part in row["populations"]] for row in rows] == [[1, 19], [1, 39], [1, 39]]
    for row in rows:
        for key in ("connections", "offered_per_s", "delivered_per_s"):
            assert sum(part[key] or 0 for part in row["populations"]) == row[key]
    assert "20 users for 10 s, 20 messages/s offered, 20 delivered (app 1 and 1, viewers 19 and 19)" in (
        phases.users_sentence(summary)
    )
    table = phases.users_table(summary).rows
    assert [row[0].text for row in table][:3] == ["20 users", "… app", "… viewers"]
    assert len({len(row) for row in table}) == 1
