"""What a conductor wants done, as values: its coordinator carries it out, in this order."""

from __future__ import annotations

from typing import NamedTuple

from wps_load.swarm.messages import ToAgent


class Send(NamedTuple):
    """`agent` None: to all."""

    message: ToAgent
    agent: str | None = None


class AskClock(NamedTuple):
    """To be sent as a `Ping`, with the time at which it really goes."""

    agent: str


class Say(NamedTuple):
    """A sentence for people."""

    sentence: str


Action = Send | AskClock | Say
Actions = list[Action]
