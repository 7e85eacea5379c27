"""`WebPubSubUser`: Web PubSub for the tasks of any locustfile."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from typing import Any

from locust.exception import StopUser

from wps_load.client.api import WebPubSubClient
from wps_load.errors import Fault, Finding
from wps_load.settings.classes import TaskClass
from wps_load.swarm.install import agent_of
from wps_load.swarm.user_attributes import attribute_faults, task_class
from wps_load.swarm.users import TasksUser


class WebPubSubUser(TasksUser):
    """A Locust user whose `client` speaks Web PubSub, with the target and protocol of the `--wps-*` options.

    A `Finding` that a task does not catch ends the task, not the user: it is in the table of failures already, and the
    log has the first of its kind. Every connection joins `groups`. `user_id` (of the class, or set in `__init__`) is
    the user id of minted tokens; without it each user has one of its own. `protocol`, `hub`, `roles` and `auth`
    override the options of these names for this class.
    """

    abstract = True
    protocol: str | None = None
    hub: str | None = None
    roles: str | Sequence[str] | None = None
    auth: str | None = None
    groups: Sequence[str] = ()
    user_id: str | None = None

    @classmethod
    def attribute_faults(cls) -> Iterator[Fault]:
        return attribute_faults(cls)

    @classmethod
    def task_class(cls) -> TaskClass:
        return task_class(cls)

    def __init__(self, environment: Any) -> None:
        super().__init__(environment)
        self._client: WebPubSubClient | None = None

    @property
    def client(self) -> WebPubSubClient:
        """This user's client, which connects when it is first used. Raises StopUser outside a run."""
        if self._client is None:
            agent = agent_of(self.environment)
            if agent is None:
                raise StopUser
            self._client = WebPubSubClient(
                agent.engine.of_class(type(self).__name__).connections,
                user_id=self.user_id,
                groups=self.groups,
                on_callback_error=self._callback_failed,
            )
        return self._client

    def start(self, group: Any) -> Any:
        """The connection ends with the user's greenlet, however that ends; `on_stop` remains for the locustfile."""
        greenlet = super().start(group)
        greenlet.rawlink(self._ended)
        return greenlet

    def _ended(self, _greenlet: Any) -> None:
        if self._client is not None:
            self._client.end()

    def _callback_failed(self, error: Exception) -> None:
        """Reports the error as Locust reports a task's; a Finding is counted already."""
        if not isinstance(error, Finding):
            tb = error.__traceback__ or sys.exc_info()[2]
            self.environment.events.user_error.fire(user_instance=self, exception=error, tb=tb)
