"""Attributes that a locustfile gives its classes, judged before anything connects."""

from __future__ import annotations

from typing import Any

import pytest

from wps_load.protocol.traits import PROTOCOLS
from wps_load.swarm.user_attributes import attribute_faults, task_class


def faults(**attributes: Any) -> list[str]:
    cls = type("Chatter", (), {"user_id": None, "groups": (), **attributes})
    return [str(fault) for fault in attribute_faults(cls)]


@pytest.mark.parametrize(
    "attributes",
    [{}, {"groups": ["a", "b"]}, {"groups": ()}, {"user_id": "anna"}, {"user_id": property(lambda self: "x")}],
)
def test_what_is_right(attributes: dict[str, Any]) -> None:
    assert faults(**attributes) == []


def test_what_is_wrong_is_reported_by_class_and_attribute() -> None:
    assert faults(user_id=42, groups="lobby") == [
        "Chatter.user_id: user_id is 42 (int); expected a str",
        "Chatter.groups: groups is of type str; expected a list of names",
    ]


@pytest.mark.parametrize(
    ("attributes", "said"),
    [
        ({}, (None, None, None, None)),
        ({"protocol": "json-reliable", "hub": "chat"}, ("json-reliable", "chat", None, None)),
        ({"roles": "none", "auth": "header"}, (None, None, (), "header")),
        ({"roles": "webpubsub.sendToGroup, webpubsub.joinLeaveGroup.lobby"},
         (None, None, ("webpubsub.sendToGroup", "webpubsub.joinLeaveGroup.lobby"), None)),
        ({"roles": ["webpubsub.sendToGroup.a,b"]}, (None, None, ("webpubsub.sendToGroup.a,b",), None)),
        ({"roles": ()}, (None, None, (), None)),
    ],
)  # fmt: skip
def test_what_a_class_says_instead_of_the_options(attributes: dict[str, Any], said: tuple[object, ...]) -> None:
    cls = type("Chatter", (), attributes)
    assert [*attribute_faults(cls)] == []
    found = task_class(cls)
    assert (found.protocol, found.hub, found.roles, found.auth) == said


def test_groups_are_known_before_the_run_unless_each_user_has_its_own() -> None:
    assert task_class(type("A", (), {"groups": ["g"]})).groups == ("g",)
    assert task_class(type("A", (), {"groups": property(lambda self: ["g"])})).groups == ()


def test_every_wrong_attribute_of_a_class_is_reported_at_once_and_read_as_not_set() -> None:
    attributes = {"protocol": "amqp", "hub": "1st", "roles": ["webpubsub.fly"], "auth": property(lambda self: "query")}
    assert faults(**attributes) == [
        "Chatter.protocol: protocol is 'amqp'; expected one of " + ", ".join(PROTOCOLS),
        "Chatter.hub: hub is '1st'; expected a letter, then at most 127 letters, digits or any of _`,.[]",
        "Chatter.roles: roles: expected a comma-separated list of webpubsub.joinLeaveGroup and "
        "webpubsub.sendToGroup, also with .GROUP, webpubsub.joinLeaveGroups.PATTERN or "
        "webpubsub.sendToGroups.PATTERN; or none",
        "Chatter.auth: auth is of type property; expected one value for the whole class",
    ]
    found = task_class(type("Chatter", (), attributes))
    assert (found.protocol, found.hub, found.roles, found.auth) == (None, None, None, None)


@pytest.mark.parametrize(
    ("attributes", "sentence"),
    [
        ({"protocol": 5}, "Chatter.protocol: protocol is 5 (int); expected a str"),
        ({"roles": 5}, "Chatter.roles: roles is of type int; expected a list of roles, or a text"),
        ({"roles": [b"x"]}, "Chatter.roles: roles[0] is of type bytes; expected a str"),
        ({"auth": "body"}, "Chatter.auth: auth is 'body'; expected one of query, header"),
    ],
)
def test_wrong_types(attributes: dict[str, Any], sentence: str) -> None:
    assert faults(**attributes) == [sentence]
