from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from wps_load.clock import NS_PER_S
from wps_load.swarm.slots import SlotAllocator
from wps_load.workload.user_streams import incarnations, user_stream


def test_a_burst_of_users_gets_slots_one_over_r_apart() -> None:
    slots = SlotAllocator().claim(4, now_ns=1_000, per_second=100.0)
    assert [slot.user_index for slot in slots] == [0, 1, 2, 3]
    assert [slot.due_ns for slot in slots] == [1_000 + n * NS_PER_S // 100 for n in range(4)]


def test_the_next_burst_goes_on_where_the_last_one_ended() -> None:
    allocator = SlotAllocator()
    first = allocator.claim(100, now_ns=0, per_second=100.0)
    # Locust's next burst comes a little early; the rate holds all the same
    second = allocator.claim(100, now_ns=first[-1].due_ns - 5, per_second=100.0)
    assert second[0].due_ns == first[-1].due_ns + NS_PER_S // 100


def test_no_slot_is_in_the_past() -> None:
    allocator = SlotAllocator()
    allocator.claim(1, now_ns=0, per_second=1.0)
    (late,) = allocator.claim(1, now_ns=90 * NS_PER_S, per_second=1.0)
    assert late.due_ns == 90 * NS_PER_S


def test_a_released_index_comes_back_as_another_incarnation() -> None:
    allocator = SlotAllocator()
    allocator.claim(3, 0, 1.0)
    allocator.release(1)
    (again,) = allocator.claim(1, 0, 1.0)
    assert (again.user_index, again.incarnation) == (1, 1)


@given(st.lists(st.one_of(st.integers(1, 20), st.just(0)), max_size=30), st.randoms())
def test_no_two_connections_share_index_and_incarnation(steps: list[int], random) -> None:  # type: ignore[no-untyped-def]
    allocator, held, seen = SlotAllocator(), [], set()
    for count in steps:
        if count:
            for slot in allocator.claim(count, 0, 10.0):
                assert (slot.user_index, slot.incarnation) not in seen
                seen.add((slot.user_index, slot.incarnation))
                held.append(slot.user_index)
            assert len(set(held)) == len(held)
        elif held:
            allocator.release(held.pop(random.randrange(len(held))))


def test_an_index_that_was_used_as_often_as_streams_can_tell_is_nobodys_any_more() -> None:
    allocator = SlotAllocator()
    allocator.claim(2, 0, 1.0)
    seen = {user_stream(1, 0)}
    for _ in range(incarnations(1) - 1):
        allocator.release(1)
        (slot,) = allocator.claim(1, 0, 1.0)
        assert slot.user_index == 1
        seen.add(user_stream(slot.user_index, slot.incarnation))
    assert len(seen) == incarnations(1)
    allocator.release(1)
    assert allocator.spent == {1}
    (slot,) = allocator.claim(1, 0, 1.0)
    assert (slot.user_index, slot.incarnation) == (2, 0)
