"""The present epoch: entered once, in order, at its instant or by a message of it; listeners are called, and when."""

from __future__ import annotations

import pytest

from wps_load.client.epochs import Epoch, Epochs
from wps_load.measure.stamp import make_mark

FIRST, SECOND = Epoch(1, 100, 200), Epoch(2, 150, 300)


def test_listeners_are_called_before_the_change_and_after_it_in_order() -> None:
    epochs = Epochs(7)
    epochs.announce(FIRST)
    told: list[tuple[object, ...]] = []
    epochs.on_end.append(lambda following: told.append(("end", following, epochs.number)))
    epochs.on_begin.append(lambda number, start_ns: told.append(("first", number, start_ns, epochs.number)))
    epochs.on_begin.append(lambda number, start_ns: told.append(("second", number, start_ns, epochs.number)))
    epochs.enter(1)
    assert told == [("end", 1, 0), ("first", 1, 100, 1), ("second", 1, 100, 1)]
    assert (epochs.number, epochs.byte, epochs.mark) == (1, 1, make_mark(1, 7))


@pytest.mark.parametrize("again", [0, 1])
def test_an_epoch_that_is_over_or_present_is_not_entered(again: int) -> None:
    epochs = Epochs(7)
    epochs.enter(1)
    epochs.on_end.append(lambda following: pytest.fail("nothing has ended"))
    epochs.enter(again)
    assert epochs.number == 1


@pytest.mark.parametrize(
    ("present", "stamped", "then"),
    [(0, 1, 1), (1, 1, None), (1, 0, None), (255, 0, 256), (256, 255, None), (3, 130, 130), (3, 131, None)],
)
def test_a_message_of_the_next_epochs_is_followed_and_one_of_the_past_is_not(
    present: int, stamped: int, then: int | None
) -> None:
    epochs = Epochs(7)
    epochs.enter(present)
    assert epochs.follow(stamped) is (then is not None)
    assert epochs.number == (present if then is None else then)


def test_an_epoch_ends_where_the_next_one_starts() -> None:
    epochs = Epochs(7)
    epochs.announce(FIRST)
    epochs.announce(SECOND)
    assert [epochs.measured_at(at) for at in (99, 100, 149, 150, 299, 300)] == [None, 1, 1, 2, 2, None]
    assert [each.number for each in epochs.ending_after(149)] == [1, 2]
    assert [each.number for each in epochs.ending_after(150)] == [2]


def test_warm_up_is_not_measured() -> None:
    epochs = Epochs(7)
    assert not epochs.announced
    epochs.announce(Epoch(0, 0, 100))
    assert epochs.announced
    assert epochs.measured_at(50) is None


def test_an_end_may_be_moved_either_way_and_is_cut_off_only_once() -> None:
    epochs = Epochs(7)
    assert not epochs.move_end(400), "there is none"
    epochs.announce(FIRST)
    assert not epochs.move_end(250), "it is not the present one yet"
    epochs.enter(1)
    assert epochs.move_end(260)
    assert epochs.measured_at(259) == 1
    epochs.end_at(150)
    epochs.end_at(240)
    assert epochs.measured_at(149) == 1
    assert epochs.measured_at(150) is None
