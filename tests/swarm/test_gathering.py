"""When the users of a step are there: all of them connected, or no more of them come, or there is no more time."""

from __future__ import annotations

import pytest

from tests.swarm.runs import NUMBER, FakeCrowd, conducted, configured, planned
from wps_load.clock import NS_PER_S
from wps_load.swarm.conductor import Conductor
from wps_load.swarm.gathering import Gathering
from wps_load.swarm.messages import Claim, ClockReply, Hello, Status
from wps_load.swarm.run_plan import Expected

PATIENCE_NS = 2 * NS_PER_S
RAMP_NS = NS_PER_S
"""Ten more users at ten a second."""
SETTLE_NS = 10 * NS_PER_S


def there(crowd: FakeCrowd, users: int = 10) -> Conductor:
    """This many users have a slot."""
    conductor = conducted(planned(configured(settle="10s")), crowd)
    for message in (Hello("here"), ClockReply(0, 0), Claim(users)):
        conductor.received("a", NUMBER, message, 0)
    return conductor


def connect(conductor: Conductor, settled: int, is_open: int) -> None:
    conductor.received("a", NUMBER, Status(settled, is_open, 0, 0), 0)


def test_it_is_over_as_soon_as_everybody_is_connected() -> None:
    crowd = FakeCrowd(10)
    conductor = there(crowd)
    step = Gathering(conductor, crowd, 20, PATIENCE_NS, 0)
    connect(conductor, 10, 10)
    assert step.over(1) is None, "Locust has ten"
    crowd.users = 20
    assert step.over(1) is None, "ten have no slot"
    conductor.received("a", NUMBER, Claim(10), 1)
    connect(conductor, 19, 19)
    assert step.over(1) is None, "one has neither connected nor failed"
    connect(conductor, 20, 19)
    assert step.over(1) is None, "one was refused, and may come yet"
    connect(conductor, 20, 20)
    assert step.over(1) == Expected(20, 20, 20)


def test_those_that_are_refused_are_waited_for_while_more_of_them_come() -> None:
    crowd = FakeCrowd(20)
    conductor = there(crowd, 20)
    step = Gathering(conductor, crowd, 20, PATIENCE_NS, 0)
    connect(conductor, 20, 5)
    assert step.over(0) is None
    assert step.over(PATIENCE_NS) is None
    connect(conductor, 20, 6)
    assert step.over(PATIENCE_NS) is None, "one more came"
    connect(conductor, 20, 4)
    assert step.over(2 * PATIENCE_NS) is None, "that some go again is no news of others"
    assert step.over(2 * PATIENCE_NS + 1) == Expected(20, 20, 20)


def test_patience_begins_when_the_last_of_them_can_have_connected() -> None:
    crowd = FakeCrowd(20)
    conductor = there(crowd)
    step = Gathering(conductor, crowd, 20, PATIENCE_NS, 0)
    conductor.received("a", NUMBER, Claim(10), 0)
    connect(conductor, 20, 10)
    assert step.over(0) is None
    assert step.over(RAMP_NS + PATIENCE_NS) is None
    assert step.over(RAMP_NS + PATIENCE_NS + 1) == Expected(20, 20, 20)


@pytest.mark.parametrize(
    ("users", "ours", "shares"),
    [(15, 12, Expected(16, 16, 20)), (30, 10, Expected(7, 7, 20)), (0, 0, Expected(20, 20, 20))],
    ids=["fewer than asked for", "of another class as well", "none yet"],
)
def test_when_the_time_is_up_the_shares_are_those_of_whom_locust_has(users: int, ours: int, shares: Expected) -> None:
    crowd = FakeCrowd(users, ours=ours)
    step = Gathering(there(crowd), crowd, 20, PATIENCE_NS, 0)
    assert step.over(RAMP_NS + SETTLE_NS - 1) is None
    assert step.over(RAMP_NS + SETTLE_NS) == shares


def test_fewer_users_take_as_long_to_leave_as_more_to_come() -> None:
    crowd = FakeCrowd(30)
    step = Gathering(there(crowd, 30), crowd, 20, PATIENCE_NS, 0)
    assert step.over(RAMP_NS + SETTLE_NS - 1) is None
    assert step.over(RAMP_NS + SETTLE_NS) is not None


def test_nobody_is_waited_for_when_the_run_ends() -> None:
    crowd = FakeCrowd(10)
    conductor = there(crowd)
    step = Gathering(conductor, crowd, 20, PATIENCE_NS, 0)
    conductor.drain(1)
    assert step.over(1) == Expected(20, 20, 20)
