"""Users who come, go, and come again while others publish."""

from __future__ import annotations

from locust import LoadTestShape

from wps_load.swarm.users import ScenarioUser

STEPS = ((2.0, 10), (3.5, 20), (5.0, 5), (6.5, 15))
"""(until, users)"""


class Load(ScenarioUser):
    abstract = False


class UpAndDown(LoadTestShape):
    def tick(self) -> tuple[int, float] | None:
        elapsed_s = self.get_run_time()  # type: ignore[no-untyped-call]  # Locust's
        return next(((users, 50.0) for until_s, users in STEPS if elapsed_s < until_s), None)
