from __future__ import annotations

import gevent
from gevent.event import Event

from wps_load.client.inbox import CAPACITY, Inbox
from wps_load.clock import NS_PER_MS, now_ns
from wps_load.protocol.messages import DataMessage


def message(number: int) -> DataMessage:
    return DataMessage("group", "g", "json", number)


def test_oldest_makes_room_and_is_counted() -> None:
    inbox: Inbox[DataMessage] = Inbox()
    for number in range(CAPACITY + 2):
        inbox.put(message(number))
    assert inbox.dropped == 2
    assert inbox.pop() == message(2)


def test_wait_ends_with_a_message_a_wake_or_the_time() -> None:
    inbox: Inbox[DataMessage] = Inbox()
    assert not inbox.wait(now_ns() + NS_PER_MS)
    gevent.get_hub().loop.run_callback(inbox.wake)
    assert inbox.wait(None)
    gevent.get_hub().loop.run_callback(inbox.put, message(1))
    assert inbox.wait(None)
    assert inbox.wait(None)
    assert inbox.pop() == message(1)
    assert inbox.pop() is None


def test_stopped_callbacks_hear_nothing_more() -> None:
    inbox: Inbox[DataMessage] = Inbox()
    seen, called = [], Event()

    def callback(each: DataMessage) -> None:
        seen.append(each.data)
        called.set()

    inbox.call(callback)
    inbox.put(message(1))
    assert called.wait(5)
    inbox.stop()
    gevent.sleep(0)
    inbox.put(message(2))
    gevent.sleep(0)
    assert seen == [1]
