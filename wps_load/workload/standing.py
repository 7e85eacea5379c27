"""Who hears whom in a run of several populations: whose groups they join, and whom broadcasts reach. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from wps_load.workload.layout import Settings, publisher_count
from wps_load.workload.population import EVERYBODY, Listened, Standing
from wps_load.workload.scenarios import ROWS, Topology


class Member(Settings, Protocol):
    """The part of a `Population` that decides who hears whom. `name` is empty if a run has only one population."""

    @property
    def name(self) -> str: ...
    @property
    def hub(self) -> str: ...
    @property
    def listens_to(self) -> str | None: ...


def listened_by(populations: Sequence[Member], number: int) -> int | None:
    """The number of the population whose groups the members of this one join."""
    name = populations[number].listens_to
    return None if name is None else next((at for at, each in enumerate(populations) if each.name == name), None)


def standings(populations: Sequence[Member], counts: Sequence[int]) -> tuple[Standing, ...]:
    """The place of each population. `counts`: the users of each."""
    hubs = list(dict.fromkeys(each.hub for each in populations))
    loud = {each.hub for each in populations if _topology(each) is Topology.REST_ALL}
    found = []
    for number, each in enumerate(populations):
        listened = listened_by(populations, number)
        found.append(
            Standing(
                number=number,
                label=each.name,
                listens=_listened(populations, counts, listened),
                everybody=EVERYBODY + hubs.index(each.hub) if each.hub in loud else None,
                addressed=number in (each for at in range(len(populations)) for each in addressed_by(populations, at)),
            )
        )
    return tuple(found)


def _listened(populations: Sequence[Member], counts: Sequence[int], number: int | None) -> Listened | None:
    if number is None or not has_groups(populations[number]):
        return None
    return Listened(populations[number], counts[number], number, populations[number].name)


def has_groups(population: Member) -> bool:
    """Whether its users publish to groups of their own, which others may join."""
    row = ROWS[population.scenario]
    listens = population.listens_to is not None and row.topology is Topology.GROUPS
    return row.publishes_to_groups(population.protocol) and not listens


def addressed_by(populations: Sequence[Member], number: int) -> tuple[int, ...]:
    """The populations to whose single users this one's REST senders send: its own, and those that listen to it."""
    if _topology(populations[number]) is not Topology.REST_USERS:
        return ()
    return tuple(at for at in range(len(populations)) if at == number or listened_by(populations, at) == number)


def publishers_of(populations: Sequence[Member], counts: Sequence[int], number: int) -> int:
    """How many publish: users of the population, or the REST senders that run beside them."""
    receivers = addressed_by(populations, number) or (number,)
    return publisher_count(populations[number], sum(counts[each] for each in receivers))


def senders_to(populations: Sequence[Member], number: int) -> tuple[int, ...]:
    """The populations whose messages may arrive at members of this one, including its own."""
    return tuple(at for at in range(len(populations)) if _reaches(populations, at, number))


def _reaches(populations: Sequence[Member], sender: int, receiver: int) -> bool:
    one, other = populations[sender], populations[receiver]
    row = ROWS[one.scenario]
    if row.topology is Topology.REST_ALL:
        return one.hub == other.hub
    if row.topology is Topology.TASKS:  # everybody who joins the groups that they name
        return _topology(other) is Topology.TASKS and one.hub == other.hub
    if row.topology is Topology.REST_USERS:
        return receiver in addressed_by(populations, sender)
    if not row.users_publish or (one.publishers is not None and one.publishers.count == 0):
        return False
    if row.calls_handler(one.protocol):
        return sender == receiver
    return _publishes_in(populations, sender) in _joins(populations, receiver)


def _publishes_in(populations: Sequence[Member], number: int) -> int | None:
    """The population to whose groups the users of this one publish."""
    return number if has_groups(populations[number]) else listened_by(populations, number)


def _joins(populations: Sequence[Member], number: int) -> set[int | None]:
    """The populations whose groups the users of this one join."""
    own = {number} if has_groups(populations[number]) else set()
    listened = listened_by(populations, number)
    return {*own, listened} if listened is not None and has_groups(populations[listened]) else set(own)


def _topology(population: Member) -> Topology:
    return ROWS[population.scenario].topology
