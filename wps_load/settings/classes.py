"""User classes of a locustfile that have tasks of their own, with the attributes that override options."""

from __future__ import annotations

import re
from dataclasses import dataclass

_STEP = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])|[^A-Za-z0-9]+")


@dataclass(frozen=True, slots=True)
class TaskClass:
    """One User class.

    None means that the option applies. `rest`: its tasks call REST and have no connection; else every connection joins
    `groups`, if they are known before the run.
    """

    name: str
    protocol: str | None = None
    hub: str | None = None
    roles: tuple[str, ...] | None = None
    auth: str | None = None
    groups: tuple[str, ...] = ()
    rest: bool = False

    @property
    def population(self) -> str:
        """The name of its population: `ChatUser` -> `chat-user`; empty if the name has no Latin letter."""
        return re.sub(r"^[^a-z]+", "", "-".join(filter(None, _STEP.split(self.name))).lower())
