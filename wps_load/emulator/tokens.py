"""Checks the tokens of clients and REST callers. `auth` makes them; this module judges them."""

from __future__ import annotations

import secrets
import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote, urlsplit

import jwt

from wps_load.clock import unix_time_s
from wps_load.protocol.traits import CLIENT_PATHS

_LEEWAY_S = 300
_USER_CLAIMS = ("sub", "nameid", "http://schemas.xmlsoap.org/ws/2005/05/identity/claims/nameidentifier")
_DEFAULT_PORTS = {"http": 80, "ws": 80, "https": 443, "wss": 443}
_OPTIONS: Any = {"verify_aud": False, "verify_iat": False, "require": ["exp", "aud"]}
_ENTRA_AUDIENCE = "https://webpubsub.azure.com"


class Unauthorized(Exception):
    """The token gives no access (HTTP 401). The text says why, without the token."""


@dataclass(frozen=True, slots=True)
class ClientClaims:
    user_id: str | None
    roles: tuple[str, ...]
    groups: tuple[str, ...]
    claims: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Trust:
    """Whose tokens are accepted.

    `access_key` None: local authentication is switched off. `issuer`: a made-up Entra ID, whose tokens for REST are
    accepted unverified. `any_entra`: those of every issuer are.
    """

    access_key: str | None = field(repr=False)
    issuer: str | None = None
    any_entra: bool = False
    own_key: str = field(default_factory=lambda: secrets.token_hex(32), repr=False)
    own_kid: str = field(default_factory=lambda: f"s-{uuid.uuid4()}")

    def make_client_token(
        self, audience: str, user_id: str | None, roles: Sequence[str], groups: Sequence[str], lifetime_s: int
    ) -> str:
        """A token of the service's own, as `:generateToken` answers with (sample: azure-sdk-for-go#27414)."""
        now_s = unix_time_s()
        claims: dict[str, Any] = {"aud": audience, "iss": _ENTRA_AUDIENCE, "iat": now_s, "nbf": now_s}
        claims["exp"] = now_s + lifetime_s
        claims |= {"sub": user_id} if user_id is not None else {}
        claims |= {"role": list(roles)} if roles else {}
        claims |= {"webpubsub.group": list(groups)} if groups else {}
        return jwt.encode(claims, self.own_key, algorithm="HS256", headers={"kid": self.own_kid})

    def verified(self, token: str) -> dict[str, Any]:
        """The claims of a token that is signed with the access key. Raises Unauthorized."""
        if self.access_key is None:
            raise Unauthorized("local authentication is disabled: tokens signed with the access key are void")
        return _verified(token, self.access_key)


def check_client_token(token: str, trust: Trust, host: str, hub: str) -> ClientClaims:
    """Checks signature, expiry and audience of an access token; raises Unauthorized.

    The audience's scheme is ignored (the service accepts https, http and wss alike), its host and path are compared;
    the hub's name is case-insensitive.
    """
    claims = _verified(token, trust.own_key) if _kid(token) == trust.own_kid else trust.verified(token)
    hub = hub.lower()
    expected = {f"{path}{hub}" for path in CLIENT_PATHS}
    expected |= {f"/client?hub={hub}", f"/client/?hub={hub}"}
    if not any(_same_place(audience, host, expected) for audience in _strings(claims["aud"])):
        raise Unauthorized("the token's audience is not this hub of this host")
    user_id = next((claims[name] for name in _USER_CLAIMS if isinstance(claims.get(name), str)), None)
    return ClientClaims(user_id, _strings(claims.get("role")), _strings(claims.get("webpubsub.group")), claims)


def check_rest_token(token: str, trust: Trust, path: str) -> bool:
    """A data plane token's audience is the request's URL; only its path is compared, as proxies change the host.

    True: it is Entra ID's, whose holder needs a role.
    """
    if _is_entra(token, trust):
        return True
    claims = trust.verified(token)
    if not any(_is_url(audience, path) for audience in _strings(claims["aud"])):
        raise Unauthorized("the token's audience is not this URL")
    return False


def _kid(token: str) -> str | None:
    try:
        return jwt.get_unverified_header(token).get("kid")
    except jwt.InvalidTokenError:
        return None


def _is_url(audience: str, path: str) -> bool:
    try:
        url = urlsplit(audience)
    except ValueError:
        return False
    return url.scheme in _DEFAULT_PORTS and bool(url.netloc) and unquote(url.path).lower() == path.lower()


def _is_entra(token: str, trust: Trust) -> bool:
    if trust.issuer is None and not trust.any_entra:
        return False
    options: Any = {**_OPTIONS, "verify_signature": False, "verify_exp": True, "verify_nbf": True}
    try:
        claims = jwt.decode(token, leeway=_LEEWAY_S, options=options)
    except jwt.InvalidTokenError:
        return False
    if not any(audience.rstrip("/") == _ENTRA_AUDIENCE for audience in _strings(claims["aud"])):
        return False
    return trust.any_entra or claims.get("iss") == trust.issuer


def _verified(token: str, key: str) -> dict[str, Any]:
    try:
        return jwt.decode(token, key, algorithms=["HS256"], leeway=_LEEWAY_S, options=_OPTIONS)
    except jwt.ExpiredSignatureError:
        raise Unauthorized("the token has expired") from None
    except jwt.InvalidSignatureError:
        raise Unauthorized("the token is not signed with this service's key") from None
    except jwt.InvalidTokenError:
        raise Unauthorized("the token is malformed, or misses exp or aud") from None


def _same_place(audience: str, host: str, expected: set[str]) -> bool:
    try:
        url = urlsplit(audience)
        port = url.port or _DEFAULT_PORTS.get(url.scheme)
        asked = urlsplit(f"{url.scheme}://{host}")
        asked_port = asked.port or _DEFAULT_PORTS.get(url.scheme)
    except ValueError:
        return False
    path = unquote(f"{url.path}?{url.query}" if url.query else url.path).lower()
    return url.hostname == asked.hostname and port == asked_port and path in expected


def _strings(value: object) -> tuple[str, ...]:
    """A claim that may be one string or an array of them."""
    if isinstance(value, str):
        return (value,)
    return tuple(item for item in value if isinstance(item, str)) if isinstance(value, list) else ()
