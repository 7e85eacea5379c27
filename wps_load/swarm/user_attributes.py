"""The attributes that a locustfile gives its wps-load classes, judged before anything connects.

Locust is not imported.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from wps_load.errors import Fault, WrongType, WrongValue
from wps_load.protocol import names
from wps_load.settings.classes import TaskClass
from wps_load.settings.options import BY_FLAG
from wps_load.settings.texts import judged_roles

_JUDGES: tuple[tuple[str, Callable[[object, str], object]], ...] = (
    ("user_id", names.user_id),
    ("groups", names.group_names),
)
"""Each user may have its own."""
_ABSENT = object()


def attribute_faults(cls: type) -> Iterator[Fault]:
    """Every wrong value, named by class and attribute; properties, which differ for each user, are not read."""
    for attribute, judge in _JUDGES:
        value = inspect.getattr_static(cls, attribute, _ABSENT)
        if value is _ABSENT or hasattr(value, "__get__"):
            continue
        try:
            judge(value, attribute)
        except (WrongType, WrongValue) as error:
            yield Fault(f"{cls.__name__}.{attribute}", None, str(error))
    for attribute in _OF_CLASS:
        try:
            _of_class(cls, attribute)
        except (WrongType, WrongValue) as error:
            yield Fault(f"{cls.__name__}.{attribute}", None, str(error))


def task_class(cls: type, *, rest: bool = False) -> TaskClass:
    """The class's values in place of options; a wrong value, which `attribute_faults` reports, is left out."""
    said: dict[str, Any] = {}
    for attribute in _OF_CLASS:
        try:
            said[attribute] = _of_class(cls, attribute)
        except (WrongType, WrongValue):
            continue
    return TaskClass(cls.__name__, groups=_known_groups(cls), rest=rest, **said)


def _known_groups(cls: type) -> tuple[str, ...]:
    """The groups of every user of the class."""
    value = inspect.getattr_static(cls, "groups", ())
    try:
        return () if hasattr(value, "__get__") else names.group_names(value)
    except (WrongType, WrongValue):
        return ()


def _of_class(cls: type, attribute: str) -> Any:
    """The value of an attribute that is the same for all users of a class; None: not set.

    Raises WrongType, WrongValue.
    """
    value = inspect.getattr_static(cls, attribute, None)
    if value is None:
        return None
    if hasattr(value, "__get__"):
        raise WrongType(f"{attribute} is of type {type(value).__name__}; expected one value for the whole class")
    return _OF_CLASS[attribute](value, attribute)


def _option(value: object, attribute: str) -> object:
    """Reads the value as the option of that name reads its text."""
    text = names.text(value, attribute)
    try:
        return BY_FLAG[f"--wps-{attribute}"].read(text)
    except ValueError as error:
        raise WrongValue(f"{attribute} is {text[:40]!r}; expected {error}") from None


def _roles(value: object, attribute: str) -> object:
    """Reads a text as `--wps-roles` has it, or a list with one role in each place."""
    if isinstance(value, str):
        return _option(value, attribute)
    if isinstance(value, bytes) or not isinstance(value, Iterable):
        raise WrongType(f"{attribute} is of type {type(value).__name__}; expected a list of roles, or a text")
    roles = [names.text(each, f"{attribute}[{at}]") for at, each in enumerate(value)]
    try:
        return judged_roles(roles)
    except ValueError as error:
        raise WrongValue(f"{attribute}: expected {error}") from None


_OF_CLASS: dict[str, Callable[[object, str], object]] = {
    "protocol": _option,
    "hub": _option,
    "roles": _roles,
    "auth": _option,
}
