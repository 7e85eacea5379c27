from __future__ import annotations

from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wps_load.emulator.odata import MAX_CLAUSES, FilterError, parse_filter


@dataclass
class Somebody:
    id: str = "c1"
    user_id: str | None = "Alice"
    groups: set[str] = field(default_factory=lambda: {"g1", "g2"})
    protocol: str | None = "json.webpubsub.azure.v1"


@pytest.mark.parametrize(
    ("text", "matches"),
    [
        ("userId eq 'Alice'", True),
        ("userId ne 'Alice'", False),
        ("userId eq 'alice'", False),
        ("tolower(userId) eq 'alice'", True),
        ("toupper(userId) eq 'ALICE'", True),
        ("userId gt 'A' and userId lt 'B'", True),
        ("userId ge 'Alice' and userId le 'Alice'", True),
        ("userId in ('Bob', 'Alice')", True),
        ("userId in ('Bob')", False),
        ("'g1' in groups", True),
        ("'g3' in groups", False),
        ("not ('g1' in groups)", False),
        ("not ('g3' in groups) and connectionId eq 'c1'", True),
        ("startswith(userId, 'Al') and connectionId ne 'c2'", True),
        ("endswith(userId,'ce')", True),
        ("contains(userId, 'lic')", True),
        ("indexof(userId,'i') eq 2", True),
        ("indexof(userId,'z') eq -1", True),
        ("length(userId) eq 5", True),
        ("substring(userId, 1) eq 'lice'", True),
        ("substring(userId, 1, 2) eq 'li'", True),
        ("concat(userId, '!') eq 'Alice!'", True),
        ("trim('  x ') eq 'x'", True),
        ("'it''s' eq 'it''s'", True),
        ("userId eq 'x' or userId eq 'Alice' and connectionId eq 'c1'", True),
        ("(userId eq 'x' or userId eq 'Alice') and connectionId eq 'no'", False),
        ("not startswith(userId,'x') and true", True),
        ("not not true", True),
        ("userId eq null", False),
        ("userId ne null", True),
        ("protocol eq 'json.webpubsub.azure.v1'", True),
    ],
)
def test_filters(text: str, matches: bool) -> None:
    assert parse_filter(text)(Somebody()) is matches


@pytest.mark.parametrize(
    ("text", "matches"),
    [
        ("userId eq null", True),
        ("userId ne 'x'", True),
        ("userId lt 'x'", False),
        ("startswith(userId,'x')", False),
        ("length(userId) ge 0", False),
    ],
)
def test_an_anonymous_client(text: str, matches: bool) -> None:
    assert parse_filter(text)(Somebody(user_id=None)) is matches


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "empty"),
        ("userId", "must be a bool"),
        ("userId eq", "ends too early"),
        ("userId eq 'x", "unexpected at character 10"),
        ("user eq 'x'", "unknown word 'user'"),
        ("userId eq 5", "cannot compare a string with a int"),
        ("groups eq 'x'", "cannot compare"),
        ("userId in 'x'", "groups or a list"),
        ("userId eq 'x' userId", "goes on after its end"),
        ("(userId eq 'x'", "ends too early"),
        ("tolower()", "unknown word ')'"),
        ("tolower(userId, 'x') eq 'y'", "takes 1 arguments"),
        ("tolower(5) eq 'y'", "must be a string"),
        ("not userId", "must be a bool"),
        ("userId and true", "must be a bool"),
        ("(" * 60 + "true" + ")" * 60, "too deeply"),
        (" or ".join(["userId eq 'x'"] * (MAX_CLAUSES + 1)), "more than 100 clauses"),
    ],
)
def test_refusals(text: str, says: str) -> None:
    with pytest.raises(FilterError) as caught:
        parse_filter(text)
    assert says in str(caught.value)


WORDS = st.sampled_from(
    ["userId", "groups", "eq", "in", "not", "and", "(", ")", ",", "'x'", "5", "null", "tolower", "substring"]
)


@given(st.lists(WORDS, max_size=15))
def test_any_words_are_a_filter_or_refused(words: list[str]) -> None:
    try:
        matches = parse_filter(" ".join(words))
    except FilterError:
        return
    assert matches(Somebody()) in (True, False)
    assert matches(Somebody(user_id=None)) in (True, False)
