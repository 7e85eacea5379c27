"""How many deliveries a message of one population causes in another: the basis of a mix's plan and search. Pure.

These are means over the publishers, who are spread evenly, so a group has publishers in proportion to its size.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from wps_load.workload.layout import Layout, Settings, layout
from wps_load.workload.population import group_count
from wps_load.workload.scenarios import ROWS, Topology
from wps_load.workload.standing import Member, addressed_by, has_groups, listened_by

Pair = tuple[int, int]
"""The number of a sender's population and that of a receiver's."""


def fan_out(settings: Settings, users: int) -> float:
    """The deliveries of one message, in a population that is alone."""
    topology = ROWS[settings.scenario].topology
    if topology is Topology.SILENT:
        return 0.0
    if topology is Topology.REST_ALL:
        return float(users)
    if topology is not Topology.GROUPS:
        return 1.0
    sizes = list(_group_sizes(layout(settings, users)))
    members = sum(size * count for size, count in sizes)
    heard = sum(size * size * count for size, count in sizes) / max(1, members)
    return max(0.0, heard - 1) if settings.no_echo else heard


def flows(populations: Sequence[Member], counts: Sequence[int]) -> dict[Pair, float]:
    """The fan-out of each pair in which one population hears the other. `counts`: the users of each population."""
    found: dict[Pair, float] = {}
    for sender in range(len(populations)):
        for receiver, heard in _heard(populations, counts, sender):
            if heard > 0:
                found[sender, receiver] = found.get((sender, receiver), 0.0) + heard
    return found


def _heard(populations: Sequence[Member], counts: Sequence[int], sender: int) -> Iterator[tuple[int, float]]:
    one = populations[sender]
    row = ROWS[one.scenario]
    if not row.publishes:
        return
    if row.topology is Topology.REST_ALL:
        yield from ((at, float(counts[at])) for at, each in enumerate(populations) if each.hub == one.hub)
    elif row.topology is Topology.REST_USERS:
        receivers = addressed_by(populations, sender)
        targets = sum(counts[at] for at in receivers)
        yield from ((at, counts[at] / max(1, targets)) for at in receivers)
    elif not counts[sender]:
        return
    elif row.calls_handler(one.protocol):
        yield sender, 1.0
    else:
        yield from _in_groups(populations, counts, sender)


def _in_groups(populations: Sequence[Member], counts: Sequence[int], sender: int) -> Iterator[tuple[int, float]]:
    """Who receives what is published to groups: their members, and those who listen to their population."""
    listened = listened_by(populations, sender)
    owner = sender if has_groups(populations[sender]) else listened
    if owner is None:
        return
    groups = group_count(populations[owner], counts[owner])
    if not groups:
        return
    if owner == sender:
        yield owner, fan_out(populations[owner], counts[owner])
    else:
        yield owner, _members(populations[owner], counts[owner]) / groups
    for at, each in enumerate(populations):
        if listened_by(populations, at) == owner:
            itself = at == sender and each.no_echo
            yield at, max(0.0, counts[at] * min(groups, each.groups or groups) / groups - itself)


def _members(settings: Settings, users: int) -> int:
    """The memberships in all groups together."""
    if ROWS[settings.scenario].topology is not Topology.GROUPS:
        return users  # each has a group of its own
    return sum(size * count for size, count in _group_sizes(layout(settings, users)))


def _group_sizes(plan: Layout) -> Iterator[tuple[int, int]]:
    """(members, number of groups of this size)."""
    if plan.size is None:
        smaller, larger = divmod(plan.users, plan.occupied)
        yield smaller + 1, larger
        yield smaller, plan.occupied - larger
    else:
        taken = plan.seats if plan.seats is not None and plan.seats > plan.users else plan.members
        full, rest = divmod(taken, plan.size)
        yield plan.size, full
        yield rest, 1 if rest else 0
