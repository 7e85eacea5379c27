from __future__ import annotations

import pytest

from wps_load.emulator.permissions import (
    JOIN_LEAVE,
    MAX_LITERALS,
    SEND,
    Permissions,
    TooManyRules,
    compile_pattern,
)


@pytest.mark.parametrize(
    ("role", "group", "may_send"),
    [
        ("webpubsub.sendToGroup", "any", True),
        ("webpubsub.joinLeaveGroup", "any", False),
        ("webpubsub.sendToGroup.a", "a", True),
        ("webpubsub.sendToGroup.a.b", "a.b", True),
        ("webpubsub.sendToGroup.a", "A", False),
        ("webpubsub.sendToGroup.*", "a", False),
        ("webpubsub.sendToGroup.*", "*", True),
        ("webpubsub.sendToGroup.", "", False),
        ("webpubsub.sendToGroups.*", "a", True),
        ("webpubsub.sendToGroups.*", "a.b", False),
        ("webpubsub.sendToGroups.**", "a.b", True),
        ("webpubsub.sendToGroups.a.*", "a.b", True),
        ("webpubsub.sendToGroups.a.*", "a.b.c", False),
        ("webpubsub.sendToGroups.a?c", "abc", True),
        ("webpubsub.sendToGroups.a?c", "a.c", False),
        (r"webpubsub.sendToGroups.a\*", "a*", True),
        (r"webpubsub.sendToGroups.a\*", "ab", False),
        ("webpubsub.sendToGroups", "a", False),
        ("webpubsub.sendtogroup", "a", False),
        ("other.sendToGroup", "a", False),
    ],
)
def test_what_a_role_grants(role: str, group: str, may_send: bool) -> None:
    assert Permissions([role]).send.covers(group) is may_send


@pytest.mark.parametrize("pattern", ["", "a\\", "*a*b*c*d*e*f", "x" * 1025])
def test_a_malformed_pattern_grants_nothing(pattern: str) -> None:
    assert compile_pattern(pattern) is None


def test_rest_may_grant_and_revoke() -> None:
    permissions = Permissions()
    permissions.grant(SEND, "a")
    assert permissions.has(SEND, "a")
    assert not permissions.has(SEND, None)
    assert not permissions.has(JOIN_LEAVE, "a")
    permissions.grant(SEND, None)
    assert permissions.has(SEND, "b")
    permissions.revoke(SEND, None)
    assert not permissions.has(SEND, "a")


def test_a_thousand_rules_are_the_limit() -> None:
    permissions = Permissions()
    for number in range(MAX_LITERALS):
        permissions.grant(SEND, f"g{number}")
    permissions.grant(SEND, "g0")
    with pytest.raises(TooManyRules):
        permissions.grant(SEND, "one more")
