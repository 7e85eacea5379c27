"""Roles of a token -> what a connection may do. Pure.

Source: documentation, "Client access roles" and "Wildcard group roles" (singular roles name one literal group, plural
ones a pattern: `group_patterns`). The number of patterns that count: Microsoft's emulator.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass, field

from wps_load.emulator.group_patterns import GroupPattern, compile_pattern, matches

JOIN_LEAVE = "joinLeaveGroup"
SEND = "sendToGroup"
PERMISSIONS = (JOIN_LEAVE, SEND)
MAX_LITERALS = 1000
MAX_PATTERNS = 9


class TooManyRules(ValueError):
    """More rules for one permission than the service keeps."""


@dataclass(slots=True)
class Coverage:
    """What one permission covers."""

    everything: bool = False
    groups: set[str] = field(default_factory=set)
    patterns: list[GroupPattern] = field(default_factory=list)
    revoked: frozenset[str] = frozenset()
    """Groups withdrawn from a role for all, or from a pattern. Frozen: one empty set serves all connections."""

    def covers(self, group: str) -> bool:
        if self.revoked and group in self.revoked:
            return False
        return self.everything or group in self.groups or any(matches(pattern, group) for pattern in self.patterns)


class Permissions:
    """A connection's rights, which REST may extend and withdraw."""

    __slots__ = ("join_leave", "send")

    def __init__(self, roles: Iterable[str] = ()) -> None:
        """Unknown roles are ignored, as are malformed patterns: they grant nothing."""
        self.join_leave = Coverage()
        self.send = Coverage()
        for role in roles:
            self._add(role)

    def _add(self, role: str) -> None:
        prefix, _, rest = role.partition(".")
        kind, dot, name = rest.partition(".")
        if prefix != "webpubsub":
            return
        plural = kind.endswith("Groups")
        grant = self.of(kind.removesuffix("s") if plural else kind)
        if grant is None:
            return
        if plural:
            pattern = compile_pattern(name) if dot else None
            if pattern is not None and len(grant.patterns) < MAX_PATTERNS:
                grant.patterns.append(pattern)
        elif not dot:
            grant.everything = True
        elif name and len(grant.groups) < MAX_LITERALS:
            grant.groups.add(name)

    def of(self, permission: str) -> Coverage | None:
        """The grant of `joinLeaveGroup` or `sendToGroup`; None for another name."""
        return {JOIN_LEAVE: self.join_leave, SEND: self.send}.get(permission)

    def grant(self, permission: str, group: str) -> None:
        """Raises TooManyRules above 1,000 literal groups."""
        grant = self._of(permission)
        grant.revoked -= {group}
        if not grant.covers(group):
            _check_room(grant.groups, permission)
            grant.groups.add(group)

    def revoke(self, permission: str, group: str) -> None:
        """Withdraws one group, whichever role granted it. Raises TooManyRules."""
        grant = self._of(permission)
        grant.groups.discard(group)
        if grant.covers(group):
            _check_room(grant.revoked, permission)
            grant.revoked |= {group}

    def has(self, permission: str, group: str) -> bool:
        return self._of(permission).covers(group)

    def _of(self, permission: str) -> Coverage:
        grant = self.of(permission)
        assert grant is not None
        return grant


def _check_room(rules: Collection[str], permission: str) -> None:
    if len(rules) >= MAX_LITERALS:
        raise TooManyRules(f"more than {MAX_LITERALS} rules for {permission}")
