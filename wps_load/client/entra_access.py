"""Client URLs of a target without keys: the service makes their tokens, shared as `--wps-client-tokens` says."""

from __future__ import annotations

import math
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction

from wps_load.auth import client_url
from wps_load.client import token_broker
from wps_load.client.access import ConnectGrant, placed
from wps_load.client.entra_tokens import relay, tokens_of
from wps_load.client.generate_token import TokenMaker, Wanted
from wps_load.client.rest_access import rest_access
from wps_load.client.stream import Network
from wps_load.client.token_broker import Served, TokenClient, TokenServer
from wps_load.client.token_store import Made, Pace, TokenStore
from wps_load.clock import NS_PER_S, now_ns
from wps_load.errors import ConnectFailure
from wps_load.settings.entra import ClientTokens
from wps_load.settings.run_config import Population, RunConfig
from wps_load.settings.target import Target


@dataclass(frozen=True, slots=True)
class EntraAccess:
    """A stored token for each connection, the same for all connections that need the same."""

    store: TokenStore
    endpoint: str
    hub: str
    roles: tuple[str, ...]
    lifetime_s: int
    tokens: ClientTokens
    in_header: bool
    path: str
    client_type: str

    def grant(self, user_id: str, groups: Sequence[str]) -> ConnectGrant:
        wanted = Wanted(self.hub, self._user(user_id), self.roles, tuple(groups), self.lifetime_s, self.client_type)
        began_ns = now_ns()
        token = self.store.get(wanted)
        waited_ns = now_ns() - began_ns
        found = placed(f"{client_url(self.endpoint, self.hub, self.path)}?access_token={token}", self.in_header)
        return ConnectGrant(found.url, found.headers, waited_ns, lambda: self.store.forget(wanted, token))

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
        population.traits.client_path,
        population.traits.client_type,
    )


class _Line:
    """The network path to the service, which each run makes anew, while tokens outlive the run."""

    def __init__(self, maker: TokenMaker) -> None:
        self.maker = maker

    def make(self, wanted: Wanted) -> Made:
        text, took_ns = self.maker.make(wanted)
        return Made(text, (took_ns,))


_Key = tuple[Target, Fraction, int]
_stores: dict[_Key, tuple[TokenStore, _Line]] = {}
_relayed: dict[_Key, TokenStore] = {}


def token_store(config: RunConfig, network: Network) -> TokenStore:
    """This process's client tokens of the target, shared by the check before a run, the run and the next run."""
    key = _key(config)
    if key in _relayed:
        return _relayed[key]
    access = rest_access(config.target)
    assert access is not None, "a target without keys has an identity"
    maker = TokenMaker(access, network, timeout_s=config.connect_timeout_ns / NS_PER_S)
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


def _key(config: RunConfig) -> _Key:
    return config.target, config.token_rate, config.role_wait_ns


def count_calls(
    config: RunConfig, say: Callable[[str, str], None], count: Callable[[int | ConnectFailure], None]
) -> None:
    """From now on `count` gets each call for a client token, and `say` a sentence once of its kind."""
    for key, store in (*((key, store) for key, (store, _) in _stores.items()), *_relayed.items()):
        if key == _key(config):
            store.say = say
            store.calls.count(count)


# -- forks -------------------------------------------------------------------------------------------------


_server: list[TokenServer] = []


def serve_forks(config: RunConfig, network: Network, say: Callable[[str, str], None]) -> None:
    """This process has the credential and serves tokens to its forks.

    A second call, for another run, uses its settings.
    """
    identity = config.target.identity
    if identity is None or not token_broker.available():
        return
    store = token_store(config, network)
    store.say = say
    served = Served(store.get_until, tokens_of(identity).whole, store.calls.take)
    if _server:
        _server[0].served = served
    else:
        _server.append(TokenServer(served))


def ask_master(config: RunConfig, parent: int) -> None:
    """This process is a fork: its tokens come from its parent."""
    identity, key = config.target.identity, _key(config)
    if identity is None or not token_broker.available() or key in _relayed:
        return
    client = TokenClient(parent)
    relay(identity, client.entra)
    _relayed[key] = TokenStore(client.make, Pace(math.inf), renews=False)
