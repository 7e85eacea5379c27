"""The source of a new connection's Client URL: a minted token, a ready URL, or a negotiate endpoint."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Protocol
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

from wps_load.auth import ConnectionString, client_url_with_token, mint_client_token
from wps_load.client.entra_tokens import judge_extra
from wps_load.client.negotiate import Negotiator
from wps_load.client.stream import Network
from wps_load.clock import NS_PER_S, unix_time_s
from wps_load.protocol.traits import JSON
from wps_load.settings.run_config import RunConfig

TOKEN_PARAMETER = "access_token"


@dataclass(frozen=True, slots=True)
class ConnectGrant:
    """How to connect once. URL and headers may hold a token and stay out of repr.

    `waited_ns`: time spent waiting for a token from the service, which is not part of connecting. `refused()` must be
    called if the service refuses the token, which may have become invalid before its time.
    """

    url: str = field(repr=False)
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    waited_ns: int = 0
    refused: Callable[[], None] = field(default=lambda: None, repr=False)


class Access(Protocol):
    def grant(self, user_id: str, groups: Sequence[str]) -> ConnectGrant:
        """A Client URL for a new connection; may wait for the network. Raises ConnectFailure."""
        ...


@dataclass(frozen=True, slots=True)
class MintedAccess:
    """A token per connection, signed with the access key. `groups` go into the token for clients that cannot join."""

    connection_string: ConnectionString
    hub: str
    roles: tuple[str, ...]
    lifetime_s: int
    in_header: bool
    path: str = JSON.client_path
    """The path of the client endpoint: MQTT has another one."""

    def grant(self, user_id: str, groups: Sequence[str]) -> ConnectGrant:
        source, path = self.connection_string, self.path
        token = mint_client_token(source, self.hub, user_id, self.roles, groups, self.lifetime_s, unix_time_s(), path)
        if self.in_header:
            return ConnectGrant(source.client_url(self.hub, path), {"Authorization": f"Bearer {token}"})
        return ConnectGrant(client_url_with_token(source, self.hub, token, path))


@dataclass(frozen=True, slots=True)
class UrlAccess:
    """A ready Client URL, the same for every connection."""

    url: str = field(repr=False)
    in_header: bool

    def grant(self, user_id: str, groups: Sequence[str]) -> ConnectGrant:
        return placed(self.url, self.in_header)


@dataclass(frozen=True, slots=True)
class NegotiatedAccess:
    """The app server's negotiate endpoint, called once for each new connection."""

    negotiator: Negotiator
    in_header: bool

    def grant(self, user_id: str, groups: Sequence[str]) -> ConnectGrant:
        return placed(self.negotiator.client_url(), self.in_header)


def placed(url: str, in_header: bool) -> ConnectGrant:
    """A Client URL with its token in the place that `--wps-auth` selects."""
    if not in_header:
        return ConnectGrant(url)
    parts = urlsplit(url)
    query = parse_qsl(parts.query, keep_blank_values=True)
    token = next((value for name, value in query if name == TOKEN_PARAMETER), "")
    rest = urlencode([pair for pair in query if pair[0] != TOKEN_PARAMETER])
    return ConnectGrant(urlunsplit(parts._replace(query=rest)), {"Authorization": f"Bearer {token}"})


def recovery_grant(grant: ConnectGrant, query: Mapping[str, str]) -> ConnectGrant:
    """The URL that recovers a connection: the same path, the recovery parameters, no access token."""
    parts = urlsplit(grant.url)
    kept = [pair for pair in parse_qsl(parts.query, keep_blank_values=True) if pair[0] != TOKEN_PARAMETER]
    return ConnectGrant(urlunsplit(parts._replace(query=urlencode([*kept, *query.items()]))))


def judge_way(config: RunConfig, network: Network) -> None:
    """Before a run: raises ConfigError if its first connection needs a proxy or a library that cannot be used."""
    target = config.target
    judge_extra(target.identity)
    network.sources.judge()
    judge_extra(None if config.azure_resource is None else config.azure_resource.identity)
    if not target.is_emulator:
        url = target.url if target.connection is None else target.connection.endpoint
        network.judge_proxy(url, config.connect_timeout_ns / NS_PER_S)


def at_path(access: Access, path: str) -> Access:
    """The same access for a client endpoint at another path. Ready URLs contain their own."""
    return replace(access, path=path) if isinstance(access, MintedAccess) else access
