from __future__ import annotations

import pytest

from wps_load.capacity.knee import Point, knee


def mm1(load: float, capacity: float) -> Point:
    """An M/M/1 queue's mean response time: 1 / (capacity - load)."""
    return Point(load, load, 1_000 / (capacity - load))


def test_the_knee_of_a_queue_is_half_of_its_capacity() -> None:
    points = [mm1(load, 1_000) for load in range(50, 1_000, 50)]
    found = knee(points)
    assert found is not None
    assert found.load == pytest.approx(500)


def test_no_knee_where_latency_has_not_risen() -> None:
    assert knee([Point(load, load, 2.0) for load in (100, 200, 400)]) is None


def test_two_points_have_no_knee() -> None:
    assert knee([Point(1, 1, 1.0), Point(2, 1, 5.0)]) is None
