"""Settings that are right alone but wrong together: one row a rule, one sentence a fault.

A rule names the options that it reads; it is skipped if one of these is wrong already, so that a slip gives one fault.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from wps_load.clock import NS_PER_S
from wps_load.errors import Fault
from wps_load.measure import thresholds
from wps_load.protocol.traits import CLIENT_PATHS, MQTTS, NO_INVOKE, NO_STREAMS, SUBPROTOCOLS, TRAITS
from wps_load.settings.options import TARGET_FLAGS
from wps_load.settings.target import TargetKind
from wps_load.workload.layout import layout
from wps_load.workload.payload import MAX_BYTES, wire_bytes
from wps_load.workload.scenarios import ROWS, SCENARIOS, Topology

if TYPE_CHECKING:
    from wps_load.settings.run_config import RunConfig

_UNITS_OF = {"Free_F1": 1, "Standard_S1": 100, "Premium_P1": 100, "Premium_P2": 1000}
_KEY = "a connection string or --wps-endpoint, which give"


@dataclass(frozen=True, slots=True)
class Given:
    """What a rule sees: the settings, and which options the user set to something other than the default."""

    config: RunConfig
    flags: frozenset[str]

    def __contains__(self, flag: str) -> bool:
        return flag in self.flags


Rule = Callable[[Given], Fault | None]


def conflicts(config: RunConfig, given: frozenset[str], wrong: frozenset[str]) -> Iterator[Fault]:
    """Every fault of options that do not go together. `given`, `wrong`: flags set, and flags refused already."""
    seen = Given(config, given - wrong)
    yield from _broken(seen, wrong, [rule for _, rule in _RULES])
    if "--wps-scenario" not in wrong:
        yield from _unused(seen)


def run_conflicts(config: RunConfig, given: frozenset[str], wrong: frozenset[str]) -> Iterator[Fault]:
    """As `conflicts`, but only the rules about the whole run."""
    yield from _broken(Given(config, given - wrong), wrong, _OF_RUN)


def population_conflicts(config: RunConfig, given: frozenset[str]) -> Iterator[Fault]:
    """As `conflicts`, but only the rules about the one population of `config`."""
    seen = Given(config, given)
    yield from _broken(seen, frozenset(), [rule for _, rule in _RULES if rule not in _OF_RUN])
    yield from _unused(seen)


def _broken(seen: Given, wrong: frozenset[str], rules: Collection[Rule]) -> Iterator[Fault]:
    for reads, rule in _RULES:
        if rule in rules and wrong.isdisjoint(reads) and (fault := rule(seen)) is not None:
            yield fault


def _protocol(seen: Given) -> Fault | None:
    config, row = seen.config, ROWS[seen.config.population.scenario]
    if config.population.protocol in row.protocols:
        return None
    allowed = f"{config.population.scenario} needs one of {', '.join(row.protocols)}"
    if row.invokes:
        return Fault("--wps-protocol", config.population.protocol, f"{allowed}: {NO_INVOKE}")
    if row.streams:
        return Fault("--wps-protocol", config.population.protocol, f"{allowed}: {NO_STREAMS}")
    why = "only they can recover a connection" if all(TRAITS[each].reliable for each in row.protocols) else (
        "a simple client cannot publish to a group; broadcast and send-to-user reach simple ones"
    )  # fmt: skip
    return Fault("--wps-protocol", config.population.protocol, f"{allowed}: {why}")


def _key(seen: Given) -> Fault | None:
    config = seen.config
    if config.target.makes_tokens or not ROWS[config.population.scenario].needs_key:
        return None
    return Fault("--wps-scenario", config.population.scenario, f"it sends by REST: give {_KEY} the right to, not a URL")


def _endpoint(seen: Given) -> Fault | None:
    """The Client URL's endpoint: the service has one path for MQTT clients and one for all others."""
    if seen.config.target.kind is not TargetKind.CLIENT_URL:
        return None
    traits, url = seen.config.population.traits, seen.config.target.url
    path = next((each for each in CLIENT_PATHS if each in url.partition("?")[0] and each != traits.client_path), None)
    if path is None:
        return None
    allowed = f"clients of {traits.name} connect at {traits.client_path}HUB, and the Client URL leads to {path}HUB"
    return Fault("--wps-protocol", traits.name, allowed)


def _roles(seen: Given) -> Fault | None:
    if "--wps-roles" not in seen or seen.config.target.makes_tokens:
        return None
    return Fault(
        "--wps-roles",
        None,
        f"a URL's token has its roles already: give {_KEY} the right to make tokens, or leave it out",
    )


def _user_ids(seen: Given) -> Fault | None:
    """Connections that share a client token are one user."""
    tokens = seen.config.client_tokens
    if seen.config.target.identity is None or tokens.each:
        return None
    rows = [ROWS[population.scenario] for population in seen.config.populations]
    name = next((row.name for row in rows if row.topology is Topology.REST_USERS), None)
    if name is None:
        return None
    allowed = f"{name} sends to each user alone, who needs a token of his own: each"
    return Fault("--wps-client-tokens", str(tokens), allowed)


def _unused(seen: Given) -> Iterator[Fault]:
    """Options that this scenario does not use: set by mistake, or with the wrong scenario."""
    name = seen.config.population.scenario
    row = ROWS[name]
    for flag in sorted({flag for other in SCENARIOS.values() for flag in other.own_options}):
        if flag in seen and flag not in row.own_options:
            users = [other.name for other in SCENARIOS.values() if flag in other.own_options]
            yield Fault(flag, None, f"{name} has no use for it; it is for {', '.join(users)}")
    for flag in ("--wps-publishers", "--wps-total-rate", "--wps-payload-file"):
        if flag in seen and not row.publishes:
            yield Fault(flag, None, f"{name} publishes nothing")


def _publishers(seen: Given) -> Fault | None:
    config, share = seen.config, seen.config.population.publishers
    row, users = ROWS[config.population.scenario], config.peak_users
    if share is None or not row.publishes:
        return None
    if row.needs_key and share.count is None:
        return Fault("--wps-publishers", str(share), f"{config.population.scenario} takes a number of REST senders")
    if row.users_publish and share.count is not None and users is not None and share.count > users:
        return Fault("--wps-publishers", str(share), f"at most the number of users, {users}")
    return None


def _groups(seen: Given) -> Fault | None:
    config = seen.config
    row, users = ROWS[config.population.scenario], config.peak_users
    if row.topology is not Topology.GROUPS or users is None:
        return None
    if users < 2:
        return Fault(
            "--users", str(users), f"{config.population.scenario} needs at least 2, else nobody hears a publisher"
        )
    if (
        config.population.groups is not None
        and config.population.group_size is None
        and config.population.groups > users
    ):
        return Fault("--wps-groups", str(config.population.groups), f"at most the number of users, {users}")
    if config.population.group_size is not None and config.population.group_size > users:
        return Fault("--wps-group-size", str(config.population.group_size), f"at most the number of users, {users}")
    return None


def _slow(seen: Given) -> Fault | None:
    config, users = seen.config, seen.config.peak_users
    if not ROWS[config.population.scenario].slow or not users:
        return None
    plan = layout(config.population, users)
    if plan.publishers < plan.members:
        return None
    return Fault(
        "--wps-publishers",
        str(plan.publishers),
        "all users publish, and publishers do not read slowly: give fewer publishers",
    )


def _no_echo(seen: Given) -> Fault | None:
    row = ROWS[seen.config.population.scenario]
    if seen.config.population.no_echo and seen.config.population.traits.is_mqtt:
        return Fault("--wps-no-echo", None, "MQTT's publications have no noEcho")
    if not seen.config.population.no_echo or row.topology is Topology.GROUPS:
        return None
    return Fault("--wps-no-echo", None, f"only for group scenarios; in {row.name} no user hears another user")


def _qos(seen: Given) -> Fault | None:
    population = seen.config.population
    if not population.qos or population.traits.is_mqtt:
        return None
    return Fault("--wps-qos", str(population.qos), f"only {' and '.join(MQTTS)} have a quality of service")


def _ack(seen: Given) -> Fault | None:
    config, row = seen.config, ROWS[seen.config.population.scenario]
    if not config.population.ack:
        return None
    if not config.population.traits.enveloped:
        name = config.population.protocol
        return Fault("--wps-ack", None, f"{name} has no acks; use one of {', '.join(SUBPROTOCOLS)}")
    if row.invokes:
        return Fault("--wps-ack", None, "an invocation has an answer of its own, and no ack")
    if row.streams:
        return Fault("--wps-ack", None, "fragments have acks of their own, of their stream")
    if not row.users_publish and row.topology is not Topology.TASKS:
        return Fault("--wps-ack", None, f"in {row.name} no user publishes")
    return None


def _closed_loop(seen: Given) -> Fault | None:
    config = seen.config
    if config.population.rate is not None:
        return None
    searched = [plan for plan in (config.stages, config.capacity) if plan is not None and plan.variable == "rate"]
    if config.population.total_rate is not None or searched:
        return Fault("--wps-rate", "max", "the closed loop has no rate to set: leave out max or the total rate")
    if config.population.scenario_row.streams:
        return Fault("--wps-rate", "max", "a stream's publisher gets no copies to wait for: give fragments per second")
    if config.population.no_echo:
        return Fault(
            "--wps-no-echo", None, "--wps-rate max sends when the publisher's own copy comes back: only one of them"
        )
    if config.population.arrival != "constant":
        return Fault(
            "--wps-arrival",
            config.population.arrival,
            "--wps-rate max sends when an answer comes: no arrivals to choose",
        )
    return None


def _one_plan(seen: Given) -> Fault | None:
    if seen.config.stages is None or seen.config.capacity is None:
        return None
    return Fault("--wps-stages and --wps-capacity", None, "only one of them: a search makes its own steps")


def _one_variable(seen: Given) -> Fault | None:
    config = seen.config
    if config.stages is not None and config.capacity is not None:
        return None  # `_one_plan`
    for flag, plan in (("--wps-stages", config.stages), ("--wps-capacity", config.capacity)):
        if plan is None or plan.variable != "rate":
            continue
        if config.population.total_rate is not None:
            return Fault(flag, None, "it sets the total rate itself: leave out --wps-total-rate")
        if not ROWS[config.population.scenario].publishes:
            return Fault(flag, None, f"{config.population.scenario} publishes nothing: change users instead")
    return None


def _slos(seen: Given) -> Fault | None:
    config = seen.config
    own = {one.name: one.metrics for one in config.populations}
    made_by_service = {"token_request"} if config.target.identity is not None else set[str]()
    own[""] = frozenset().union(*own.values(), made_by_service)
    why = [
        thresholds.check(slo, own[slo.population]) if slo.population in own else _of_nobody(slo, config)
        for slo in config.population.slos
    ]
    if config.capacity is not None:
        of_parts = [slo.expression for slo in config.population.slos if slo.population]
        why += [f"{expression}: a search keeps SLOs of the whole run" for expression in of_parts]
    said = "; ".join(filter(None, why))
    return Fault("--wps-slo", config.population.slo, said) if said else None


def _of_nobody(slo: thresholds.Slo, config: RunConfig) -> str:
    names = ", ".join(config.names)
    there_are = f"there are {names}" if names else "the run has one only, which has no name"
    return f"no population is called {slo.population}: {there_are}"


def _search(seen: Given) -> Fault | None:
    if seen.config.capacity is None or seen.config.population.slo:
        return None
    return Fault("--wps-capacity", None, "a search needs an SLO to keep: give --wps-slo")


def _emulator_only(seen: Given) -> Fault | None:
    if seen.config.emulator_faults is None or seen.config.target.is_emulator:
        return None
    return Fault("--wps-emulator-faults", None, "only the embedded emulator obeys it: leave out the target")


def _payload(seen: Given) -> Fault | None:
    config = seen.config
    if "--wps-payload" in seen and config.population.samples is not None:
        return Fault("--wps-payload and --wps-payload-file", None, "only one of them")
    sizes = (
        [part.size_bytes for part in config.population.payload]
        if config.population.samples is None
        else map(len, config.population.samples)
    )
    if max(wire_bytes(size, config.population.data_type, config.population.protocol) for size in sizes) > MAX_BYTES:
        flag = "--wps-payload" if config.population.samples is None else "--wps-payload-file"
        return Fault(flag, None, "a message may have at most 1MiB on the wire, base64 and envelope included")
    return None


def _keepalive(seen: Given) -> Fault | None:
    interval_ns, timeout_ns = seen.config.keepalive_interval_ns, seen.config.keepalive_timeout_ns
    if not interval_ns or not timeout_ns or timeout_ns > interval_ns:
        return None
    return Fault(
        "--wps-keepalive-timeout", f"{timeout_ns / NS_PER_S:g}s",
        f"longer than --wps-keepalive-interval ({interval_ns / NS_PER_S:g}s), else no ping could be answered in time",
    )  # fmt: skip


def _units(seen: Given) -> Fault | None:
    config = seen.config
    if config.units is None or config.tier is None or config.units <= _UNITS_OF[config.tier]:
        return None
    return Fault("--wps-units", str(config.units), f"{config.tier} has at most {_UNITS_OF[config.tier]}")


def _linger(seen: Given) -> Fault | None:
    config = seen.config
    if not config.prometheus_linger_ns or config.prometheus_port is not None:
        return None
    return Fault("--wps-prometheus-linger", None, "no metrics are served that could linger: give --wps-prometheus-port")


_RULES: tuple[tuple[tuple[str, ...], Rule], ...] = (
    (("--wps-scenario", "--wps-protocol"), _protocol),
    (("--wps-scenario", *TARGET_FLAGS), _key),
    (("--wps-protocol", "--wps-client-url"), _endpoint),
    (("--wps-roles", *TARGET_FLAGS), _roles),
    (("--wps-scenario", "--wps-endpoint", "--wps-credential", "--wps-client-tokens"), _user_ids),
    (("--wps-scenario", "--wps-publishers", "--wps-stages", "--wps-capacity"), _publishers),
    (("--wps-scenario", "--wps-groups", "--wps-group-size", "--wps-stages", "--wps-capacity"), _groups),
    (("--wps-scenario", "--wps-publishers", "--wps-groups", "--wps-group-size", "--wps-slow"), _slow),
    (("--wps-scenario", "--wps-protocol", "--wps-no-echo"), _no_echo),
    (("--wps-protocol", "--wps-qos"), _qos),
    (("--wps-scenario", "--wps-protocol", "--wps-ack"), _ack),
    (
        ("--wps-rate", "--wps-total-rate", "--wps-arrival", "--wps-no-echo", "--wps-stages", "--wps-capacity"),
        _closed_loop,
    ),
    (("--wps-stages", "--wps-capacity"), _one_plan),
    (("--wps-scenario", "--wps-total-rate", "--wps-stages", "--wps-capacity"), _one_variable),
    (("--wps-scenario", "--wps-protocol", "--wps-slo", "--wps-ack", "--wps-no-echo"), _slos),
    (("--wps-scenario", "--wps-slo", "--wps-capacity"), _search),
    (
        (*TARGET_FLAGS, "--wps-emulator-faults"),
        _emulator_only,
    ),
    (("--wps-payload", "--wps-payload-file", "--wps-data-type", "--wps-protocol"), _payload),
    (("--wps-keepalive-interval", "--wps-keepalive-timeout"), _keepalive),
    (("--wps-units", "--wps-tier"), _units),
    (("--wps-prometheus-port", "--wps-prometheus-linger"), _linger),
)
_OF_RUN: Collection[Rule] = (_user_ids, _one_plan, _emulator_only, _keepalive, _units, _linger)
"""The rules about the whole run; all others are about a population."""
