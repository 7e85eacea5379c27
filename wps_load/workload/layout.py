"""Who publishes, and in which groups: the topology of a population as a pure function of its settings and users."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import Protocol

from wps_load.workload.chaos import SlowPlan
from wps_load.workload.scenarios import ROWS, Topology
from wps_load.workload.seeding import derive
from wps_load.workload.values import Share

_CIRCLE = (1 << 32) - 1
_GOLDEN = 2654435769  # 2**32 divided by the golden ratio: multiples of it mod 2**32 fill the circle evenly


class Settings(Protocol):
    """The part of a `Population` that decides the roles."""

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
class Layout:
    """Groups and publishers of a run that begins with `users`.

    Users that are added later continue the pattern, and nobody's part changes.

    `size` None: users go to the groups in turn, row by row; `paired`: the first two rows go in pairs, so that in a
    small run everybody has somebody to hear. Otherwise the groups' seats form a row, `size` to a group: `seats` of
    them, which the users take in turn until all are taken; None: as many as there are users.
    """

    users: int
    groups: int
    size: int | None
    seats: int | None
    share: Share | None = None
    paired: bool = False
    seed: int = 0

    @property
    def members(self) -> int:
        """How many of `users` are in a group."""
        return self.users if self.seats is None else min(self.users, self.seats)

    @property
    def occupied(self) -> int:
        """How many groups have members, or would have with more users."""
        return min(self.groups, -(-self.users // 2)) if self.paired else self.groups

    def groups_with(self, users: int) -> int:
        """How many groups there are once this many users have come: never fewer than in the beginning."""
        grows = self.size is not None and self.seats is None
        return max(self.groups, -(-users // self.size)) if grows and self.size else self.groups

    @property
    def publishers(self) -> int:
        """How many of `users` publish."""
        return 0 if self.share is None else self._line(self.share).before(self.members)

    def is_member(self, index: int) -> bool:
        """Whether a user is in a group. If seats are left over, added users share them."""
        return self.seats is None or self.users < self.seats or index < self.seats

    def groups_of(self, index: int) -> tuple[int, ...]:
        """The groups of a user: several if there are more seats than users, none for some users if there are fewer."""
        if self.size is None:
            return (self._dealt(index),)
        if self.seats is None:
            return (index // self.size,)
        if not self.is_member(index):
            return ()
        users = max(1, self.users)
        first = index if users >= self.seats else index % users
        return tuple(sorted({seat // self.size for seat in range(first, self.seats, users)}))

    def _dealt(self, index: int) -> int:
        if self.paired and index < 2 * self.groups:
            return index // 2
        # each row begins at another group, so that publishers that are a share of the users are in all groups
        row = index // self.groups if self.share is not None and self.share.is_part else 0
        return (index + (self.groups * on_circle(row) >> 32)) % self.groups

    # -- publishers -----------------------------------------------------------------------------------------------

    def ordinal(self, index: int) -> int | None:
        """The user's number among the publishers, from 0; None: it does not publish."""
        if self.share is None or not self.is_member(index):
            return None
        if self.share.fraction is not None:
            return self._line(self.share).ordinal(index)
        if index < self.members:
            return self._line(self.share).ordinal(self._place(index))
        return index if index < (self.share.count or 0) else None

    def quiet_ordinal(self, index: int) -> int | None:
        """The member's number among those who do not publish, from 0; None: it publishes, or is not a member."""
        if not self.is_member(index) or self.ordinal(index) is not None:
            return None
        if self.share is None:
            return index
        if self.share.fraction is not None:
            return index - self._line(self.share).before(index)
        if index < self.members:
            place = self._place(index)
            return place - self._line(self.share).before(place)
        return index - max(self.publishers, self.share.count or 0)

    def _line(self, share: Share) -> Spread:
        return Spread.of(share, self.members, derive(self.seed, "publishers"))

    def _place(self, index: int) -> int:
        """The place of one of the first users in a row in which members of the same group are adjacent."""
        if self.size is not None or (self.paired and self.users < 2 * self.groups):
            return index
        number, place = index % self.groups, index // self.groups
        if self.paired and index < 2 * self.groups:
            number, place = divmod(index, 2)
        return number * (self.users // self.groups) + min(number, self.users % self.groups) + place


def layout(settings: Settings, users: int) -> Layout:
    """The topology of a run that begins with `users`: the options if given, else the scenario's defaults."""
    row = ROWS[settings.scenario]
    share, seed = settings.publishers or row.publishers, settings.seed
    if row.topology is not Topology.GROUPS:
        return Layout(users, users, 1, None, share if row.users_publish else None, seed=seed)
    groups, size = settings.groups, settings.group_size
    if row.streams and settings.publishers is None:  # one to a few subscribers
        share = Share(fraction=Fraction(1, size)) if size else Share(count=groups) if groups else share
    if groups is None and size is None:
        size = row.group_size
        if size is None and row.groups is not None:
            return Layout(users, row.groups, None, None, share, paired=True, seed=seed)
    if size is None:
        return Layout(users, groups or 1, None, None, share, seed=seed)
    if groups is None:  # the last group may be smaller
        return Layout(users, max(1, -(-users // size)), size, None, share, seed=seed)
    size = min(size, max(1, users))
    return Layout(users, groups, size, groups * size, share, seed=seed)


def publisher_count(settings: Settings, users: int) -> int:
    """How many publish: users, or in REST scenarios the senders that run beside them.

    For senders to single users, `users` are all users that they send to.
    """
    row = ROWS[settings.scenario]
    if not row.needs_key:
        return layout(settings, users).publishers
    share = settings.publishers or row.publishers
    senders = share.of(2**31) if share is not None else 0
    return min(senders, users) if row.topology is Topology.REST_USERS else senders


@dataclass(frozen=True, slots=True)
class Spread:
    """`chosen` of `total` places, spread evenly (Bresenham's line, begun at `start`).

    Exactly that number is chosen, and of every range of places, such as a group, its share to within one. `endless`:
    the pattern continues after them.
    """

    chosen: int
    total: int
    start: int
    endless: bool = False

    @classmethod
    def of(cls, share: Share, total: int, chance: int) -> Spread:
        """A number is spread over the first `total` places. A share has no end, and gets at least one of these places.

        Of every number of places it gets its part to within one.
        """
        if share.fraction is None:
            return cls(share.of(total), total, chance % max(1, total))
        part = share.fraction
        first_within = -(-part.denominator // part.numerator)  # the first chosen place comes no later anyway
        first = chance % max(1, min(total, first_within))
        return cls(part.numerator, part.denominator, first_within - first, endless=True)

    def before(self, place: int) -> int:
        """How many of the places below `place` are chosen."""
        line = self.start - 1
        return (line + place) * self.chosen // max(1, self.total) - line * self.chosen // max(1, self.total)

    def ordinal(self, place: int) -> int | None:
        """The place's number among the chosen ones, from 0; None: not chosen."""
        if place < 0 or (place >= self.total and not self.endless):
            return None
        ordinal = self.before(place)
        return ordinal if self.before(place + 1) > ordinal else None


def on_circle(ordinal: int) -> int:
    """The place of an ordinal among 2^32 places in a circle.

    Any number of them are at nearly even distances (three-distance theorem), and neighbours are far apart.
    """
    return ordinal * _GOLDEN & _CIRCLE
