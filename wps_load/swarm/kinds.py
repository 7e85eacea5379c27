"""How wps-load's classes differ from other people's. Knows no Locust, whose classes they are mixed into."""

from __future__ import annotations

from typing import Any, ClassVar


class OurUser:
    """A User class of this package. `plays_scenario`: its task is the role that `--wps-scenario` gives it.

    `connects`: each of its users has a connection; others call REST.
    """

    plays_scenario: ClassVar[bool] = False
    connects: ClassVar[bool] = True


class OurShape:
    """A LoadTestShape that stages or a search need, not the locustfile's own."""


def restore_task(user_class: Any) -> None:
    """Locust's --tags has filtered the one task that users of a scenario live by, and that they can't be without."""
    if plays(user_class) and user_class.live not in user_class.tasks:
        user_class.tasks = [*user_class.tasks, user_class.live]


def plays(user_class: Any) -> bool:
    """Its users play the scenario."""
    return connects(user_class) and bool(user_class.plays_scenario)


def connects(user_class: Any) -> bool:
    """Its users have a measured connection: they play the scenario, or have tasks of their own."""
    return is_ours(user_class) and bool(user_class.connects)


def is_ours(user_class: Any) -> bool:
    """It is a class of this package, or made of one."""
    return issubclass(user_class, OurUser)
