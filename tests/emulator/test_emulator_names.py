"""What the service accepts as a name of a group or of an event."""

from __future__ import annotations

import pytest

from wps_load.emulator.valid_names import MAX_GROUP_CHARACTERS, valid_event, valid_group


@pytest.mark.parametrize(
    ("name", "valid"),
    [
        ("g", True),
        (" g ", True),
        ("", False),
        (" \t", False),
        ("ü" * MAX_GROUP_CHARACTERS, True),
        ("g" * (MAX_GROUP_CHARACTERS + 1), False),
        ("😀" * (MAX_GROUP_CHARACTERS // 2), True),
        ("😀" * (MAX_GROUP_CHARACTERS // 2) + "g", False),
    ],
    ids=["short", "blanks around", "empty", "blank", "long", "too long", "pairs of units", "a unit too many"],
)
def test_a_group_has_a_thousand_units_of_utf_16(name: str, valid: bool) -> None:
    assert valid_group(name) is valid


@pytest.mark.parametrize(
    ("name", "valid"),
    [("echo", True), ("Chat-1.a_b", True), ("1st", False), ("", False), ("a b", False), ("é", False), ("a\n", False),
     ("a" * 128, True), ("a" * 129, False)],
)  # fmt: skip
def test_an_event_begins_with_a_letter_and_has_a_few_kinds_of_characters(name: str, valid: bool) -> None:
    assert valid_event(name) is valid
