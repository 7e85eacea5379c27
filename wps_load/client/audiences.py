"""Who is the audience of a stream: from its number alone, as every role is a function of its index."""

from __future__ import annotations

from wps_load.measure.task_stamp import TASKS
from wps_load.settings.run_config import RunConfig
from wps_load.workload.population import EVERYBODY, USER_BASE, Role, role

INDEX_BITS = 22
"""A user's stream is (incarnation << INDEX_BITS) | index: below 2^30, where the REST senders' streams begin."""
_INDEX_MASK = (1 << INDEX_BITS) - 1


class Audiences:
    """`users`: how many the topology is laid out for. Roles are worked out once each, when they are asked for."""

    def __init__(self, config: RunConfig, run_id: str, users: int) -> None:
        self._config = config
        self._run_id = run_id
        self._users = max(users, 1)
        self._publishes_to: dict[int, tuple[int | None, bool]] = {}
        self._hears: dict[int, frozenset[int]] = {}

    def entitled(self, index: int, stream: int) -> bool:
        """Whether what is sent on `stream` may reach the user `index`. True where the stream is nobody's we know of."""
        if stream >= TASKS:
            return True  # what a task's client is entitled to, it knows itself
        if stream >= USER_BASE:
            return min(stream, EVERYBODY) in self.heard_by(index)
        publisher = stream & _INDEX_MASK
        audience, no_echo = self._published_by(publisher)
        if no_echo and publisher == index:
            return False
        return audience is None or audience in self.heard_by(index)

    def heard_by(self, index: int) -> frozenset[int]:
        """The audiences that a user belongs to."""
        found = self._hears.get(index)
        if found is None:
            found = self._hears[index] = frozenset(self._role(index).audiences)
        return found

    def _published_by(self, index: int) -> tuple[int | None, bool]:
        """The audience that a user publishes to, and whether it wants no copy of its own."""
        found = self._publishes_to.get(index)
        if found is None:
            publication = self._role(index).publication
            found = (None, False) if publication is None else (publication.audience, publication.no_echo)
            self._publishes_to[index] = found
        return found

    def _role(self, index: int) -> Role:
        return role(self._config.population, self._run_id, index, self._users)
