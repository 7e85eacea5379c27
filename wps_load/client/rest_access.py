"""The authorisation of REST calls to the service: the only place that knows it, for senders, tasks and `doctor`.

With an access key each URL has a token of its own, signed here; its audience is that URL. With Entra ID all calls carry
the identity's one token.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, Protocol

from wps_load.auth import REST_TOKEN_LIFETIME_S, ConnectionString, mint_rest_token
from wps_load.client.entra_tokens import EntraTokens, tokens_of
from wps_load.clock import unix_time_s
from wps_load.settings.target import Target

_RENEW_BEFORE_S: Final = 10
_MAX_TOKENS: Final = 10_000


class RestAccess(Protocol):
    """`endpoint`: `scheme://host[:port]` of the service, as in URLs and tokens."""

    @property
    def endpoint(self) -> str: ...

    def authorization(self, url: str) -> str:
        """The value of `Authorization` for a request to this whole URL, a secret. May wait for the network.

        Raises Finding if there is no token.
        """
        ...


class SignedCalls:
    """REST tokens by URL, which is their audience; each is used until 10 s before it expires."""

    def __init__(self, cs: ConnectionString, now_s: Callable[[], int] = unix_time_s) -> None:
        self._cs = cs
        self._now_s = now_s
        self._tokens: dict[str, tuple[str, int]] = {}

    @property
    def endpoint(self) -> str:
        return self._cs.endpoint

    def authorization(self, url: str) -> str:
        now_s = self._now_s()
        known = self._tokens.get(url)
        if known is not None and now_s < known[1]:
            return known[0]
        if len(self._tokens) >= _MAX_TOKENS:
            self._tokens.clear()  # each user has a URL: with very many users a token is rarely used twice anyway
        header = f"Bearer {mint_rest_token(self._cs, url, now_s)}"
        self._tokens[url] = (header, now_s + REST_TOKEN_LIFETIME_S - _RENEW_BEFORE_S)
        return header


class EntraCalls:
    """The identity's token, for all URLs."""

    def __init__(self, endpoint: str, tokens: EntraTokens) -> None:
        self._endpoint = endpoint
        self._tokens = tokens

    @property
    def endpoint(self) -> str:
        return self._endpoint

    def authorization(self, url: str) -> str:
        return f"Bearer {self._tokens.token()}"


def rest_access(target: Target) -> RestAccess | None:
    """How REST calls to this target are authorised; None: they cannot be."""
    if target.identity is not None:
        return EntraCalls(target.url, tokens_of(target.identity))
    return None if target.connection is None else SignedCalls(target.connection)
