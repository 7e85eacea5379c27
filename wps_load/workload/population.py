"""Who is who: a connection's role as a pure function of (index, users, seed), the same in one process and
in eight.

Locust has no global index; the master hands out dense ones. Words (stream, audience): docs/architecture.md.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Protocol

from wps_load.protocol.traits import TRAITS
from wps_load.workload.chaos import SlowPlan
from wps_load.workload.scenarios import SCENARIOS, Topology
from wps_load.workload.seeding import derive
from wps_load.workload.values import Share

USER_BASE = 1 << 30
"""Audience of one user, and stream of a REST sender to one user: this + the user's index."""
EVERYBODY = 1 << 31
"""Audience of everybody; the stream of REST sender k to everybody is this + k."""
EVENT_NAME = "echo"

_GOLDEN = 2654435769  # 2**32 divided by the golden ratio: multiples of it mod 2**32 fill the circle evenly


class Settings(Protocol):
    """What of a `Population` decides the roles."""

    @property
    def scenario(self) -> str: ...
    @property
    def protocol(self) -> str: ...
    @property
    def groups(self) -> int | None: ...
    @property
    def group_size(self) -> int | None: ...
    @property
    def publishers(self) -> Share | None: ...
    @property
    def no_echo(self) -> bool: ...
    @property
    def slow(self) -> SlowPlan | None: ...
    @property
    def seed(self) -> int: ...


@dataclass(frozen=True, slots=True)
class Publication:
    """What a user publishes. `kind`: `group` (sendToGroup), `event`, `raw` (a simple client's frame);
    `name`: group or event. `ordinal`: the publisher's number among the publishers, from 0, for `phase`.
    """

    stream: int
    kind: str
    name: str
    audience: int
    no_echo: bool
    ordinal: int


@dataclass(frozen=True, slots=True)
class Role:
    """One connection's part. `groups`: names to join, `group_audiences` their numbers in the same order;
    `audiences`: all that it receives. `slow`: it reads at the speed of `--wps-slow`."""

    index: int
    user_id: str
    groups: tuple[str, ...]
    audiences: tuple[int, ...]
    publication: Publication | None
    slow: bool = False


@dataclass(frozen=True, slots=True)
class RestStream:
    """What a REST sender sends to one target. `kind`: `user` or `all`; `name`: the user's id, "" for all.

    `share` of the sender's rate goes here; `phase` (of this stream's own interval) makes the sender's streams
    together a round robin at even distances.
    """

    stream: int
    audience: int
    kind: str
    name: str
    share: Fraction
    phase: float


@dataclass(frozen=True, slots=True)
class Layout:
    """Groups and publishers of a number of users.

    `size` None: the groups are dealt out in turn (index mod groups). Else the groups' seats stand in a row,
    `seats` of them, `size` to a group, and the users take seats in turn until all are taken.
    """

    users: int
    groups: int
    size: int | None
    seats: int
    publishers: int = 0

    @property
    def members(self) -> int:
        """How many users are in a group at all."""
        return min(self.users, self.seats)

    def groups_of(self, index: int) -> tuple[int, ...]:
        """The groups of a user: several where there are more seats than users, none where there are fewer."""
        if self.size is None:
            return (index % self.groups,)
        return tuple(sorted({seat // self.size for seat in range(index, self.seats, max(1, self.users))}))

    def place(self, index: int) -> int:
        """The user's place in a row in which members of the same group stand together."""
        if self.size is not None:
            return index
        number, place = index % self.groups, index // self.groups
        return number * (self.users // self.groups) + min(number, self.users % self.groups) + place


def layout(settings: Settings, users: int) -> Layout:
    """The topology for `users` connections: the options where given, else the scenario's default."""
    row = SCENARIOS[settings.scenario]
    share = settings.publishers or row.publishers
    if row.topology is not Topology.GROUPS:
        plan = Layout(users, users, 1, users)
        return plan if share is None or not row.users_publish else replace(plan, publishers=share.of(users))
    groups, size = settings.groups, settings.group_size
    if groups is None and size is None:
        size = row.group_size
        if row.groups is not None:  # of few users, no more groups than leave everybody somebody to hear
            groups = min(row.groups, max(1, users // 2))
    if size is None:
        plan = Layout(users, groups or 1, None, users)
    elif groups is None:  # the last group may be smaller
        plan = Layout(users, max(1, -(-users // size)), size, users)
    else:
        size = min(size, max(1, users))
        plan = Layout(users, groups, size, groups * size)
    return plan if share is None else replace(plan, publishers=share.of(plan.members))


def publisher_count(settings: Settings, users: int) -> int:
    """How many publish: users, or in REST scenarios the senders that run beside them."""
    row = SCENARIOS[settings.scenario]
    if not row.needs_key:
        return layout(settings, users).publishers
    share = settings.publishers or row.publishers
    senders = share.of(2**31) if share is not None else 0
    return min(senders, users) if row.topology is Topology.REST_USERS else senders


def role(settings: Settings, run_id: str, index: int, users: int) -> Role:
    """The part of connection `index` of `users`. Pure: same arguments, same role, on every worker."""
    row, plan = SCENARIOS[settings.scenario], layout(settings, users)
    user_id = user_name(run_id, index)
    if row.topology is Topology.REST_ALL:
        return Role(index, user_id, (), (EVERYBODY,), None)
    if row.topology is Topology.REST_USERS:
        return Role(index, user_id, (), (USER_BASE + index,), None)
    if row.topology is Topology.SILENT:
        return Role(index, user_id, (), (), None)
    if row.calls_handler(settings.protocol):
        kind, name = ("event", EVENT_NAME) if TRAITS[settings.protocol].enveloped else ("raw", "message")
        publication = _publication(settings, plan, index, kind, name, USER_BASE + index)
        return Role(index, user_id, (), (USER_BASE + index,), publication)
    numbers = plan.groups_of(index) if row.topology is Topology.GROUPS else (index,)
    chosen = numbers[index % len(numbers)] if numbers else None
    published = None
    if chosen is not None:
        published = _publication(settings, plan, index, "group", group_name(run_id, chosen), chosen)
    slow = published is None and settings.slow is not None and _is_slow(settings.slow, plan, settings.seed, index)
    return Role(index, user_id, tuple(group_name(run_id, n) for n in numbers), numbers, published, slow)


def user_name(run_id: str, index: int) -> str:
    return f"{run_id}-u{index}"


def group_name(run_id: str, number: int) -> str:
    """Group names carry the run's id, so that two runs in one hub do not hear each other."""
    return f"{run_id}-g{number}"


def _publication(
    settings: Settings, plan: Layout, index: int, kind: str, name: str, audience: int
) -> Publication | None:
    ordinal = _publishers(plan, settings.seed).ordinal(plan.place(index))
    if ordinal is None:
        return None
    return Publication(index, kind, name, audience, settings.no_echo and kind == "group", ordinal)


@dataclass(frozen=True, slots=True)
class _Spread:
    """`chosen` of `total` places, spread evenly (Bresenham's line, begun at `start`): exactly so many, and
    of every stretch of places, such as a group, its share to within one.
    """

    chosen: int
    total: int
    start: int

    def before(self, place: int) -> int:
        """How many of the places below `place` are chosen."""
        line = self.start - 1
        return (line + place) * self.chosen // self.total - line * self.chosen // self.total

    def ordinal(self, place: int) -> int | None:
        """The place's number among the chosen ones, from 0; None: not chosen."""
        if not 0 <= place < self.total:
            return None
        ordinal = self.before(place)
        return ordinal if self.before(place + 1) > ordinal else None


def _publishers(plan: Layout, seed: int) -> _Spread:
    return _Spread(plan.publishers, plan.members, derive(seed, "publishers") % max(1, plan.members))


def _is_slow(slow: SlowPlan, plan: Layout, seed: int, index: int) -> bool:
    """Slow readers are spread evenly over the members who do not publish."""
    quiet, place = plan.members - plan.publishers, plan.place(index)
    if quiet <= 0 or place >= plan.members:
        return False
    spread = _Spread(min(quiet, slow.share.of(plan.users)), quiet, derive(seed, "slow") % quiet)
    return spread.ordinal(place - _publishers(plan, seed).before(place)) is not None


def phase(ordinal: int) -> float:
    """Where in its interval publisher `ordinal` begins, 0 <= phase < 1.

    Multiples of the golden ratio: however many publishers there are at a time, their messages are due at
    nearly even distances (three-distance theorem), and neighbours in a group are far apart.
    """
    return (ordinal * _GOLDEN & 0xFFFFFFFF) / 2**32


def rest_streams(settings: Settings, run_id: str, sender: int, senders: int, users: int) -> tuple[RestStream, ...]:
    """What REST sender `sender` of `senders` sends: to all, or to the users of its own in turn."""
    begin = phase(sender)
    if SCENARIOS[settings.scenario].topology is Topology.REST_ALL:
        return (RestStream(EVERYBODY + sender, EVERYBODY, "all", "", Fraction(1), begin),)
    targets = range(sender, users, senders)
    return tuple(
        RestStream(USER_BASE + index, USER_BASE + index, "user", user_name(run_id, index),
                   Fraction(1, len(targets)), (turn + begin) / len(targets))
        for turn, index in enumerate(targets)
    )  # fmt: skip
