"""Valid names of groups, events and users, checked before anything is sent.

Source: Azure Web PubSub limits (group names have at most 1,024 characters), its REST API and event handler reference.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

from wps_load.errors import WrongType, WrongValue

MAX_GROUP_CHARS: Final = 1024
_EVENT: Final = re.compile(r"[a-z][a-z0-9_.-]{0,127}", re.IGNORECASE)


def group_name(value: object, argument: str = "group") -> str:
    """Returns `value` if it is a valid group name. Raises WrongType, WrongValue."""
    name = text(value, argument)
    if not name.strip():
        raise WrongValue(f"{argument} is {name!r}; expected a name that is not empty and not only blanks")
    if len(name) > MAX_GROUP_CHARS:
        raise WrongValue(f"{argument} has {len(name):,} characters; allowed are {MAX_GROUP_CHARS:,}")
    return name


def group_names(value: object, argument: str = "groups") -> tuple[str, ...]:
    """Returns `value` if it is a list of valid group names. Raises WrongType, WrongValue."""
    if isinstance(value, str | bytes) or not isinstance(value, Iterable):
        raise WrongType(f"{argument} is {_described(value)}; expected a list of names")
    return tuple(group_name(each, f"{argument}[{at}]") for at, each in enumerate(value))


def event_name(value: object, argument: str = "name") -> str:
    """Returns `value` if it is a valid name of a user event. Raises WrongType, WrongValue."""
    name = text(value, argument)
    if not _EVENT.fullmatch(name):
        allowed = "a letter, then at most 127 letters, digits or any of _.-"
        raise WrongValue(f"{argument} is {_shown(name)}; an event's name is {allowed}")
    return name


def user_id(value: object, argument: str = "user_id") -> str | None:
    """Returns `value` if it is a valid user id; None: no particular user. Raises WrongType, WrongValue."""
    if value is None:
        return None
    name = text(value, argument)
    if not name.strip():
        raise WrongValue(f"{argument} is {name!r}; expected a text that is not empty, or None")
    return name


def text(value: object, argument: str) -> str:
    """Returns `value` if it is text that UTF-8 can represent. Raises WrongType, WrongValue."""
    if not isinstance(value, str):
        raise WrongType(f"{argument} is {_described(value)}; expected a str")
    try:
        value.encode()
    except UnicodeEncodeError as error:
        place = f"character {error.start} of {argument}"
        raise WrongValue(f"{place} is half of a surrogate pair, which UTF-8 cannot hold (a cut emoji?)") from None
    return value


def _described(value: object) -> str:
    """The value, if it is short, and its type; never the content of something long."""
    shown = repr(value) if isinstance(value, bool | int | float | None) else ""
    return f"{shown} ({type(value).__name__})" if shown and len(shown) <= 20 else f"of type {type(value).__name__}"


def _shown(name: str) -> str:
    return repr(name) if len(name) <= 40 else f"{name[:40]!r}... ({len(name):,} characters)"
