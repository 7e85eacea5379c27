"""The audience of a stream, from its number alone, because every role is a function of its index."""

from __future__ import annotations

from collections.abc import Iterable

from wps_load.measure import task_stamp
from wps_load.measure.task_stamp import TASKS
from wps_load.settings.run_config import RunConfig
from wps_load.workload.mixture import Mixture
from wps_load.workload.population import INDEX_MASK, USER_BASE, Hosts, Role, population_of_stream, role
from wps_load.workload.standing import standings
from wps_load.workload.user_streams import index_of_stream


class Audiences:
    """`mixture`: who belongs to which population. Each role is computed once, on demand."""

    def __init__(self, config: RunConfig, run_id: str, mixture: Mixture) -> None:
        self._config = config
        self._run_id = run_id
        self._mixture = mixture
        self.standings = standings(config.populations, mixture.counts)
        self._most = list(mixture.counts)
        """The most users that each population has had."""
        self._publishes_to: dict[int, tuple[int | None, bool]] = {}
        self._hears: dict[int, frozenset[int]] = {}

    def entitled(self, index: int, stream: int) -> bool:
        """Whether messages on `stream` may reach the user `index`. True if the stream belongs to nobody we know."""
        if stream >= TASKS:
            return True  # a task's client knows its own entitlements
        sender = population_of_stream(stream)
        if sender is not None:
            everybody = self.standings[sender].everybody if sender < len(self.standings) else None
            audience = USER_BASE | stream & INDEX_MASK if stream < 2 * USER_BASE else everybody
            return audience in self.heard_by(index)
        publisher = index_of_stream(stream)
        audience, no_echo = self._published_by(publisher)
        if no_echo and publisher == index:
            return False
        return audience is None or audience in self.heard_by(index)

    def came(self, indices: Iterable[int]) -> set[int]:
        """Users of the run have come, here or elsewhere.

        Returns the populations that listen to those that are larger now than ever before: their members' roles must be
        computed again.
        """
        larger = set()
        for index in indices:
            found = self._mixture.of(index)
            if found is not None and found[1] >= self._most[found[0]]:
                self._most[found[0]] = found[1] + 1
                larger.add(found[0])
        listening = {each.number for each in self.standings if each.listens and each.listens.number in larger}
        if listening:
            self._hears.clear()
        return listening

    def belongs(self, index: int, populations: Iterable[int]) -> bool:
        """Whether a user belongs to one of these populations."""
        found = self._mixture.of(index)
        return found is not None and found[0] in populations

    def population_of(self, index: int) -> int:
        """The number of this user's population, or of a task's client's."""
        if index >= TASKS:
            return self._of_task(index)
        found = self._mixture.of(index)
        return 0 if found is None else found[0]

    def sender_of(self, stream: int) -> int:
        """The number of the population that publishes on this stream."""
        if stream >= TASKS:
            return self._of_task(stream)
        sender = population_of_stream(stream)
        return self.population_of(index_of_stream(stream)) if sender is None else sender

    def _of_task(self, number: int) -> int:
        found = task_stamp.population_of(number)
        return found if found < len(self.standings) else 0

    def heard_by(self, index: int) -> frozenset[int]:
        """The audiences that a user belongs to."""
        found = self._hears.get(index)
        if found is None:
            part = self.role_of(index)
            found = self._hears[index] = frozenset() if part is None else frozenset(part.audiences)
        return found

    def _published_by(self, index: int) -> tuple[int | None, bool]:
        """The audience to which a user publishes, and whether it gets no copy of its own."""
        found = self._publishes_to.get(index)
        if found is None:
            part = self.role_of(index)
            publication = None if part is None else part.publication
            found = (None, False) if publication is None else (publication.audience, publication.no_echo)
            self._publishes_to[index] = found
        return found

    def role_of(self, index: int) -> Role | None:
        """The user's part; None: it belongs to no population."""
        found = self._mixture.of(index)
        if found is None:
            return None
        population, local = found
        users = max(self._mixture.counts[population], 1)
        settings, standing = self._config.populations[population], self.standings[population]
        hosts = None
        if standing.listens is not None:
            number = standing.listens.number
            then = max(self._mixture.counts[number], self._mixture.among(number, index))
            hosts = Hosts(then, self._most[number])
        return role(settings, self._run_id, local, users, index=index, standing=standing, hosts=hosts)
