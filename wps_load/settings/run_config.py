"""What a run is to do, as one frozen `RunConfig`, which `load` makes from the options' texts."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field, fields, replace
from fractions import Fraction

from wps_load.auth import ConnectionString
from wps_load.measure.catalog import main_metric
from wps_load.measure.thresholds import Slo, demanded
from wps_load.protocol.traits import TRAITS, Traits
from wps_load.settings.connect_host import ConnectHost
from wps_load.settings.entra import AzureResource, ClientTokens
from wps_load.settings.options import SHAPING
from wps_load.settings.target import Target
from wps_load.settings.texts import TIERS
from wps_load.urls import Url
from wps_load.workload.chaos import CutPlan, SlowPlan
from wps_load.workload.mixture import Mixture
from wps_load.workload.payload import PayloadPart, PayloadPlan
from wps_load.workload.scenarios import ROWS, Scenario, latencies_of, metrics_of
from wps_load.workload.stages import CapacityRange, Stages
from wps_load.workload.standing import publishers_of
from wps_load.workload.values import Share

EVERYONE = Share(fraction=Fraction(1))


@dataclass(frozen=True, slots=True, kw_only=True)
class Population:
    """The connections of one kind: what they do, how, and what is demanded of them.

    Times in ns, rates in messages per second as exact fractions; None: not set.

    `rate` None is the closed loop (`--wps-rate max`); `total_rate` replaces `rate`. `publishers`, `groups` and
    `group_size` None: the scenario's default (`workload.population.layout`).

    `name`: empty where a run has one population only. `users`: how many of the run's users belong to it: all of them if
    it is the only one. `start_ns`, `stop_ns`: when they come and leave, counted from the run's start; `stop_ns` None:
    at its end. `listens_to`: the name of the population whose groups they join.
    """

    user_class: str
    """The User class of a locustfile that these users belong to; empty: they play the scenario."""
    calls_rest: bool
    """Its users are app servers, which call REST from their tasks and have no connection of their own."""
    name: str = ""
    users: Share = EVERYONE
    start_ns: int = 0
    stop_ns: int | None = None
    listens_to: str | None = None
    hub: str
    auth: str
    roles: tuple[str, ...]
    protocol: str
    scenario: str
    rate: Fraction | None
    total_rate: Fraction | None
    arrival: str
    payload: tuple[PayloadPart, ...]
    samples: tuple[bytes, ...] | None = field(repr=False)
    data_type: str
    qos: int
    ack: bool
    no_echo: bool
    groups: int | None
    group_size: int | None
    publishers: Share | None
    lifetime_ns: int | None
    stream_length_ns: int | None
    streams: int
    cut: CutPlan | None
    slow: SlowPlan | None
    slo: str
    slos: tuple[Slo, ...]
    seed: int

    @property
    def scenario_row(self) -> Scenario:
        return ROWS[self.scenario]

    @property
    def closed_loop(self) -> bool:
        return self.rate is None and self.total_rate is None

    @property
    def acked(self) -> bool:
        """Whether publishers ask for acks; with MQTT above QoS 0 they always do."""
        return self.ack or self.qos > 0

    @property
    def latencies(self) -> tuple[str, ...]:
        """The latencies of messages that it can have, the most informative first."""
        return latencies_of(self.scenario, self.protocol, ack=self.acked, no_echo=self.no_echo)

    @property
    def metrics(self) -> frozenset[str]:
        """The metrics that it can have: an SLO on any other metric is refused before the run."""
        return metrics_of(self.scenario, self.protocol, ack=self.acked, no_echo=self.no_echo)

    @property
    def main_metric(self) -> str:
        """The latency that it is about, as far as that is known before the run."""
        return main_metric(self.latencies, demanded(self.own_slos))

    @property
    def own_slos(self) -> tuple[Slo, ...]:
        """The SLOs that are not another population's; each of a locustfile's classes has all of them."""
        return tuple(slo for slo in self.slos if slo.population in ("", self.name))

    @property
    def samples_digest(self) -> str | None:
        """A digest of the sample messages; None: messages are generated."""
        return hashlib.sha256(b"\n".join(self.samples)).hexdigest() if self.samples else None

    def publisher_rate(self, publishers: int) -> Fraction | None:
        """Messages per second of each of `publishers`; None: closed loop."""
        return self.total_rate / max(1, publishers) if self.total_rate is not None else self.rate

    @property
    def traits(self) -> Traits:
        """The properties of its protocol."""
        return TRAITS[self.protocol]

    def published_plan(self) -> PayloadPlan:
        """The messages as users publish them. Binary data remain raw, because the codec writes base64."""
        return self.payload_plan(envelope=self.traits.escapes(self.data_type))

    def payload_plan(self, *, envelope: bool) -> PayloadPlan:
        """The messages. `envelope`: True if a JSON document holds them, False for raw data and REST bodies."""
        if self.samples is not None:
            return PayloadPlan.from_samples(self.samples, self.data_type, envelope=envelope, seed=self.seed)
        return PayloadPlan.generated(self.payload, self.data_type, envelope=envelope, seed=self.seed)


_OF_MIXES = frozenset({"name", "users", "start_ns", "stop_ns", "listens_to"})
POPULATION_FIELDS = frozenset(each.name for each in fields(Population)) - _OF_MIXES
"""The fields that options set."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunConfig:
    """One run's settings, and those of its populations. Times in ns; None: not set. `report_dir` None: no files."""

    target: Target
    populations: tuple[Population, ...]
    mix: str | None
    """The name of a mix; None if the run is not one."""
    mix_source: tuple[str, str] | None = field(repr=False)
    """The path and the content of its file."""
    slos_of_all: tuple[Slo, ...]
    """In a mix: the SLOs of the whole run, beside those of its populations."""
    credential: str | None
    client_tokens: ClientTokens
    token_rate: Fraction
    role_wait_ns: int
    connect_host: ConnectHost | None
    bind: tuple[str, ...] | None
    azure_resource: AzureResource | None
    token_lifetime_ns: int
    connect_timeout_ns: int
    keepalive_interval_ns: int
    keepalive_timeout_ns: int
    answer_timeout_ns: int
    settle_ns: int
    warmup_ns: int
    drain_ns: int
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
    prometheus_host: str
    prometheus_linger_ns: int
    prometheus_push: Url | None = field(repr=False)
    otel_spans: bool
    allow_target_change: bool
    table: bool
    users: int | None
    spawn_rate: float
    run_time_s: float | None
    given: tuple[tuple[str, str | bool | None], ...] = field(repr=False)
    """What `settings` shows of each option: its text, or the default if it was not set; never a secret."""

    @property
    def population(self) -> Population:
        """The first population: the one that plays the scenario, if any; the only one, unless the run is a mix."""
        return self.populations[0]

    @property
    def is_mix(self) -> bool:
        """Whether it has several populations, or one that a mix names."""
        return any(each.name for each in self.populations)

    @property
    def names(self) -> tuple[str, ...]:
        """The names of its populations; empty if it has one without a name."""
        return tuple(each.name for each in self.populations) if self.is_mix else ()

    @property
    def protocols(self) -> str:
        """The protocols, for a person: those of a mix's populations, each once."""
        return (
            ", ".join(dict.fromkeys(each.protocol for each in self.populations))
            if self.is_mix
            else self.population.protocol
        )

    @property
    def slos(self) -> tuple[Slo, ...]:
        """All SLOs; in a mix those of the whole run first, and in a search of a mix only those."""
        if self.mix is None:
            return self.population.slos
        if self.capacity is not None:
            return self.slos_of_all
        return (*self.slos_of_all, *(slo for each in self.populations for slo in each.slos))

    @property
    def latencies(self) -> tuple[str, ...]:
        """The latencies of messages that the run can have, the most informative first."""
        return tuple(dict.fromkeys(name for each in self.populations for name in each.latencies))

    def mixture(self, users: int) -> Mixture:
        """Which of this many users belongs to which population."""
        return Mixture([each.users for each in self.populations], users, self.seed)

    def planned_rates(self, users: int) -> tuple[Fraction | None, ...]:
        """Messages per second of all publishers of each population with this many users; None: closed loop."""
        counts = self.mixture(users).counts
        found: list[Fraction | None] = []
        for number, each in enumerate(self.populations):
            publishers = publishers_of(self.populations, counts, number) if each.scenario_row.publishes else 0
            rate = each.publisher_rate(publishers)
            found.append(Fraction(0) if not publishers else None if rate is None else rate * publishers)
        return tuple(found)

    def rate_shares(self, users: int) -> tuple[Fraction, ...]:
        """The share that each population has of a total rate for the whole run, in proportion to the planned rates."""
        rates = [rate or Fraction(0) for rate in self.planned_rates(users)]
        if len(rates) == 1 or not any(rates):
            return tuple(Fraction(1, len(rates)) for _ in rates)
        return tuple(rate / sum(rates) for rate in rates)

    @property
    def emulator_units(self) -> str | None:
        """`--units` of the embedded emulator, which keeps the limits of the stated units. None: no limits."""
        if self.tier == TIERS["free"]:
            return "free"
        return None if self.units is None else str(self.units)

    @property
    def peak_users(self) -> int | None:
        """The most users at a time, for whom roles are assigned: `-u`, or the maximum of stages or a search."""
        for plan in (self.stages, self.capacity):
            if plan is not None and plan.variable == "users":
                return plan.peak
        return self.users

    def with_emulator(self, connection_string: str) -> RunConfig:
        """The same run against the emulator that is now listening there."""
        return replace(self, target=replace(self.target, connection=ConnectionString.parse(connection_string)))

    def settings(self) -> dict[str, str | bool | float | None]:
        """Everything that is needed to repeat the run, without secrets, keyed as in a `--config` file."""
        return {
            "users": self.users,
            "spawn-rate": self.spawn_rate,
            "run-time": self.run_time_s,
            **dict(self.given),
        }

    def comparable(self) -> dict[str, str]:
        """What two runs must share for their figures to be comparable: the load and its target's kind.

        It leaves out the seed, names and addresses of the target (but says whether it is the emulator), units and tier
        (people compare more of them with fewer), TLS, durations, SLOs and reports.
        """
        values = {
            "users": self.users,
            "spawn_rate": self.spawn_rate,
            "emulator": self.target.is_emulator,
            "payload_file": self.population.samples_digest,
        }
        for option in SHAPING:
            holder = self.population if option.field in POPULATION_FIELDS else self
            values.setdefault(option.field, getattr(holder, option.field, None))
        found = {name: str(value) for name, value in values.items()}
        if self.mix is not None:
            of_one = sorted(POPULATION_FIELDS & {option.field for option in SHAPING} | _OF_MIXES)
            rows = [
                [*(str(getattr(each, name)) for name in of_one), each.samples_digest or ""] for each in self.populations
            ]
            found |= {"populations": json.dumps(rows)}
        return found

    @property
    def settings_hash(self) -> str:
        """16 hex digits over `comparable`."""
        return hashlib.sha256(json.dumps(self.comparable(), sort_keys=True).encode()).hexdigest()[:16]
