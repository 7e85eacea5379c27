"""How wps-load's classes differ from other people's. It does not import Locust, into whose classes they are mixed."""

from __future__ import annotations

from typing import Any, ClassVar


class OurUser:
    """A User class of this package. `plays_scenario`: its task is the role that `--wps-scenario` gives it.

    `connects`: each of its users has a connection; the others call REST.
    """

    plays_scenario: ClassVar[bool] = False
    connects: ClassVar[bool] = True


class OurShape:
    """A LoadTestShape that stages or a search need; not one of the locustfile."""


def restore_task(user_class: Any) -> None:
    """Restores the one task that scenario users need, which Locust's --tags has filtered out."""
    if plays(user_class) and user_class.live not in user_class.tasks:
        user_class.tasks = [*user_class.tasks, user_class.live]


def plays(user_class: Any) -> bool:
    """Whether its users play the scenario."""
    return connects(user_class) and bool(user_class.plays_scenario)


def connects(user_class: Any) -> bool:
    """Whether its users have a measured connection: they play the scenario, or have tasks of their own."""
    return is_ours(user_class) and bool(user_class.connects)


def is_ours(user_class: Any) -> bool:
    """Whether it is a class of this package, or derived from one."""
    return issubclass(user_class, OurUser)
