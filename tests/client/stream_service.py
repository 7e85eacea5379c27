"""A Web PubSub that plays streams, and does to fragments what a test says: the truth of the test is what it did."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import gevent

from tests.client.connection_peer import Peer
from tests.client.json_service import JsonService, ack, say

Fault = Callable[["Fragment"], bool]
"""What is done to the way of a fragment to one subscriber; True: it has been dealt with."""


@dataclass
class Group:
    members: list[Peer] = field(default_factory=list)


@dataclass
class Fragment:
    """One delivery. `number` of its stream, to the group's subscriber number `to`; `deliver` makes it."""

    service: StreamService
    number: int
    to: int
    peer: Peer
    fields: dict[str, Any]

    def deliver(self) -> None:
        self.service.delivered += 1
        say(self.peer, **self.fields)


class StreamService:
    """`fault` has its way with each delivery. `answers(peer, message, expected)`: True if it has answered a message of
    a stream itself."""

    def __init__(
        self, fault: Fault = lambda _: False, answers: Callable[[Peer, dict[str, Any], int], bool] = lambda *_: False
    ) -> None:
        self.fault = fault
        self.answers = answers
        self.delivered = 0
        self.ends = True
        """Subscribers hear of ends."""
        self._groups: dict[str, Group] = {}
        self._streams: dict[tuple[int, str], tuple[str, int]] = {}
        self.open_at_once = 0
        """The most streams that one publisher had open."""
        self.json = JsonService(self._on_message)

    def _on_message(self, peer: Peer, message: dict[str, Any]) -> None:
        ack(peer, message)
        kind = message["type"]
        if kind == "joinGroup":
            self._groups.setdefault(message["group"], Group()).members.append(peer)
            return
        if kind not in ("sendToGroup", "streamData", "streamEnd"):
            return
        stream_id = message["stream"]["streamId"] if kind == "sendToGroup" else message["streamId"]
        key = id(peer), stream_id
        group, expected = self._streams.get(key, (message.get("group", ""), 1))
        if self.answers(peer, message, expected):
            return
        if kind == "sendToGroup":
            self._streams[key] = group, 1
            self.open_at_once = max(self.open_at_once, sum(each[0] == key[0] for each in self._streams))
        elif kind == "streamEnd":
            self._streams.pop(key, None)
            if self.ends:
                self._tell(peer, group, stream_id, expected, endOfStream=True)
            say(peer, type="streamClosed", streamId=stream_id)
            return
        elif message["streamSequenceId"] > expected:
            self.nack(peer, stream_id, expected, "InvalidSequenceId")
            return
        elif message["streamSequenceId"] == expected:
            content = {name: message[name] for name in ("dataType", "data")}
            self._tell(peer, group, stream_id, expected, **content)
            expected += 1
            self._streams[key] = group, expected
        say(peer, type="streamAck", streamId=stream_id, expectedSequenceId=expected)

    def nack(self, peer: Peer, stream_id: str, expected: int, name: str = "TransientError") -> None:
        say(peer, type="streamNack", streamId=stream_id, expectedSequenceId=expected, name=name, message="")

    def acknowledge(self, peer: Peer, stream_id: str, expected: int) -> None:
        say(peer, type="streamAck", streamId=stream_id, expectedSequenceId=expected)

    def strange(self, stream_id: str) -> None:
        """A fragment of another run comes to every member."""
        for group, found in self._groups.items():
            for peer in found.members:
                stream = {"streamId": stream_id, "streamSequenceId": 1}
                say(peer, type="message", **{"from": "group"}, group=group, dataType="text", data="x", stream=stream)

    def close(self, peer: Peer, stream_id: str, expected: int, name: str) -> None:
        """Closes a stream with an error, and tells its subscribers."""
        group, _ = self._streams.pop((id(peer), stream_id), ("", 1))
        if self.ends:
            self._tell(peer, group, stream_id, expected, endOfStream=True, error={"name": name, "message": ""})
        say(peer, type="streamClosed", streamId=stream_id, error={"name": name, "message": ""})

    def _tell(self, publisher: Peer, group: str, stream_id: str, number: int, **content: Any) -> None:
        stream = {"streamId": stream_id, "streamSequenceId": number}
        stream |= {name: content.pop(name) for name in ("endOfStream", "error") if name in content}
        members = self._groups.get(group, Group()).members
        for to, peer in enumerate([peer for peer in members if peer is not publisher]):
            fields = {"type": "message", "from": "group", "group": group, **content, "stream": stream}
            fragment = Fragment(self, number, to, peer, fields)
            if "data" not in content:
                say(peer, **fields)
            elif not self.fault(fragment):
                fragment.deliver()

    def __enter__(self) -> StreamService:
        self.json.__enter__()
        return self

    def __exit__(self, *_: object) -> None:
        self.json.__exit__()

    @property
    def connection_string(self) -> str:
        return self.json.connection_string


class Dropping:
    """Drops some deliveries. `which` of each stream: (number, subscriber)."""

    def __init__(self, which: set[tuple[int, int]]) -> None:
        self.which, self.count = which, 0

    def __call__(self, fragment: Fragment) -> bool:
        dropped = (fragment.number, fragment.to) in self.which
        self.count += dropped
        return dropped


class Doubling(Dropping):
    """Makes some deliveries twice."""

    def __call__(self, fragment: Fragment) -> bool:
        if super().__call__(fragment):
            fragment.deliver()
        return False


class Swapping(Dropping):
    """Has some deliveries overtaken by the next of their streams."""

    def __init__(self, which: set[tuple[int, int]]) -> None:
        super().__init__(which)
        self._held: dict[tuple[int, str], Fragment] = {}

    def __call__(self, fragment: Fragment) -> bool:
        way = fragment.to, fragment.fields["stream"]["streamId"]
        if super().__call__(fragment):
            self._held[way] = fragment
            return True
        held = self._held.pop(way, None)
        fragment.deliver()
        if held is not None:
            held.deliver()
        return True


class Delaying(Dropping):
    """Delays some deliveries by this many seconds."""

    def __init__(self, which: set[tuple[int, int]], delay_s: float) -> None:
        super().__init__(which)
        self._delay_s = delay_s

    def __call__(self, fragment: Fragment) -> bool:
        if super().__call__(fragment):
            gevent.spawn_later(self._delay_s, fragment.deliver)
            return True
        return False
