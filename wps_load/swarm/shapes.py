"""A LoadTestShape of ours, where load is stages of users or a search for users.

Made by `lifecycle`, never exported by a locustfile: Locust instantiates every shape that it finds in one.
"""

from __future__ import annotations

import logging
from collections.abc import Callable

from locust import LoadTestShape


class Once(logging.Filter):
    """Locust's warning of a high spawn rate comes with each change of users, a dozen in a search: once says it."""

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


class UsersShape(LoadTestShape):
    """`wanted(elapsed_s)`: users and spawn rate as of now; None ends the run.

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
