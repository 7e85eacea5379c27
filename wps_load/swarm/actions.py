"""A conductor's decisions as values, which its coordinator carries out in this order."""

from __future__ import annotations

from typing import NamedTuple

from wps_load.swarm.messages import ToAgent


class Send(NamedTuple):
    """A message to an agent; `agent` None: to all."""

    message: ToAgent
    agent: str | None = None


class AskClock(NamedTuple):
    """A request for an agent's clock, which carries the time at which it is really sent."""

    agent: str


class Say(NamedTuple):
    """A sentence for people."""

    sentence: str


Action = Send | AskClock | Say
Actions = list[Action]
