"""Drives load in steps: `--wps-stages rate:...`, and the search of `--wps-capacity`.

A step: the load is set at a whole second, it takes some seconds to take effect, and is then measured over whole
seconds, which the collector writes anyway. After a step that overloaded the service, the load returns to the lowest of
its range until the backlog is delivered. Connections stay open throughout.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Callable

import gevent

from wps_load.capacity.forecast import fan_out
from wps_load.capacity.search import CapacitySearch, Found, Outcome
from wps_load.clock import NS_PER_S, now_ns
from wps_load.measure import thresholds
from wps_load.report import document, load_steps
from wps_load.report.document import Capacity, SloRow, StagesSection
from wps_load.report.summary import slo_rows
from wps_load.settings.run_config import RunConfig
from wps_load.swarm import measured_steps
from wps_load.swarm.conductor import LEAD_NS
from wps_load.swarm.coordinator import Coordinator
from wps_load.swarm.watch import WatchedSeconds
from wps_load.workload import stages
from wps_load.workload.layout import publisher_count

logger = logging.getLogger(__name__)

SETTLE_S = 2
"""From a change of load to its measurement."""
SHORTEST_S, USUAL_S, LONGEST_S = 3, 10, 30
"""How long a step is measured: as usual without `-t`; with it, as it leaves time for each step, in bounds."""
SPARE_STEPS = 2
"""Kept in reserve for surprises, and for recovering from steps that fail."""
RECOVERY_S = 30
PATIENCE_S = 10
"""The longest wait in a step of users for the next one of those that were refused: back-off is not a failure yet."""
RECOVERED_SHARE = 0.05
QUIET_S = 10
"""The longest wait for losses while connections were down to be noticed: a publisher's next message shows them."""


def step_seconds(left_s: float | None, steps_left: int, recovery_s: float) -> int:
    """How long the next step is measured.

    `left_s`: the rest of the run, None if it has no end; a recovery takes `recovery_s`.
    """
    if left_s is None:
        return USUAL_S
    # about every other step to come fails, and must be recovered from
    share_s = (left_s - recovery_s * steps_left / 2) / (steps_left + SPARE_STEPS) - SETTLE_S - 1
    return max(SHORTEST_S, min(LONGEST_S, int(share_s)))


def deliveries_of_one(config: RunConfig, users: int) -> float:
    """The deliveries expected from one publication, as the ledger counts them: slow readers are in no account."""
    due, slow = fan_out(config, max(1, users)), config.population.slow
    return due if slow is None else due * (1 - slow.share.of(users) / max(1, users))


def come_and_go(config: RunConfig) -> bool:
    """Whether the scenario ends connections itself, or makes the service end them."""
    population = config.population
    return any(part is not None for part in (population.lifetime_ns, population.cut, population.slow))


class LoadStepper:
    """`set_users(n)` requests n users from Locust. `say(text)` prints a line on the terminal. `end()` ends the run."""

    def __init__(
        self,
        coordinator: Coordinator,
        *,
        set_users: Callable[[int], None],
        say: Callable[[str], None],
        end: Callable[[], None],
    ) -> None:
        self._coordinator = coordinator
        self._conductor = coordinator.conductor
        self._config: RunConfig = coordinator.conductor.plan.config
        self._set_users = set_users
        self._say = say
        self._end = end
        self._metric = self._config.population.main_metric
        self._slos = self._config.slos
        self._recovery_s = 0.0
        """The duration of the last recovery."""
        self.found: Found | None = None
        self.steps: list[document.StepRow] = []
        self._whole = self._conductor.collector.watch(0)
        """The seconds of the whole run, for connects."""
        self._stages: list[tuple[stages.LoadStep, WatchedSeconds]] = []
        self.held: measured_steps.StepSeconds | None = None
        """The step at the highest load that passed."""

    def begin(self) -> None:
        """Publishing begins: from now on the stepper controls the load."""
        self._watch_stages()
        self._greenlet = gevent.spawn(self._run)

    def _run(self) -> None:
        if self._config.capacity is not None:
            self.search()
            self._end()
        elif self._config.stages is not None and self._config.stages.variable == "rate":
            self._follow_stages()
            self._end()

    def best_slo(self) -> list[SloRow] | None:
        """The SLOs of the highest step that passed."""
        if self.held is None:
            return None
        results = [thresholds.evaluate(slo, self.held) for slo in self._slos]
        return slo_rows(results)

    # -- stages of the rate ----------------------------------------------------------------------------------

    def _follow_stages(self) -> None:
        """Sets one rate after the other, from the beginning of the measure phase."""
        stages, at_ns = self._config.stages, self._conductor.measure_start_ns
        assert stages is not None
        assert at_ns is not None
        for step in stages.steps:
            self._coordinator.set_rate(step.value, at_ns)
            at_ns += step.duration_ns
            while not self._conductor.stopping and now_ns() < at_ns - LEAD_NS:
                gevent.sleep(0.05)

    # -- the search ------------------------------------------------------------------------------------------

    def search(self) -> None:
        """Searches until the limit is bracketed, the range or the time is used up, or the generator is the limit."""
        span = self._config.capacity
        assert span is not None
        search = CapacitySearch(span.low, span.high)
        while (load := search.next_load()) is not None:
            end_ns = self._conductor.planned_end_ns
            left_s = None if end_ns is None else (end_ns - now_ns()) / NS_PER_S
            measured_s = step_seconds(left_s, search.steps_left(), self._recovery_s)
            step = self.step(span.variable, load, measured_s) if self._time_for(measured_s + SETTLE_S) else None
            if step is None:
                break
            outcome, reasons = measured_steps.judge(
                step, self._slos, self._metric, of_users=span.variable == "users", come_and_go=come_and_go(self._config)
            )
            search.record(load, outcome, step.carried)
            self._note(step, outcome, reasons)
            if outcome is Outcome.HELD and (self.held is None or load >= self.held.load):
                self.held = step
            if outcome is Outcome.FAILED:
                began_ns = now_ns()
                self._recover(span.variable, span.low)
                self._recovery_s = (now_ns() - began_ns) / NS_PER_S
        self.found = search.found(out_of_time=search.next_load() is not None)
        self._say(self._answer())

    def _having_population(self, users: int) -> int:
        """How many of these users connect: with a mix's shares, some may have no population."""
        config = self._config
        return users if config.mix is None else self._conductor.mixture.having_one(users)

    def _note(self, step: measured_steps.StepSeconds, outcome: Outcome, reasons: list[str]) -> None:
        self.steps.append(load_steps.describe(step, self._metric, outcome, reasons))
        self._say(load_steps.progress(len(self.steps), step.load, self._variable, outcome, reasons))

    @property
    def _variable(self) -> str:
        span = self._config.capacity
        return "rate" if span is None else span.variable

    def _answer(self) -> str:
        return load_steps.answer(self.found, self._variable, self.steps)

    def summary(self) -> Capacity | None:
        """`capacity` of summary.json."""
        span, found = self._config.capacity, self.found
        if span is None or found is None:
            return None
        return {
            "variable": span.variable,
            "value": found.value,
            "low": found.low,
            "high": found.high,
            "bound_by": found.bound_by.value,
            "answer": self._answer(),
            "steps": self.steps,
        }

    def stages(self) -> StagesSection | None:
        """`stages` of summary.json: each stage's own statistics, without the seconds in which its load took effect."""
        plan = self._config.stages
        if plan is None or self._conductor.measure_start_ns is None:
            return None
        found = []
        for stage, watch in self._stages:
            if watch.seen_s <= watch.from_s:
                continue  # too short, or not reached: a stage without a second of its own has no statistics
            users = stage.value if plan.variable == "users" else self._conductor.plan.users
            step = measured_steps.cut(
                stage.value, watch, target_users=users, fan_out=deliveries_of_one(self._config, users)
            )
            found.append(load_steps.describe(step, self._metric, None, ()))
        return {"variable": plan.variable, "steps": found}

    def _watch_stages(self) -> None:
        plan, begun_ns, started_ns = self._config.stages, self._conductor.measure_start_ns, self._instant(0)
        if plan is None or begun_ns is None:
            return
        start_ns, before = begun_ns if plan.variable == "rate" else started_ns, 0
        for stage in plan.steps:
            from_s = -(-(start_ns - started_ns) // NS_PER_S)
            start_ns += stage.duration_ns
            to_s = (start_ns - started_ns) // NS_PER_S
            ramp_s = abs(stage.value - before) / self._config.spawn_rate if plan.variable == "users" else 0.0
            before = stage.value
            from_s = max(from_s + round(ramp_s), (begun_ns - started_ns) // NS_PER_S) + SETTLE_S
            self._stages.append((stage, self._conductor.collector.watch(from_s, to_s)))

    # -- one step --------------------------------------------------------------------------------------------

    def _time_for(self, seconds: float) -> bool:
        end_ns = self._conductor.planned_end_ns
        return not self._conductor.stopping and (end_ns is None or now_ns() + seconds * NS_PER_S < end_ns)

    def step(self, variable: str, load: int, measured_s: int) -> measured_steps.StepSeconds | None:
        """Plays one step. None: the run ended before the step did, which proves nothing about its load."""
        collector, asked = self._conductor.collector, self._coordinator.crowd.expected()
        connecting: list[WatchedSeconds] = [self._whole]
        if variable == "users":
            connecting.insert(0, collector.watch(self._second_after(now_ns()) - 1))
            self._set_users(load)
            asked = self._coordinator.await_users(load, PATIENCE_S * NS_PER_S)
            begin = self._second_after(now_ns())
        else:
            begin = self._second_after(now_ns() + LEAD_NS)
            self._coordinator.set_rate(load, self._instant(begin))
        measured = collector.watch(begin + SETTLE_S, begin + SETTLE_S + measured_s)
        since_set = collector.watch(begin, measured.to_s)
        try:
            if not self._measure(measured, deliveries_of_one(self._config, asked.playing)):
                return None
        finally:
            for watch in (measured, since_set, *connecting[:-1]):
                collector.unwatch(watch)
        return measured_steps.cut(
            load,
            measured,
            target_users=self._having_population(asked.connecting),
            fan_out=deliveries_of_one(self._config, asked.playing),
            connects=connecting,
            since_set=since_set,
        )

    def _measure(self, measured: WatchedSeconds, deliveries: float) -> bool:
        """Waits until the step's seconds are complete, or hopeless. False: the run ended before."""
        for second in range(int(measured.from_s) + SHORTEST_S, int(measured.to_s) + 1):
            self.await_second(second)
            if self._conductor.stopping:
                return False
            if measured_steps.hopeless(measured.rows, deliveries):
                return True
        return True

    def _recover(self, variable: str, low: int) -> None:
        """Waits until the service has delivered its backlog, and until lost and refused connections are settled."""
        if variable == "users":
            self._set_users(low)
            self._coordinator.await_users(low, NS_PER_S)
            # many of the remaining users were refused repeatedly, and would retry only after half a minute
            self._coordinator.retry()
            self._coordinator.await_users(low, PATIENCE_S * NS_PER_S)
            return
        self._coordinator.set_rate(low, now_ns() + LEAD_NS)
        quiet_s = self.reconnect(low)
        deliveries = deliveries_of_one(self._config, self._coordinator.crowd.expected().playing)
        calm_s = 0
        for _ in range(RECOVERY_S):
            self.await_second(self._second_after(now_ns()))
            newest = self._conductor.collector.newest
            counts = {} if newest is None else newest.counts
            due = counts.get("published", 0) * deliveries
            calm = counts.get("delivered", 0) <= due * (1 + RECOVERED_SHARE) + 1 and counts.get("missing", 0) <= 0
            calm_s = calm_s + 1 if calm else 0
            if self._conductor.stopping or calm_s >= quiet_s:
                return

    def reconnect(self, low: int) -> int:
        """Waits until users that lost their connections have new ones, or no more come.

        Returns the seconds without a loss that prove, at a rate of `low`, that all losses until now are known.
        """
        coordinator = self._coordinator
        asked = coordinator.crowd.expected()
        if come_and_go(self._config) or self._conductor.collector.open >= asked.connecting:
            return 1
        coordinator.retry()  # the reason for the refusals is gone, if it was the rate
        coordinator.await_users(asked.everybody, PATIENCE_S * NS_PER_S)
        publishers = publisher_count(self._config.population, asked.playing)
        return min(QUIET_S, math.ceil(publishers / low) + 1)

    def _second_after(self, at_ns: int) -> int:
        return -(-(at_ns - self._conductor.plan.started_ns) // NS_PER_S)

    def _instant(self, second: int) -> int:
        return self._conductor.plan.started_ns + second * NS_PER_S

    def await_second(self, second: int) -> None:
        """Waits until the collector has written the row that ends at `second`."""
        collector = self._conductor.collector
        while not self._conductor.stopping and not (collector.newest and collector.newest.to_s >= second):
            gevent.sleep(0.05)
