"""A run's facts for its report, collected from conductor and collector. Pure."""

from __future__ import annotations

import os
import platform
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from typing import Protocol

from wps_load.capacity.units import BILLED_MESSAGE_BYTES
from wps_load.clock import NS_PER_MS, NS_PER_S
from wps_load.report.document import Capacity, Scalar, SloRow, StagesSection
from wps_load.report.interval import p99_ms
from wps_load.report.model import (
    ConnectionCounts,
    GeneratorHealth,
    PhaseSpan,
    RunFacts,
    RunState,
    Worker,
)
from wps_load.report.user_phases import UserPhase
from wps_load.settings.run_config import RunConfig
from wps_load.swarm.conductor import Conductor
from wps_load.swarm.population_facts import counted, with_populations

_PACKAGES = ("wps-load", "locust", "gevent", "websocket-client", "PyJWT", "orjson")


class Steps(Protocol):
    """The driver of load in steps, as far as the report needs it."""

    def summary(self) -> Capacity | None:
        """`capacity` of summary.json."""
        ...

    def best_slo(self) -> Sequence[SloRow] | None:
        """The SLOs of the highest step that passed."""
        ...

    def stages(self) -> StagesSection | None:
        """`stages` of summary.json."""
        ...


def gather(
    conductor: Conductor,
    started_at: datetime,
    state: RunState,
    *,
    target_users: int,
    now_ns: int,
    steps: Steps | None = None,
    user_phases: Sequence[UserPhase] = (),
) -> RunFacts:
    """The facts as of `now_ns`: of a finished run, or in its middle (`RunState.RUNNING`)."""
    plan, collector = conductor.plan, conductor.collector
    config = plan.config
    totals = collector.totals() if conductor.measure_start_ns is not None else None
    if not plan.scenario_users and totals is not None and not totals.published + totals.send_failed:
        totals = None  # tasks have sent nothing measured, and messages without a stamp are not accounted for
    end_ns = conductor.ended_ns or now_ns
    counters = collector.total.counters
    received = counters.get("bytes_received", 0)
    facts = RunFacts(
        run_id=plan.run_id,
        started_at=started_at,
        duration_s=(end_ns - plan.started_ns) / NS_PER_S,
        scenario=scenario_name(config, plan.scenario_users),
        protocol=config.protocols,
        target=config.target.describe(),
        settings=config.settings(),
        settings_hash=config.settings_hash,
        seed=config.seed,
        versions=versions(),
        host=_host(),
        state=state,
        latencies=config.latencies if plan.scenario_users else (),
        closed_loop=all(each.closed_loop for each in config.populations),
        has_messages=any(each.scenario_row.publishes for each in config.populations) and plan.scenario_users,
        tls_verified=_tls_verified(config),
        connections=_connections(conductor, target_users),
        offered=None if totals is None else totals.published + totals.send_failed,
        totals=totals,
        billed_outbound=-(-received // BILLED_MESSAGE_BYTES),
        bytes_sent=counters.get("bytes_sent", 0),
        bytes_received=received,
        measure_s=conductor.measured_s(now_ns),
        snapshot=collector.total,
        timeline=collector.timeline.rows(portions=state is not RunState.RUNNING),
        phases=_phases(conductor, end_ns),
        generator=_health(conductor, end_ns),
        workers=_workers(conductor, end_ns),
        slos=config.slos,
        capacity=None if steps is None else steps.summary(),
        best_slo=None if steps is None else steps.best_slo(),
        stages=None if steps is None else steps.stages(),
        user_phases=user_phases,
        trouble=conductor.trouble,
        refused_users=conductor.requested.refused,
        reset_s=None if conductor.reset_ns is None else (conductor.reset_ns - plan.started_ns) / NS_PER_S,
    )
    return with_populations(conductor, facts) if config.is_mix else facts


def scenario_name(config: RunConfig, scenario_users: bool) -> str:
    """The name of a run: its scenario, or the file of its tasks if nobody plays a scenario."""
    return config.mix or config.population.scenario if scenario_users else "locustfile"


def _connections(conductor: Conductor, target: int) -> ConnectionCounts:
    collector, requested = conductor.collector, conductor.requested
    begin_ns, end_ns = conductor.measure_start_ns, conductor.measure_end_ns
    open_mean = requested_mean = open_end = None
    requested_end = None if end_ns is None else requested.at_end(end_ns)
    if begin_ns is not None and (end_ns is None or end_ns > begin_ns):
        seen = collector.presence(begin_ns, end_ns)
        length_s = (seen.until_ns - begin_ns) / NS_PER_S
        if length_s > 0:
            open_mean = round(seen.open_s / length_s, 3)
            requested_mean = round(requested.mean(seen.until_ns) + seen.wanted_s / length_s, 3)
        open_end = seen.open_end
        requested_end = None if end_ns is None else requested.at_end(end_ns) + (seen.wanted_end or 0)
    return replace(
        counted(collector.total),
        target=max(target, requested.most),
        requested_mean=requested_mean,
        requested_end=requested_end,
        open_mean=open_mean,
        open_end=open_end,
        connecting=collector.connecting,
        peak=collector.peak_open,
    )


def _health(conductor: Conductor, end_ns: int) -> GeneratorHealth:
    collector, roster = conductor.collector, conductor.roster
    error_ns = roster.clocks.error_ns(end_ns)
    return GeneratorHealth(
        workers=len(roster.agents.keys() | roster.lost),
        workers_lost=len(roster.lost),
        workers_away=len((roster.away | set(collector.paused_s)) - roster.lost),
        away_s_max=max(collector.paused_s.values(), default=None),
        cpu_percent_max=collector.cpu_percent_max,
        loop_lag_ms_p99=p99_ms(collector.total.histograms.get("loop_lag")),
        send_lag_ms_p99=p99_ms(collector.total.histograms.get("send_lag")),
        rss_bytes_max=collector.rss_bytes_max,
        send_stalls=collector.total.counters.get("send_stalls", 0),
        gc_pause_ms_max=collector.gc_pause_ns_max / NS_PER_MS,
        lags=list(collector.lags.values()),
        clock_error_ms=None if error_ns is None else error_ns / NS_PER_MS,
    )


def _workers(conductor: Conductor, end_ns: int) -> list[Worker]:
    collector, roster = conductor.collector, conductor.roster
    errors_ns = roster.clocks.errors_ns(end_ns)
    hosts = {host: f"host {i}" for i, host in enumerate(dict.fromkeys(each.host for each in roster.agents.values()), 1)}
    found = []
    for name, state in roster.agents.items():
        error_ns = errors_ns.get(name)
        found.append(
            Worker(
                name=name,
                host=hosts[state.host],
                users=state.most if conductor.plan.scenario_users else None,
                most_open=collector.most_open.get(name),
                cpu_percent_max=collector.busiest.get(name),
                send_lag_ms_p99=p99_ms(collector.lags.get(name, {}).get("send_lag")),
                clock_error_ms=None if error_ns is None else error_ns / NS_PER_MS,
                lost=name in roster.lost,
            )
        )
    return found + [Worker(name=name, lost=True) for name in sorted(roster.lost - roster.agents.keys())]


def _phases(conductor: Conductor, end_ns: int) -> list[PhaseSpan]:
    started = conductor.plan.started_ns
    known = [(name, at) for name, at in conductor.phases if at <= end_ns]
    ends = [at for _, at in known[1:]] + [end_ns]
    return [
        PhaseSpan(name, (at - started) / NS_PER_S, (end - at) / NS_PER_S)
        for (name, at), end in zip(known, ends, strict=True)
    ]


def _tls_verified(config: RunConfig) -> bool | None:
    target = config.target
    secure = target.connection.tls if target.connection is not None else target.url.startswith(("wss://", "https://"))
    return (not config.insecure) if secure else None


@cache
def versions() -> dict[str, str]:
    """Read once: looking up six packages takes milliseconds in which no message is read."""
    found = {"python": platform.python_version()}
    for package in _PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found


def _host() -> dict[str, Scalar]:
    return {"system": platform.system(), "machine": platform.machine(), "cpus": os.cpu_count()}
