"""Whether the requested load is possible: users, spawn rate and run time, with Locust's own defaults.

Each fault names one way out. A locustfile whose own LoadTestShape sets the number of users is not judged, nor is the
time of one without users that play a scenario: its tasks begin when they like.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

from wps_load.clock import NS_PER_S
from wps_load.errors import Fault
from wps_load.plurals import counted
from wps_load.settings.sources import Locustfile
from wps_load.workload.stages import LoadStep, Stages

if TYPE_CHECKING:
    from wps_load.settings.run_config import RunConfig


LEAST_S = 1.0
"""The time that must be left to measure when all users are connected and the warm-up is over."""
LEAD_S = 0.2
"""From the last connection to the first message, on all workers (`swarm.coordinator.LEAD_NS`)."""
STEP_S = 6.0
"""The shortest step of a search: the load takes effect, and is measured (`swarm.load_stepper`)."""
USUAL_S = 10.0
FASTEST = 1000
"""The advised spawn rate connects everybody in this time or half of the run, but is never above the second figure."""


def unreachable(
    config: RunConfig, locustfile: Locustfile, wrong: frozenset[str], *, default_rate: bool
) -> Iterator[Fault]:
    """Every fault of the load. `wrong`: flags that are refused already. `default_rate`: no spawn rate was given."""
    numbers = [*_numbers(config)]
    yield from numbers
    changing = next(
        (flag for flag, plan in (("--wps-stages", config.stages), ("--wps-capacity", config.capacity))
         if plan is not None and plan.variable == "users"), None,
    )  # fmt: skip
    if locustfile.shape is not None:
        if changing is not None:
            name = locustfile.shape
            yield Fault(changing, None, f"the locustfile has a load shape of its own, {name}: only one of them")
        return
    skipped = {"--wps-scenario", "--wps-warmup", "--wps-stages", "--wps-capacity", "--wps-publishers"}
    if numbers or config.users is None or not wrong.isdisjoint(skipped):
        return
    load = _Load(config, default_rate)
    if config.stages is not None and config.capacity is None:
        yield from load.stages(config.stages)
    elif config.capacity is not None and config.stages is None:
        yield from load.search()
    elif locustfile.plays_scenario:
        yield from load.steady()


def _numbers(config: RunConfig) -> Iterator[Fault]:
    if config.users is not None and config.users < 1:
        yield Fault("--users", str(config.users), "at least 1")
    if not config.spawn_rate > 0 or not math.isfinite(config.spawn_rate):
        yield Fault("--spawn-rate", f"{config.spawn_rate:g}", "users per second, a number above zero")
    if config.run_time_s is not None and config.run_time_s <= 0:
        yield Fault("--run-time", f"{config.run_time_s:g}", "a time above zero such as 30s, 20m or 1h30m; or none")


@dataclass(frozen=True, slots=True)
class _Load:
    config: RunConfig
    default_rate: bool

    # -- one number of users ---------------------------------------------------------------------------------------

    def steady(self) -> Iterator[Fault]:
        users, run_time_s, warmup_s = self.config.users or 1, self.config.run_time_s, self._warmup_s
        if run_time_s is None:
            return
        if warmup_s + LEAST_S > run_time_s:
            if warmup_s:
                yield Fault("--wps-warmup", f"{warmup_s:g}s", f"it leaves nothing of the {run_time_s:g}s (--run-time)")
                return
            yield Fault("--run-time", f"{run_time_s:g}s", f"at least {LEAST_S:g}s, to measure something")
            return
        left_s = run_time_s - warmup_s - self._ramp_s(users)
        if left_s < LEAST_S:
            also = f" and the warm-up {warmup_s:g} s" if warmup_s else ""
            yield self._too_slow(
                f"{_connecting(users)} {self._speed} takes {users / self.config.spawn_rate:g} s{also} "
                f"of the {run_time_s:g} s", users, run_time_s - warmup_s,
            )  # fmt: skip
            return
        yield from self._silent(users, left_s - LEAD_S)

    def _silent(self, users: int, left_s: float) -> Iterator[Fault]:
        """The fault of a rate at which the first message would come after the end."""
        config = self.config
        rates = config.planned_rates(users)
        per_s = float(sum(rate or 0 for rate in rates))
        if None in rates or not per_s or per_s * left_s >= 1:
            return
        yield Fault(
            "--run-time", f"{config.run_time_s:g}s",
            f"no message is due in the {left_s:.3g} s that are left to measure: it is {per_s:g} a second of all "
            f"publishers; give at least -t {math.ceil((config.run_time_s or 0) - left_s + 2 / per_s)}s",
        )  # fmt: skip

    # -- stages ----------------------------------------------------------------------------------------------------

    def stages(self, plan: Stages) -> Iterator[Fault]:
        run_time_s, whole_s = self.config.run_time_s, plan.duration_ns / NS_PER_S
        before_s = 0.0
        if plan.variable == "users":
            yield from self._steps_out_of_reach(plan)
        else:
            before_s = self._ramp_s(self.config.users or 1) + self._warmup_s
        if run_time_s is not None and run_time_s < before_s + whole_s:
            first = f", after {before_s:.3g} s of connecting and warm-up" if before_s else ""
            enough_s = math.ceil(before_s + whole_s + (LEAST_S if plan.variable == "rate" else 0))
            yield Fault(
                "--wps-stages", None,
                f"they take {whole_s:g} s{first}, and --run-time ends them after {run_time_s:g} s: "
                f"leave it out, or give -t {enough_s}s",
            )  # fmt: skip

    def _steps_out_of_reach(self, plan: Stages) -> Iterator[Fault]:
        """One fault for all steps: the first of them, and a spawn rate that is enough for each."""
        sentence, enough = "", 0
        for before, step in pairwise((LoadStep(0, 0), *plan.steps)):
            change, lasts_s = abs(step.value - before.value), step.duration_ns / NS_PER_S
            if max(0, change - 1) / self.config.spawn_rate < lasts_s:
                continue
            origin = f"reaching {step.value:,} users from {before.value:,}"
            what = origin if before.value else _connecting(step.value)
            takes_s = change / self.config.spawn_rate
            sentence = sentence or f"{what} {self._speed} takes {takes_s:g} s of its {lasts_s:g} s"
            enough = max(enough, math.ceil(change / min(USUAL_S, lasts_s / 2)))
        if sentence:
            yield Fault("--wps-stages", None, f"{sentence}: give -r {enough}")

    # -- a search --------------------------------------------------------------------------------------------------

    def search(self) -> Iterator[Fault]:
        """A search needs time for at least one step, and to reach the highest load of its range."""
        config, run_time_s = self.config, self.config.run_time_s
        assert config.capacity is not None
        if run_time_s is None:
            return
        users = config.peak_users or 1
        free_s = run_time_s - self._warmup_s - STEP_S
        if free_s < 0:
            yield Fault(
                "--run-time", f"{run_time_s:g}s",
                f"too short for a step of the search: give at least -t {math.ceil(10 * STEP_S + self._warmup_s)}s",
            )  # fmt: skip
        elif self._ramp_s(users) > free_s:
            yield self._too_slow(
                f"{_connecting(users)} {self._speed} takes {users / config.spawn_rate:g} s of the {run_time_s:g} s",
                users, free_s,
            )  # fmt: skip

    # -- words -----------------------------------------------------------------------------------------------------

    @property
    def _warmup_s(self) -> float:
        return self.config.warmup_ns / NS_PER_S

    def _ramp_s(self, users: int) -> float:
        """Seconds from the first connection's slot to the last one's."""
        return (users - 1) / self.config.spawn_rate

    @property
    def _speed(self) -> str:
        return f"at {self.config.spawn_rate:g} a second" + (", Locust's default," if self.default_rate else "")

    def _too_slow(self, what: str, users: int, free_s: float) -> Fault:
        given = None if self.default_rate else f"{self.config.spawn_rate:g}"
        rate = math.ceil(users / max(0.001, min(USUAL_S, free_s / 2)))
        more = ""
        if rate > FASTEST:
            rate = FASTEST
            short_s = users / rate + LEAST_S - free_s
            more = f" and -t {math.ceil((self.config.run_time_s or 0) + short_s)}s" if short_s > 0 else ""
        return Fault("--spawn-rate", given, f"{what}: give -r {rate}{more}")


def _connecting(users: int) -> str:
    return f"connecting {counted(users, 'user')}"
