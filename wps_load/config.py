"""What a run is to do: the options' texts, read and judged at once, as one frozen `RunConfig`.

`load` collects every fault before it raises, so that a user mends them in one go. Nothing here connects.
"""

from __future__ import annotations

import hashlib
import json
import random
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from fractions import Fraction
from typing import Any

from wps_load.auth import ConnectionString
from wps_load.config_rules import conflicts
from wps_load.errors import ConfigError, Fault
from wps_load.load_rules import unreachable
from wps_load.measure import thresholds
from wps_load.measure.catalog import main_metric
from wps_load.measure.thresholds import Slo, demanded
from wps_load.options import BY_FLAG, OPTIONS, TARGET_FLAGS, TIERS, Option
from wps_load.sources import Level, Locustfile, given_as
from wps_load.target import AZURE_VARIABLE, HOST, Given, Target, TargetKind, choose_target, empty
from wps_load.urls import without_secrets
from wps_load.workload.chaos import CutPlan, SlowPlan
from wps_load.workload.payload import Part, PayloadPlan, read_samples
from wps_load.workload.scenarios import SCENARIOS, Scenario, default_roles, latencies_of
from wps_load.workload.stages import CapacityRange, Stages
from wps_load.workload.values import Share

__all__ = ["AZURE_VARIABLE", "OPTIONS", "Option", "RunConfig", "Target", "TargetKind", "load"]

REDACTED = "[redacted]"
DEFAULT_SPAWN_RATE = 1.0
"""Locust's: users per second."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunConfig:
    """One run's settings. Times in ns, rates in messages per second as exact fractions; None: not set.

    `rate` None is the closed loop (`--wps-rate max`); `total_rate` replaces `rate`. `publishers`, `groups`
    and `group_size` None: the scenario's default (`workload.population.layout`). `report_dir` None: no files.
    """

    target: Target
    hub: str
    auth: str
    roles: tuple[str, ...]
    token_lifetime_ns: int
    protocol: str
    scenario: str
    rate: Fraction | None
    total_rate: Fraction | None
    arrival: str
    payload: tuple[Part, ...]
    samples: tuple[bytes, ...] | None = field(repr=False)
    data_type: str
    ack: bool
    no_echo: bool
    groups: int | None
    group_size: int | None
    publishers: Share | None
    lifetime_ns: int | None
    cut: CutPlan | None
    slow: SlowPlan | None
    connect_timeout_ns: int
    keepalive_interval_ns: int
    keepalive_timeout_ns: int
    answer_timeout_ns: int
    settle_ns: int
    warmup_ns: int
    drain_ns: int
    slo: str
    slos: tuple[Slo, ...]
    slo_abort: bool
    stages: Stages | None
    capacity: CapacityRange | None
    units: int | None
    tier: str | None
    report_dir: str | None
    seed: int
    emulator_faults: str | None
    ca_file: str | None
    insecure: bool
    prometheus_port: int | None
    allow_target_change: bool
    users: int | None
    spawn_rate: float
    run_time_s: float | None
    given: tuple[tuple[str, str | bool | None], ...] = field(repr=False)
    """What `settings` shows of each option: its text, the default's where it was not set, a secret's
    never.
    """

    @property
    def scenario_row(self) -> Scenario:
        return SCENARIOS[self.scenario]

    @property
    def closed_loop(self) -> bool:
        return self.rate is None and self.total_rate is None

    @property
    def latencies(self) -> tuple[str, ...]:
        """The latencies of messages that the run can have, the most telling first."""
        return latencies_of(self.scenario, self.protocol, ack=self.ack, no_echo=self.no_echo)

    @property
    def main_metric(self) -> str:
        """The latency that the run is about, as far as is known before it."""
        return main_metric(self.latencies, demanded(self.slos))

    @property
    def emulator_units(self) -> str | None:
        """`--units` of the embedded emulator: it keeps to what the target was bought as. None: no limits."""
        if self.tier == TIERS["free"]:
            return "free"
        return None if self.units is None else str(self.units)

    @property
    def peak_users(self) -> int | None:
        """The most users at a time, for which roles are dealt out: `-u`, or what stages or a search go up
        to.
        """
        for plan in (self.stages, self.capacity):
            if plan is not None and plan.variable == "users":
                return plan.peak
        return self.users

    def publisher_rate(self, publishers: int) -> Fraction | None:
        """Messages per second of each of `publishers`; None is the closed loop."""
        return self.total_rate / max(1, publishers) if self.total_rate is not None else self.rate

    def payload_plan(self, *, envelope: bool) -> PayloadPlan:
        """The run's messages; `envelope` True for JSON subprotocols, False for raw data and REST bodies."""
        if self.samples is not None:
            return PayloadPlan.from_samples(self.samples, self.data_type, envelope=envelope, seed=self.seed)
        return PayloadPlan.generated(self.payload, self.data_type, envelope=envelope, seed=self.seed)

    def with_emulator(self, connection_string: str) -> RunConfig:
        """The same run against the emulator that now listens there."""
        return replace(self, target=replace(self.target, connection=ConnectionString.parse(connection_string)))

    def settings(self) -> dict[str, str | bool | float | None]:
        """Everything needed to do the run again, secrets redacted: option keys as in a `--config` file."""
        return {
            "users": self.users,
            "spawn-rate": self.spawn_rate,
            "run-time": self.run_time_s,
            **dict(self.given),
        }

    def comparable(self) -> dict[str, str]:
        """What two runs must share for their figures to be compared: the load and what it meets.

        Not in it: the seed, names and addresses of the target (but whether it is the emulator), units and
        tier (more of them is what one compares), TLS, durations, SLOs, reports.
        """
        values: dict[str, object] = {
            name: getattr(self, name)
            for name in (
                "scenario", "protocol", "rate", "total_rate", "arrival", "payload", "data_type", "ack",
                "no_echo",
                "groups", "group_size", "publishers", "lifetime_ns", "cut", "slow", "stages", "capacity",
                "emulator_faults", "users", "spawn_rate",
            )
        }  # fmt: skip
        values["emulator"] = self.target.is_emulator
        values["samples"] = hashlib.sha256(b"\n".join(self.samples)).hexdigest() if self.samples else None
        return {name: str(value) for name, value in values.items()}

    @property
    def settings_hash(self) -> str:
        """16 hex digits over `comparable`."""
        return hashlib.sha256(json.dumps(self.comparable(), sort_keys=True).encode()).hexdigest()[:16]


def load(
    values: Mapping[str, Any],
    *,
    users: int | None,
    spawn_rate: float | None,
    environ: Mapping[str, str],
    run_time_s: float | None = None,
    sources: Mapping[str, Level] | None = None,
    locustfile: Locustfile | None = None,
    judged: bool = False,
) -> RunConfig:
    """The run of these options. `values`: Locust's parsed options by `Option.dest`, and its `host`; others in it are
    ignored.

    `sources`: where each option that is set came from, by dest (`sources.levels`), so that a target by flag outdoes one
    in a file, and a text that is set but empty is told from none. `users` None: not known yet (the web page asks).
    `spawn_rate` None: Locust's default. `judged`: whether the options go together was judged already, by a master.
    Raises ConfigError with every fault.
    """
    given = Given(sources or {}, environ, values.get(HOST), locustfile or Locustfile())
    if str(values.get(BY_FLAG["--wps-target"].dest) or "").strip() == "emulator":
        values = {**values, **{BY_FLAG[flag].dest: None for flag in TARGET_FLAGS}}
    reader = _Reader(values, given.sources)
    found = {option.field: reader.read(option) for option in OPTIONS}
    target = choose_target(found, given, reader.faults, frozenset(reader.wrong))
    row = SCENARIOS[found["scenario"]]
    found["samples"] = reader.samples(found.pop("payload_file"), found["data_type"])
    if found["seed"] is None:
        found["seed"] = random.SystemRandom().getrandbits(48)
    for flag, text in (("--wps-lifetime", row.lifetime), ("--wps-cut", row.cut), ("--wps-slow", row.slow)):
        option = BY_FLAG[flag]
        if text and found[option.field] is None and flag not in reader.wrong:
            found[option.field] = option.read(text)
    found["slo"] = "" if found["slo"] == "none" else found["slo"] or row.slo
    found["slos"] = thresholds.parse(found["slo"])
    if found["roles"] is None:
        found["roles"] = default_roles(found["scenario"], found["protocol"])
    for flag in ("--wps-target", *TARGET_FLAGS):
        del found[BY_FLAG[flag].field]
    config = RunConfig(
        target=target,
        users=users,
        spawn_rate=DEFAULT_SPAWN_RATE if spawn_rate is None else spawn_rate,
        run_time_s=run_time_s,
        given=tuple(_shown(reader.texts, row, found["seed"])),
        **found,
    )
    faults = reader.faults
    if not judged:
        wrong = frozenset(reader.wrong)
        load_faults = unreachable(config, given.locustfile, wrong, default_rate=spawn_rate is None)
        faults = [*faults, *conflicts(config, frozenset(reader.given), wrong), *load_faults]
    if faults:
        raise ConfigError(faults)
    return config


class _Reader:
    """Reads the options one by one and collects what is wrong with them."""

    def __init__(self, values: Mapping[str, Any], sources: Mapping[str, Level]) -> None:
        self._values = values
        self._sources = sources
        self.faults: list[Fault] = []
        self.wrong: set[str] = set()
        self.given: set[str] = set()
        self.texts: dict[str, str | bool] = {}

    def read(self, option: Option) -> Any:
        """The option's value; the default's where it is not set or, so that the rest can be judged, wrong."""
        raw = self._values.get(option.dest)
        if option.is_switch:
            return self._switch(option, raw)
        text = "" if raw is None else str(raw).strip()
        cleared = raw is not None and option.field == "report_dir"  # the one whose empty text says something
        if text and text != option.default:
            self.given.add(option.flag)
        if not text and raw is not None and not cleared and option.dest in self._sources:
            self._empty(option)
        text = text if text or cleared else str(option.default)
        self.texts[option.flag] = text
        if not text:
            return None
        try:
            text.encode()
        except UnicodeEncodeError:
            self._fault(option, None, "text in UTF-8")
            return option.read(str(option.default)) if option.default else None
        try:
            return option.read(text)
        except ValueError as error:
            # a query, or what stands before an @, may hold a secret
            hidden = option.secret or (option.field == "negotiate_url" and "@" in text)
            shown = without_secrets(text) if option.field == "negotiate_url" else text
            self._fault(option, None if hidden else shown, str(error))
            return option.read(str(option.default)) if option.default else None

    def _switch(self, option: Option, raw: Any) -> bool:
        text = "" if raw is None else str(raw).strip().lower()
        if text not in ("", "true", "false", "on", "off", "yes", "no", "1", "0"):
            self._fault(option, text, "true or false")
        value = text in ("true", "on", "yes", "1")
        if value:
            self.given.add(option.flag)
        self.texts[option.flag] = value
        return value

    def samples(self, content: bytes | None, data_type: str) -> tuple[bytes, ...] | None:
        if content is None:
            return None
        option = BY_FLAG["--wps-payload-file"]
        try:
            return read_samples(content, data_type)
        except ValueError as error:
            self._fault(option, str(self.texts[option.flag]), f"one {data_type} message a line; {error}")
            return None

    def _empty(self, option: Option) -> None:
        name = given_as(option.flag, option.env_var, self._sources[option.dest])
        target = option.flag in TARGET_FLAGS
        allowed = "none for no SLO, or leave it out" if option.field == "slo" else "give it a value, or leave it out"
        self.wrong.add(option.flag)
        self.faults.append(empty(name) if target else Fault(name, "", f"it is set but empty: {allowed}"))

    def _fault(self, option: Option, value: str | None, allowed: str) -> None:
        self.wrong.add(option.flag)
        self.faults.append(Fault(option.flag, value, allowed))


def _shown(texts: Mapping[str, str | bool], row: Scenario, seed: int) -> Iterator[tuple[str, str | bool | None]]:
    """The options' texts for settings: nothing secret, and what the scenario or chance chose filled in."""
    chosen = {"--wps-lifetime": row.lifetime, "--wps-cut": row.cut, "--wps-slow": row.slow}
    chosen |= {"--wps-slo": row.slo or "none", "--wps-seed": str(seed)}
    for option in OPTIONS:
        text = texts[option.flag]
        if option.secret:
            yield option.key, REDACTED if text else None
        elif option.flag == "--wps-negotiate-url" and text:
            yield option.key, without_secrets(str(text))
        elif option.is_switch:
            yield option.key, text
        else:
            yield option.key, text or chosen.get(option.flag) or None
