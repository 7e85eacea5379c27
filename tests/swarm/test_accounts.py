"""The counts of a process: what a report says of messages so far, and of those since the last one."""

from __future__ import annotations

from wps_load.measure.causes import Cause
from wps_load.measure.ledger import Running
from wps_load.swarm.accounts import Counting, counts_of

RUNNING = Running(
    published=90, send_failed=10, delivered=80, duplicated=1, reordered=2, missing=3, missing_opened=4,
    send_failed_service=6, send_failed_plan=1,
)  # fmt: skip


def test_what_is_held_back_is_offered_and_not_published_and_has_a_cause() -> None:
    found = counts_of(RUNNING, {Cause.SERVICE: 5, Cause.PLAN: 2})
    assert (found["offered"], found["published"]) == (100, 83)
    assert (found["send_failed_service"], found["send_failed_plan"]) == (11, 3)
    assert counts_of(RUNNING, {})["published"] == 90


def test_each_message_is_reported_once_also_across_an_epoch() -> None:
    so_far = {"offered": 0}
    counting = Counting(lambda: dict(so_far))
    so_far["offered"] = 5
    counting.close()
    so_far["offered"] = 7
    counting.close()
    assert (counting.totals, counting.take()) == ({"offered": 7}, {"offered": 7})
    counting.close()
    assert counting.take() == {"offered": 0}, "nothing has come since"

    so_far["offered"] = 9
    counting.close()
    so_far["offered"] = 0
    counting.start_over()
    so_far["offered"] = 4
    counting.close()
    assert (counting.totals, counting.take()) == ({"offered": 4}, {"offered": 6}), "two of the old one, four of the new"
