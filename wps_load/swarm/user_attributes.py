"""The attributes that a locustfile gives its classes of ours, judged before anything connects. Knows no Locust."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator

from wps_load.errors import Fault, WrongType, WrongValue
from wps_load.protocol import names

_JUDGES: tuple[tuple[str, Callable[[object, str], object]], ...] = (
    ("user_id", names.user_id),
    ("groups", names.group_names),
)


def attribute_faults(cls: type) -> Iterator[Fault]:
    """Every wrong value, named by class and attribute; a property, of which each user has its own, is not read."""
    for attribute, judge in _JUDGES:
        value = inspect.getattr_static(cls, attribute)
        if hasattr(value, "__get__"):
            continue
        try:
            judge(value, attribute)
        except (WrongType, WrongValue) as error:
            yield Fault(f"{cls.__name__}.{attribute}", None, str(error))
