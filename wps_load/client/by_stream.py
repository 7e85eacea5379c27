"""Values that depend on who has published a message, in a population that hears several: looked up once per stream."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TypeVar

from wps_load.settings.run_config import Population
from wps_load.workload.payload import PayloadPlan

T = TypeVar("T")


class ByStream(dict[int, T]):
    """Stream -> the value of its sender's population.

    `sender_of(stream)`: the population's number. `otherwise`: for streams that nobody here is known to hear.
    """

    def __init__(self, sender_of: Callable[[int], int], of_senders: Mapping[int, T], otherwise: T) -> None:
        super().__init__()
        self._sender_of = sender_of
        self._of_senders = of_senders
        self._otherwise = otherwise

    def __missing__(self, stream: int) -> T:
        found = self[stream] = self._of_senders.get(self._sender_of(stream), self._otherwise)
        return found


class Heard:
    """What the members of a population receive.

    `endings`: what its texts end with, as they are on the wire. `usual_length`: of all messages' data; -1 if they
    differ.
    """

    __slots__ = ("_only", "_plans", "endings", "usual_length")

    def __init__(self, plans: ByStream[PayloadPlan], only: PayloadPlan | None, endings: tuple[bytes, ...]) -> None:
        self._plans = plans
        self._only = only
        self.usual_length = -1 if only is None else only.usual_length
        self.endings = endings

    @classmethod
    def of(cls, senders: Mapping[int, Population], sender_of: Callable[[int], int], *, escapes: bool) -> Heard:
        """`senders`: the populations that are heard, by their numbers.

        `escapes`: the receivers' protocol has texts in a JSON document.
        """
        plans = {number: each.published_plan() for number, each in senders.items()}
        endings: dict[bytes, None] = {}
        for number, each in senders.items():
            if each.data_type == "text":
                alike = each.traits.escapes("text") == escapes
                plan = plans[number] if alike else each.payload_plan(envelope=escapes)
                endings |= dict.fromkeys(plan.endings())
        first, *others = plans.values()
        return cls(ByStream(sender_of, plans, first), None if others else first, tuple(endings))

    def intact(self, stream: int, seq: int, data: object) -> bool:
        """Whether data that came as message `seq` of `stream` are what was sent, apart from the stamp."""
        return (self._only or self._plans[stream]).intact(stream, seq, data)
