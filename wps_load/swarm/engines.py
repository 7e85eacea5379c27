"""Makes a process's engine from a run's settings: the source of Client URLs, and the way to the network."""

from __future__ import annotations

import os
from collections.abc import Callable

from wps_load.client.access import Access, MintedAccess, NegotiatedAccess, UrlAccess, judge_way
from wps_load.client.engine import Engine
from wps_load.client.entra_access import count_calls, entra_access
from wps_load.client.negotiate import Negotiator
from wps_load.client.stream import Network
from wps_load.clock import NS_PER_S
from wps_load.settings.run_config import Population, RunConfig
from wps_load.settings.target import TargetKind


def make_engine(
    config: RunConfig,
    on_warning: Callable[[str, str], None],
    *,
    run_id: str,
    number: int,
    users: int,
    started_ns: int = 0,
) -> Engine:
    """Raises ConfigError for a CA file that cannot be used. `number`: the 32 bits of the run's id in its stamps."""
    network = make_network(config)
    engine = Engine(
        config,
        run_id=run_id,
        number=number,
        users=users,
        access_of=lambda population: make_access(config, population, network),
        network=network,
        on_warning=on_warning,
        started_ns=started_ns,
    )
    count_calls(config, on_warning, engine.count_token_call)
    return engine


def judge_network(config: RunConfig) -> None:
    """Raises ConfigError before a run for a CA file or proxy that the run needs but cannot use."""
    judge_way(config, make_network(config))


def make_network(config: RunConfig) -> Network:
    return Network.create(
        ca_file=config.ca_file,
        insecure=config.insecure,
        environ=os.environ,
        connect_host=config.connect_host,
        bind=config.bind or (),
    )


def make_access(config: RunConfig, population: Population, network: Network) -> Access:
    """The source of Client URLs for a population's connections."""
    target = config.target
    in_header = population.auth == "header"
    if target.kind is TargetKind.CLIENT_URL:
        return UrlAccess(target.url, in_header)
    if target.kind is TargetKind.NEGOTIATE:
        timeout_s = config.connect_timeout_ns / NS_PER_S
        return NegotiatedAccess(Negotiator(target.url, network.straight, timeout_s=timeout_s), in_header)
    if target.kind is TargetKind.ENTRA:
        return entra_access(config, population, network)
    assert target.connection is not None, "the emulator runs before users do"
    return MintedAccess(
        target.connection,
        population.hub,
        population.roles,
        config.token_lifetime_ns // NS_PER_S,
        in_header,
    )
