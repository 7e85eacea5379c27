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
        ("USERID eq 'Alice' and Protocol ne null and GROUPS ne null", True),
        ("userId eq 'Alice' eq true", True),
        ("1 eq 1 eq false", False),
        ("userId eq 1", False),
        ("userId ne 1", True),
        ("1 eq true", False),
        ("1 in (1, 2)", True),
        ("userId in ()", False),
        ("userId in ('Alice',)", True),
        ("length(groups) eq 2", True),
        ("groups eq null", False),
        ("groups eq groups", False),
        ("length(userId) gt 4 and length(userId) le 5 and -1 lt 0", True),
        ("userId lt null", False),
        ("null ge 1", False),
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
        ("substring('abc', 3) eq ''", True),
        ("substring('abc', 5) eq ''", False),
        ("substring('abc', -1) eq 'abc'", False),
        ("substring('abc', 1, 9) eq null", True),
        ("concat(null, 'x') eq 'x'", True),
        ("indexof(null, 'x') eq -1", True),
        ("tolower(null) eq null", True),
        ("length(null) eq 0", False),
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
        ("userId lt null", False),
        ("concat(userId, 'x') eq 'x'", True),
        ("indexof(userId, 'x') eq -1", True),
        ("contains(userId, 'x')", False),
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
        ("userId", "Type 'string', expect 'bool'"),
        ("TRUE", "unknown word 'TRUE'"),
        ("userId EQ 'x'", "goes on after its end"),
        ("2147483648 eq 1", "32-bit"),
        ("1.5 eq 1", "unexpected at character 2"),
        ("userId eq", "ends too early"),
        ("userId eq 'x", "unexpected at character 10"),
        ("user eq 'x'", "unknown word 'user'"),
        ("userId lt 5", "Type 'string', expect 'int'"),
        ("userId gt 'x'", "Type 'string', expect 'int'"),
        ("groups lt 5", "Type 'collection', expect 'int'"),
        ("groups in ('x')", "Type 'collection', expect"),
        ("userId in ('a' 'b')", "lacks a ')'"),
        ("userId in 'x'", "groups or a list"),
        ("userId eq 'x' userId", "goes on after its end"),
        ("(userId eq 'x'", "ends too early"),
        ("tolower()", "unknown word ')'"),
        ("tolower(userId, 'x') eq 'y'", "takes 1 arguments"),
        ("tolower(5) eq 'y'", "Type 'int', expect 'string'"),
        ("not userId", "Type 'string', expect 'bool'"),
        ("userId and true", "Type 'string', expect 'bool'"),
        ("null or true", "Type 'null', expect 'bool'"),
        (" eq ".join(["true"] * 60), "too deeply"),
        ("(" * 60 + "true" + ")" * 60, "too deeply"),
        (" or ".join(["userId eq 'x'"] * (MAX_CLAUSES + 1)), "more than 1000 clauses"),
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
