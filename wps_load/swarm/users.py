"""wps-load's user classes for Locust."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Sequence
from inspect import isclass, isfunction
from typing import Any

import locust
from gevent.event import Event
from locust import TaskSet, User, task

from wps_load.errors import Fault, Finding
from wps_load.settings.classes import TaskClass
from wps_load.swarm.install import agent_of, install
from wps_load.swarm.kinds import OurUser
from wps_load.swarm.players import UserSeat

_QUIET = "wps_quiet"


class InstalledUser(OurUser, User):
    """Installs wps-load when a locustfile subclasses it, because options must exist before Locust parses them."""

    abstract = True

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        install(locust.events)

    @classmethod
    def attribute_faults(cls) -> Iterator[Fault]:
        """The faults in the attributes that a locustfile gave this class, found before anything connects."""
        yield from ()

    @classmethod
    def task_class(cls) -> TaskClass | None:
        """The settings that a locustfile makes for this class; None: its users play the scenario."""
        return None


class TasksUser(InstalledUser):
    """A user with tasks of its own. A Finding that a task does not catch ends the task, not the user."""

    abstract = True

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        cls.tasks = _quiet(cls.tasks)


class ScenarioUser(InstalledUser):
    """One simulated Web PubSub client, which plays the part that `--wps-scenario` gives it."""

    abstract = True
    plays_scenario = True

    def __init__(self, environment: Any) -> None:
        super().__init__(environment)
        self._seat: UserSeat | None = None

    @task
    def live(self) -> None:
        """The whole life of the client, and of those that take its place: one task that never ends."""
        agent = agent_of(self.environment)
        if agent is not None:
            self._seat = agent.players.sit_down()
            agent.players.live(self._seat)
        Event().wait()

    def stop(self, force: bool = False) -> bool:
        """Stops at once: its task never ends, so Locust's --stop-timeout would wait in vain."""
        return bool(super().stop(force=True))

    def on_stop(self) -> None:
        agent = agent_of(self.environment)
        if self._seat is not None and agent is not None:
            agent.players.give_up(self._seat)
            self._seat = None


def _quiet(tasks: Sequence[Any]) -> list[Any]:
    """The tasks, also of nested TaskSets; a Finding, which is counted and logged, ends each of them silently."""
    found: list[Any] = []
    for each in tasks:
        if isfunction(each):
            found.append(each if hasattr(each, _QUIET) else _ending_quietly(each))
            continue
        if isclass(each) and issubclass(each, TaskSet):
            each.tasks = _quiet(each.tasks)
        found.append(each)
    return found


def _ending_quietly(task: Callable[..., Any]) -> Callable[..., Any]:
    """Returns `task`, which a Finding ends silently."""

    @functools.wraps(task)
    def run(holder: Any) -> Any:
        try:
            return task(holder)
        except Finding:
            return None

    setattr(run, _QUIET, True)
    return run
