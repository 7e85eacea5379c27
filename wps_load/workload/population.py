"""Who is who: a connection's role as a pure function of (index, users, seed), the same in one process and in eight.

Locust has no global index; the master assigns dense ones. docs/architecture.md explains the words stream and audience.
In a mix the role depends on the user's number within its population (`mixture`); names of users, streams and audiences
contain numbers that no two populations share.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Literal

from wps_load.protocol.traits import ANSWER_TOPIC, TRAITS, PublishKind
from wps_load.workload.chaos import SlowPlan
from wps_load.workload.layout import Layout, Settings, Spread, layout, on_circle
from wps_load.workload.scenarios import ROWS, Scenario, Topology
from wps_load.workload.seeding import derive
from wps_load.workload.user_streams import INDEX_BITS
from wps_load.workload.values import Share

INDEX_MASK = (1 << INDEX_BITS) - 1
"""A user's index in an audience. A group's audience is its number, with its population's number in the bits above."""
USER_BASE = 1 << 30
"""The audience of one user is this + the user's index.

The stream of a REST sender to one user also has the number of the sender's population, above the index.
"""
EVERYBODY = 1 << 31
"""The audience of everybody in the first hub, + 1 in the second; the stream of REST sender k to everybody is this + k,
with its population's number above the sender's.
"""
SENDER_BITS = 24
"""The bits of a REST sender's number."""
EVENT_NAME = "echo"


@dataclass(frozen=True, slots=True)
class Publication:
    """What a user publishes.

    `kind`: as in `Scenario.kind_of_publication`; `name`: group or event. `ordinal`: the publisher's number among the
    publishers, from 0, for `phase`.
    """

    stream: int
    kind: PublishKind | Literal["raw"]
    name: str
    audience: int
    no_echo: bool
    ordinal: int


@dataclass(frozen=True, slots=True)
class Role:
    """One connection's part.

    `groups`: names to join, `group_audiences`: their numbers in the same order; `audiences`: all that it receives.
    `slow`: it reads at the speed of `--wps-slow`. `stays`: if users are to leave, others leave first.
    """

    index: int
    user_id: str
    groups: tuple[str, ...]
    audiences: tuple[int, ...]
    publication: Publication | None
    slow: bool = False
    stays: bool = False

    @property
    def sources(self) -> frozenset[str | None]:
        """The groups that its messages may belong to; None: no group."""
        directly = len(self.audiences) > len(self.groups) or not self.groups
        return frozenset((*self.groups, *((None,) if directly else ())))


@dataclass(frozen=True, slots=True)
class RestStream:
    """What a REST sender sends to one target. `kind`: `user` or `all`; `name`: the user's id, "" for all.

    `share`: the part of the sender's rate that goes here; `phase` (of this stream's own interval) makes the sender's
    streams together a round robin at even distances.
    """

    stream: int
    audience: int
    kind: str
    name: str
    share: Fraction
    phase: float


@dataclass(frozen=True, slots=True)
class Listened:
    """The population that another listens to: its members join that one's groups. `users`: how many it begins with."""

    settings: Settings
    users: int
    number: int
    label: str


@dataclass(frozen=True, slots=True)
class Hosts:
    """How many users a population that is listened to has had.

    The first number, when the listener came, is a pure function of the listener's index; the second is the maximum so
    far. Groups between the two are those that all listeners join.
    """

    then: int
    most: int


@dataclass(frozen=True, slots=True)
class Standing:
    """A population's place in its run. The default is that of the only population of a run.

    `number`: its place among the populations. `label`: the part of its groups' names. `listens`: the population whose
    groups its members join. `everybody`: the audience of the REST senders who reach all in its hub; None if there are
    none. `addressed`: REST senders send to its users one by one.
    """

    number: int = 0
    label: str = ""
    listens: Listened | None = None
    everybody: int | None = None
    addressed: bool = False


def standing_alone(settings: Settings) -> Standing:
    """The place of the only population of a run."""
    topology = ROWS[settings.scenario].topology
    everybody = EVERYBODY if topology is Topology.REST_ALL else None
    return Standing(everybody=everybody, addressed=topology is Topology.REST_USERS)


def role(
    settings: Settings,
    run_id: str,
    local: int,
    users: int,
    *,
    index: int | None = None,
    standing: Standing | None = None,
    hosts: Hosts | None = None,
) -> Role:
    """The part of user `local` of the `users` of its population.

    Pure: the same arguments give the same role on every worker.

    `index`: its number in the run, which is the same if there is only one population. `hosts`: of the population that
    its own listens to; None: those that the run begins with. With more of them a user joins more groups, and nothing
    else in its part changes.
    """
    index = local if index is None else index
    standing = standing_alone(settings) if standing is None else standing
    row, plan = ROWS[settings.scenario], layout(settings, users)
    user_id = user_name(run_id, index)
    groups = _listened_groups(settings, standing, local, hosts)
    published: Publication | None = None
    answers: tuple[str, ...] = ()
    if row.calls_handler(settings.protocol):
        kind = row.kind_of_publication(settings.protocol)
        name = "message" if kind == "raw" else EVENT_NAME
        published = _publication(settings, plan, local, index, kind, name, USER_BASE + index)
        if TRAITS[settings.protocol].answers_on_topics:
            answers = (ANSWER_TOPIC.format(event=name),)
    elif row.users_publish:
        own = _own_groups(row, plan, standing, local)
        if row.topology is not Topology.GROUPS or standing.listens is None:
            groups = own + groups
            choice = own
        else:  # listeners have no groups of their own
            then = None if hosts is None else Hosts(hosts.then, 0)
            choice = _listened_groups(settings, standing, local, then)
        if choice:
            label, audience = choice[local % len(choice)]
            name = group_name(run_id, audience & INDEX_MASK, label)
            kind = row.kind_of_publication(settings.protocol)
            published = _publication(settings, plan, local, index, kind, name, audience)
    by_itself = [USER_BASE + index] if row.calls_handler(settings.protocol) or standing.addressed else []
    everybody = [] if standing.everybody is None else [standing.everybody]
    return Role(
        index,
        user_id,
        (*(group_name(run_id, audience & INDEX_MASK, label) for label, audience in groups), *answers),
        (*(audience for _, audience in groups), *by_itself, *everybody),
        published,
        published is None and settings.slow is not None and _is_slow(settings.slow, plan, local),
        stays=_stays(plan, published),
    )


def _own_groups(row: Scenario, plan: Layout, standing: Standing, local: int) -> list[tuple[str, int]]:
    """Label and audience of each group of its own population that a user joins."""
    numbers = plan.groups_of(local) if row.topology is Topology.GROUPS else (local,)
    return [(standing.label, group_audience(standing.number, number)) for number in numbers]


def _listened_groups(settings: Settings, standing: Standing, local: int, hosts: Hosts | None) -> list[tuple[str, int]]:
    """Label and audience of each group of another population that a user joins: all, or this many of them in turn."""
    listened = standing.listens
    if listened is None:
        return []
    count = group_count(listened.settings, listened.users, listened.users if hosts is None else hosts.then)
    if settings.groups is None:
        most = 0 if hosts is None else group_count(listened.settings, listened.users, hosts.most)
        numbers: Sequence[int] = range(max(count, most))
    else:
        joined = min(count, settings.groups)
        numbers = sorted((local * joined + turn) % count for turn in range(joined))
    return [(listened.label, group_audience(listened.number, number)) for number in numbers]


def group_count(settings: Settings, users: int, come: int = 0) -> int:
    """How many groups the users of a population publish to; 0: it has none.

    `come`: how many users it has had, if more than the `users` that it began with.
    """
    if not ROWS[settings.scenario].publishes_to_groups(settings.protocol):
        return 0
    return layout(settings, users).groups_with(come)


def group_audience(population: int, number: int) -> int:
    """The audience of a group of this population."""
    return population << INDEX_BITS | number


def population_of_stream(stream: int) -> int | None:
    """The number of the population whose REST sender has this stream; None: it is a user's stream."""
    if stream >= EVERYBODY:
        return stream - EVERYBODY >> SENDER_BITS
    return stream - USER_BASE >> INDEX_BITS if stream >= USER_BASE else None


def user_name(run_id: str, index: int) -> str:
    return f"{run_id}-u{index}"


def group_name(run_id: str, number: int, label: str = "") -> str:
    """The name of a group, which contains the run's id, so that two runs in one hub do not hear each other.

    In a mix it also contains the name of its population.
    """
    return f"{run_id}-{label}-g{number}" if label else f"{run_id}-g{number}"


def _publication(
    settings: Settings,
    plan: Layout,
    local: int,
    index: int,
    kind: PublishKind | Literal["raw"],
    name: str,
    audience: int,
) -> Publication | None:
    ordinal = plan.ordinal(local)
    if ordinal is None:
        return None
    return Publication(index, kind, name, audience, settings.no_echo and kind in ("group", "stream"), ordinal)


def _stays(plan: Layout, publication: Publication | None) -> bool:
    """Whether the user stays: a fixed number of publishers stays the same, so other users leave first."""
    return publication is not None and plan.share is not None and plan.share.count is not None


def _is_slow(slow: SlowPlan, plan: Layout, index: int) -> bool:
    """Slow readers are a part of all users, spread evenly over the members who do not publish."""
    quiet, place = plan.members - plan.publishers, plan.quiet_ordinal(index)
    if quiet <= 0 or place is None:
        return False
    share = slow.share
    if share.fraction is not None:
        share = Share(fraction=min(Fraction(1), share.fraction * plan.users / quiet))
    return Spread.of(share, quiet, derive(plan.seed, "slow")).ordinal(place) is not None


def phase(ordinal: int) -> float:
    """Where in its interval publisher `ordinal` begins, 0 <= phase < 1.

    Phases are multiples of the golden ratio: with any number of publishers, their messages are due at nearly even
    distances (three-distance theorem), and neighbours in a group are far apart.
    """
    return on_circle(ordinal) / 2**32


def rest_streams(
    settings: Settings,
    run_id: str,
    sender: int,
    senders: int,
    targets: Sequence[int],
    standing: Standing | None = None,
) -> tuple[RestStream, ...]:
    """What REST sender `sender` of `senders` sends: to all, or to its own users in turn.

    `targets`: the indices of the users that all senders of the population send to.
    """
    standing = standing_alone(settings) if standing is None else standing
    begin = phase(sender)
    if ROWS[settings.scenario].topology is Topology.REST_ALL:
        assert standing.everybody is not None
        stream = EVERYBODY + (standing.number << SENDER_BITS | sender)
        return (RestStream(stream, standing.everybody, "all", "", Fraction(1), begin),)
    base = USER_BASE + (standing.number << INDEX_BITS)
    own = targets[sender::senders]
    return tuple(
        RestStream(base | index, USER_BASE + index, "user", user_name(run_id, index),
                   Fraction(1, len(own)), (turn + begin) / len(own))
        for turn, index in enumerate(own)
    )  # fmt: skip
