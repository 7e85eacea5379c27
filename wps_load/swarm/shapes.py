"""wps-load's LoadTestShape, for stages of users or a search for users.

It is created here and never exported by a locustfile, because Locust instantiates every shape that it finds in one.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

from locust import LoadTestShape
from locust.env import Environment

from wps_load.settings.run_config import RunConfig
from wps_load.swarm.kinds import OurShape


class Once(logging.Filter):
    """Shows Locust's warning about a high spawn rate once; it comes with each change of users, a dozen in a search."""

    def __init__(self) -> None:
        super().__init__()
        self._said: set[str] = set()

    def filter(self, record: logging.LogRecord) -> bool:
        text = record.getMessage()
        if "spawn rate" not in text or record.levelno != logging.WARNING:
            return True
        known = text in self._said
        self._said.add(text)
        return not known


class UsersShape(OurShape, LoadTestShape):
    """`wanted(elapsed_s)` returns users and spawn rate as of now; None ends the run.

    Locust leaves `-t` to a shape, so `wanted` obeys it.
    """

    use_common_options = True

    def __init__(self, wanted: Callable[[float], tuple[int, float] | None]) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._wanted = wanted
        runners = logging.getLogger("locust.runners")
        if not any(isinstance(each, Once) for each in runners.filters):
            runners.addFilter(Once())

    def tick(self) -> tuple[int, float] | None:
        return self._wanted(self.get_run_time())  # type: ignore[no-untyped-call]


class UsersInSteps:
    """How many users Locust must have at each moment, if that is not a constant."""

    def __init__(self, environment: Environment, runner: Any) -> None:
        self._environment = environment
        self._runner = runner
        self._config: RunConfig | None = None
        self._wanted: int | None = None
        self._over = False

    @property
    def in_force(self) -> bool:
        return isinstance(self._environment.shape_class, UsersShape)

    def install(self, config: RunConfig) -> None:
        """Prepares the next run. A shape of the locustfile stays: options that would replace it were refused."""
        self._config = config
        if any(plan is not None and plan.variable == "users" for plan in (config.stages, config.capacity)):
            shape = UsersShape(self._tick)
            shape.runner = self._runner
            self._environment.shape_class = shape
        elif self.in_force:
            self._environment.shape_class = None

    def begin(self) -> None:
        self._wanted, self._over = None, False

    def want(self, count: int) -> None:
        """A search requests this many users."""
        self._wanted = count

    def end(self) -> None:
        """Locust ends the run itself when it next calls the shape."""
        self._over = True

    def _tick(self, elapsed_s: float) -> tuple[int, float] | None:
        """The shape's answer: users and spawn rate; None for the end."""
        config = self._config
        assert config is not None
        rate, run_time_s = config.spawn_rate, config.run_time_s
        if self._over or (run_time_s is not None and elapsed_s >= run_time_s):
            return None
        if config.stages is not None:
            return config.stages.tick(elapsed_s, users=config.users or 1, spawn_rate=rate, run_time_s=run_time_s)
        assert config.capacity is not None
        return self._wanted or config.capacity.low, rate
