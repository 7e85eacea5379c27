"""Attributes that a locustfile gives its classes, judged before anything connects."""

from __future__ import annotations

from typing import Any

import pytest

from wps_load.swarm.user_attributes import attribute_faults


def faults(**attributes: Any) -> list[str]:
    cls = type("Chatter", (), {"user_id": None, "groups": (), **attributes})
    return [str(fault) for fault in attribute_faults(cls)]


@pytest.mark.parametrize(
    "attributes",
    [{}, {"groups": ["a", "b"]}, {"groups": ()}, {"user_id": "anna"}, {"user_id": property(lambda self: "x")}],
)
def test_what_is_right(attributes: dict[str, Any]) -> None:
    assert faults(**attributes) == []


def test_what_is_wrong_is_told_by_class_and_attribute() -> None:
    assert faults(user_id=42, groups="lobby") == [
        "Chatter.user_id: user_id is 42 (int); needed is a str",
        "Chatter.groups: groups is of type str; needed is a list of names",
    ]
