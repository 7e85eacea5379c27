"""`AppServerUser`: REST calls to Web PubSub for the tasks of any locustfile."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from locust.exception import StopUser

from wps_load.client.app_server import AppServerClient
from wps_load.errors import Fault
from wps_load.settings.classes import TaskClass
from wps_load.swarm.install import agent_of
from wps_load.swarm.user_attributes import attribute_faults, task_class
from wps_load.swarm.users import TasksUser


class AppServerUser(TasksUser):
    """A Locust user whose `client` calls the service by REST, as an app server does, without a connection of its own.

    It needs a connection string, whose key signs the calls. `hub` overrides `--wps-hub` for this class. A `Finding`
    that a task does not catch ends the task, not the user.
    """

    abstract = True
    connects = False
    hub: str | None = None

    @classmethod
    def attribute_faults(cls) -> Iterator[Fault]:
        return attribute_faults(cls)

    @classmethod
    def task_class(cls) -> TaskClass:
        return task_class(cls, rest=True)

    def __init__(self, environment: Any) -> None:
        super().__init__(environment)
        self._client: AppServerClient | None = None

    @property
    def client(self) -> AppServerClient:
        """This user's client; the users of a class share its connections. Raises StopUser outside a run."""
        if self._client is None:
            agent = agent_of(self.environment)
            if agent is None:
                raise StopUser
            self._client = agent.engine.of_class(type(self).__name__).app_server()
        return self._client
