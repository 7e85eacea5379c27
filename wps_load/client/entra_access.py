"""Client URLs of a target without keys: the service makes their tokens, shared as `--wps-client-tokens` says."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from wps_load.auth import client_url
from wps_load.client.access import Grant, placed
from wps_load.client.generate_token import TokenMaker, Wanted
from wps_load.client.rest_access import rest_access
from wps_load.client.stream import Network
from wps_load.client.token_store import Pace, TokenStore
from wps_load.clock import NS_PER_S, now_ns
from wps_load.errors import ConnectFailure
from wps_load.settings.entra import ClientTokens
from wps_load.settings.run_config import Population, RunConfig
from wps_load.settings.target import Target


@dataclass(frozen=True, slots=True)
class EntraAccess:
    """A token of the store for each connection, the same for all that are alike."""

    store: TokenStore
    endpoint: str
    hub: str
    roles: tuple[str, ...]
    lifetime_s: int
    tokens: ClientTokens
    in_header: bool

    def grant(self, user_id: str, groups: Sequence[str]) -> Grant:
        wanted = Wanted(self.hub, self._user(user_id), self.roles, tuple(groups), self.lifetime_s)
        began_ns = now_ns()
        token = self.store.get(wanted)
        waited_ns = now_ns() - began_ns
        found = placed(f"{client_url(self.endpoint, self.hub)}?access_token={token}", self.in_header)
        return Grant(found.url, found.headers, waited_ns, lambda: self.store.forget(wanted, token))

    def _user(self, user_id: str) -> str | None:
        if self.tokens.pool is not None:
            return f"wps-load-{zlib.crc32(user_id.encode()) % self.tokens.pool}"
        return user_id if self.tokens.each else None


def entra_access(config: RunConfig, population: Population, network: Network) -> EntraAccess:
    """For the clients of one population; the tokens are those of the whole process."""
    return EntraAccess(
        token_store(config, network),
        config.target.url,
        population.hub,
        population.roles,
        config.token_lifetime_ns // NS_PER_S,
        config.client_tokens,
        population.auth == "header",
    )


_stores: dict[tuple[Target, Any, Any], tuple[TokenStore, _Line]] = {}


class _Line:
    """The way to the service, which a run makes anew, while tokens outlive it."""

    def __init__(self, maker: TokenMaker) -> None:
        self.maker = maker

    def make(self, wanted: Wanted) -> tuple[str, int]:
        return self.maker.make(wanted)


def token_store(config: RunConfig, network: Network) -> TokenStore:
    """This process's client tokens of the target: the look before a run, the run and the next run share them."""
    access = rest_access(config.target)
    assert access is not None, "a target without keys has an identity"
    maker = TokenMaker(access, network, timeout_s=config.connect_timeout_ns / NS_PER_S)
    key = (config.target, config.token_rate, config.role_wait_ns)
    if key in _stores:
        store, line = _stores[key]
        line.maker = maker
        return store
    line = _Line(maker)
    store = TokenStore(
        line.make,
        Pace(float(config.token_rate)),
        role_wait_ns=config.role_wait_ns,
        renews=not config.client_tokens.each,
    )
    _stores[key] = store, line
    return store


def count_calls(
    config: RunConfig, say: Callable[[str, str], None], count: Callable[[int | ConnectFailure], None]
) -> None:
    """From now on `count` is told of each call for a client token, and `say` a sentence once of its kind."""
    for (target, _, _), (store, _line) in _stores.items():
        if target == config.target:
            store.say = say
            store.calls.count(count)
