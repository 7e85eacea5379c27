"""A LoadTestShape of ours, where load is stages of users or a search for users.

Made by `lifecycle`, never exported by a locustfile: Locust instantiates every shape that it finds in one.
"""

from __future__ import annotations

from collections.abc import Callable

from locust import LoadTestShape


class UsersShape(LoadTestShape):
    """`wanted(elapsed_s)`: users and spawn rate as of now; None ends the run.

    Locust leaves `-t` to a shape, so `wanted` obeys it.
    """

    use_common_options = True

    def __init__(self, wanted: Callable[[float], tuple[int, float] | None]) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._wanted = wanted

    def tick(self) -> tuple[int, float] | None:
        return self._wanted(self.get_run_time())  # type: ignore[no-untyped-call]
