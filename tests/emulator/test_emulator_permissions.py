from __future__ import annotations

import re

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from wps_load.emulator.group_patterns import compile_pattern, matches
from wps_load.emulator.permissions import (
    JOIN_LEAVE,
    MAX_LITERALS,
    SEND,
    Permissions,
    TooManyRules,
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


@pytest.mark.parametrize(
    "pattern", ["", "a\\", "a\\b", "*a*b*c*d*e*f", "**.**.**", "*" * 6, "x" * 1025], ids=lambda pattern: pattern[:12]
)
def test_a_malformed_pattern_grants_nothing(pattern: str) -> None:
    assert compile_pattern(pattern) is None


def test_five_stars_count_one_by_one_and_escaped_ones_not_at_all() -> None:
    for pattern in ("*" * 5, "**.**.*", r"\*\**.*.*.*.*"):
        assert compile_pattern(pattern) is not None


@given(
    st.lists(st.sampled_from(["a", "b", ".", "?", "*", "**", r"\*", r"\?", r"\\", "\n", "("]), min_size=1, max_size=8),
    st.text("ab.*?\\\n(", max_size=8),
)
@example(["*", "*"], ".")
@example(["**", "a", "*", "b"], "ab.ab")
@example(["*", "**"], ".")
def test_a_pattern_matches_what_its_regular_expression_does(parts: list[str], group: str) -> None:
    """The parts, written as a regular expression here, are a second opinion on small inputs."""
    text = "".join(parts)
    pattern = compile_pattern(text)
    meaning = {"?": "[^.]", "*": "[^.]*", "**": ".*"}
    regex = "".join(meaning.get(part) or re.escape(part[-1]) for part in re.findall(r"\\.|\*\*|.", text, re.DOTALL))
    if pattern is None:
        assert sum(part.count("*") for part in parts if part in meaning) > 5
    else:
        assert matches(pattern, group) == bool(re.fullmatch(regex, group, re.DOTALL))


@pytest.mark.parametrize("pattern", ["*a*a*a*a*b", "**a**a*b", "*" + "a*" * 4 + "a" * 1000 + "c"])
def test_a_long_name_is_matched_in_linear_time(pattern: str) -> None:
    """Trying each way to share the name among the stars would take longer than any run of the tests."""
    compiled = compile_pattern(pattern)
    assert compiled is not None
    assert not matches(compiled, "a" * 20_000)
    assert matches(compiled, "a" * 20_000 + pattern[-1])


def test_nine_patterns_of_a_kind_count() -> None:
    permissions = Permissions([f"webpubsub.sendToGroups.{char}*" for char in "abcdefghij"])
    assert permissions.has(SEND, "i1")
    assert not permissions.has(SEND, "j1")


def test_rest_may_grant_and_revoke() -> None:
    permissions = Permissions()
    permissions.grant(SEND, "a")
    assert permissions.has(SEND, "a")
    assert not permissions.has(SEND, "b")
    assert not permissions.has(JOIN_LEAVE, "a")
    permissions.revoke(SEND, "a")
    assert not permissions.has(SEND, "a")


@pytest.mark.parametrize("role", ["webpubsub.sendToGroup", "webpubsub.sendToGroups.a*", "webpubsub.sendToGroup.a"])
def test_one_group_may_be_taken_from_any_role_and_given_back(role: str) -> None:
    permissions = Permissions([role, "webpubsub.sendToGroup.a2"])
    permissions.revoke(SEND, "a")
    assert not permissions.has(SEND, "a")
    assert permissions.has(SEND, "a2")
    permissions.grant(SEND, "a")
    assert permissions.has(SEND, "a")


def test_a_thousand_rules_are_the_limit() -> None:
    permissions = Permissions()
    for number in range(MAX_LITERALS):
        permissions.grant(SEND, f"g{number}")
    permissions.grant(SEND, "g0")
    with pytest.raises(TooManyRules):
        permissions.grant(SEND, "one more")


def test_a_thousand_groups_may_be_taken_from_a_role() -> None:
    permissions = Permissions(["webpubsub.sendToGroup"])
    for number in range(MAX_LITERALS):
        permissions.revoke(SEND, f"g{number}")
    permissions.revoke(SEND, "g0")
    with pytest.raises(TooManyRules):
        permissions.revoke(SEND, "one more")
