from __future__ import annotations

from collections import deque

from hypothesis import given
from hypothesis import strategies as st

from wps_load.client.outstanding import CAPACITY, Outstanding, Sent, data_key

KEYS = st.integers(0, 3).map(lambda number: ("g", number))


@given(st.lists(st.tuples(st.booleans(), KEYS)))
def test_equal_messages_come_back_in_the_order_of_sending(steps: list[tuple[bool, tuple[str, int]]]) -> None:
    outstanding = Outstanding()
    model: dict[tuple[str, int], deque[int]] = {}
    for due_ns, (sends, key) in enumerate(steps):
        waiting = model.setdefault(key, deque())
        if sends:
            outstanding.add(key, Sent(due_ns, due_ns, 1))
            waiting.append(due_ns)
        else:
            found = outstanding.take(key)
            assert (None if found is None else found.due_ns) == (waiting.popleft() if waiting else None)
        assert len(outstanding) == sum(len(waiting) for waiting in model.values())


def test_oldest_is_forgotten_beyond_the_capacity() -> None:
    outstanding = Outstanding()
    for number in range(CAPACITY + 1):
        outstanding.add((None, number), Sent(number, number, 1))
    assert len(outstanding) == CAPACITY
    assert outstanding.take((None, 0)) is None
    assert outstanding.take((None, 1)) == Sent(1, 1, 1)


def test_key_is_the_value_the_type_and_the_group() -> None:
    assert data_key("g", "json", {"a": 1, "b": 2}) == data_key("g", "json", {"b": 2, "a": 1})
    keys = {
        data_key("g", "text", "1"),
        data_key("g", "binary", b"1"),
        data_key("g", "json", 1),
        data_key("h", "text", "1"),
        data_key(None, "text", "1"),
    }
    assert len(keys) == 5
