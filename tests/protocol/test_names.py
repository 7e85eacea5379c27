"""Names that the service takes, and the sentences for those that it does not."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from wps_load.errors import LocalProtocolError
from wps_load.protocol import names


@pytest.mark.parametrize(
    ("judge", "value"),
    [
        (names.group_name, "g"),
        (names.group_name, " a b "),
        (names.group_name, "猫" * 1024),
        (names.event_name, "order.created-2_x"),
        (names.event_name, "E" * 128),
        (names.user_id, None),
        (names.user_id, "42"),
    ],
)
def test_names_that_are_allowed_come_back(judge: Callable[[object], object], value: object) -> None:
    assert judge(value) == value


@pytest.mark.parametrize(
    ("judge", "value", "error", "sentence"),
    [
        (names.group_name, 7, TypeError, "group is 7 (int); expected a str"),
        (names.group_name, None, TypeError, "group is None (NoneType); expected a str"),
        (names.group_name, b"g", TypeError, "group is of type bytes; expected a str"),
        (names.group_name, "", ValueError, "group is ''; expected a name that is not empty and not only blanks"),
        (names.group_name, " \t", ValueError, "not only blanks"),
        (names.group_name, "g" * 2000, ValueError, "group has 2,000 characters; allowed are 1,024"),
        (names.group_name, "cut \ud83d", ValueError, "character 4 of group is half of a surrogate pair"),
        (names.group_names, "abc", TypeError, "groups is of type str; expected a list of names"),
        (names.group_names, 5, TypeError, "groups is 5 (int); expected a list of names"),
        (names.group_names, ["a", 3], TypeError, "groups[1] is 3 (int); expected a str"),
        (names.group_names, ["a", ""], ValueError, "groups[1] is ''"),
        (names.event_name, "", ValueError, "name is ''; an event's name is a letter"),
        (names.event_name, "1st", ValueError, "an event's name is a letter"),
        (names.event_name, "a b", ValueError, "an event's name is a letter"),
        (names.event_name, "é", ValueError, "an event's name is a letter"),
        (names.event_name, "x" * 500, ValueError, "(500 characters)"),
        (names.user_id, 42, TypeError, "user_id is 42 (int); expected a str"),
        (names.user_id, True, TypeError, "user_id is True (bool); expected a str"),
        (names.user_id, "", ValueError, "user_id is ''"),
        (names.user_id, 10**60, TypeError, "user_id is of type int"),
    ],
)
def test_names_that_are_not_get_one_sentence(
    judge: Callable[[object], object], value: Any, error: type[Exception], sentence: str
) -> None:
    with pytest.raises(error) as caught:
        judge(value)
    assert sentence in str(caught.value)
    assert isinstance(caught.value, LocalProtocolError)
    assert len(str(caught.value)) < 300
