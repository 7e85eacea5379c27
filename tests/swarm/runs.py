"""A run under a test's control: a plan, Locust's requested users, reports, and a conductor."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from wps_load.measure.presence import Presence
from wps_load.measure.snapshot import Snapshot
from wps_load.report.interval import Interval
from wps_load.settings.load import load
from wps_load.settings.run_config import RunConfig
from wps_load.swarm.actions import Actions, Send
from wps_load.swarm.conductor import Conductor
from wps_load.swarm.epoch_report import EpochReport
from wps_load.swarm.messages import Report, ToAgent, Vitals
from wps_load.swarm.run_plan import Expected, RunPlan

NUMBER = 7
"""Of the run."""
COUNTS = ("offered", "published", "send_failed_service", "send_failed_plan", "delivered", "missing", "missing_opened",
          "duplicated", "reordered", "misdelivered", "corrupted")  # fmt: skip


@dataclass
class FakeCrowd:
    """The users that Locust is to have. `ours`: those that play the scenario, all of them if None."""

    users: int = 10
    per_second: float = 10.0
    ours: int | None = None

    def spawn_rate(self) -> float:
        return self.per_second

    def expected(self) -> Expected:
        return Expected(self.requested(), self.requested(), self.users)

    def requested(self) -> int:
        return self.users if self.ours is None else self.ours


def configured(users: int = 10, run_time_s: float | None = None, **options: str) -> RunConfig:
    given = {"wps_report_dir": "", **{f"wps_{name}": text for name, text in options.items()}}
    return load(given, users=users, spawn_rate=None, run_time_s=run_time_s, environ={}, sources={})


def planned(
    config: RunConfig | None = None, *, started_ns: int = 0, run_time_ns: int | None = None, scenario_users: bool = True
) -> RunPlan:
    return RunPlan(
        "run", NUMBER, config or configured(), 10, started_ns, run_time_ns=run_time_ns, scenario_users=scenario_users
    )


def conducted(plan: RunPlan | None = None, crowd: FakeCrowd | None = None) -> Conductor:
    return Conductor(plan or planned(), crowd or FakeCrowd(), own_host="here")


def second(
    to_s: float,
    snapshot: Snapshot | None = None,
    *,
    length_s: float = 1.0,
    users: int = 5,
    cpu_percent: float = 5.0,
    **counts: int,
) -> Interval:
    """One second of a run, as the collector puts it together."""
    return Interval(to_s - length_s, to_s, {"measure": length_s}, users, cpu_percent, counts, snapshot or Snapshot())


def report(
    second: int,
    *,
    partial: bool = False,
    is_open: int = 5,
    epoch: int = 1,
    presence: Presence | None = None,
    parts: tuple[EpochReport, ...] = (),
    counts: Mapping[str, int] | None = None,
) -> Report:
    """`counts`: of the epoch so far, and in this second."""
    found = {**dict.fromkeys(COUNTS, 0), **(counts or {})}
    return Report(second, partial, is_open, epoch, found, found, Vitals(1.0, 1, 0), presence, parts)


def told(actions: Actions, agent: str) -> list[ToAgent]:
    """What goes to one agent, by name or as to all."""
    return [each.message for each in actions if isinstance(each, Send) and each.agent in (agent, None)]
