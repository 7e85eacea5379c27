"""Checks the tokens that clients and REST callers bring. `auth` makes them; this judges them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote, urlsplit

import jwt

_LEEWAY_S = 300
_USER_CLAIMS = ("sub", "nameid", "http://schemas.xmlsoap.org/ws/2005/05/identity/claims/nameidentifier")
_DEFAULT_PORTS = {"http": 80, "ws": 80, "https": 443, "wss": 443}
_OPTIONS: Any = {"verify_aud": False, "verify_iat": False, "require": ["exp", "aud"]}
_ENTRA_AUDIENCE = "https://webpubsub.azure.com"


class Unauthorized(Exception):
    """The token does not open this door (HTTP 401). The text says why, without the token."""


@dataclass(frozen=True, slots=True)
class ClientClaims:
    user_id: str | None
    roles: tuple[str, ...]
    groups: tuple[str, ...]
    claims: dict[str, Any]


def check_client_token(token: str, key: str, host: str, hub: str) -> ClientClaims:
    """Signature, expiry and audience of an access token; raises Unauthorized.

    The audience's scheme is not looked at (the service takes https, http and wss alike), its host and path
    are; the hub's name has no case.
    """
    claims = _verified(token, key)
    hub = hub.lower()
    expected = {f"/client/hubs/{hub}", f"/client?hub={hub}", f"/client/?hub={hub}"}
    if not any(_same_place(audience, host, expected) for audience in _strings(claims["aud"])):
        raise Unauthorized("the token's audience is not this hub of this host")
    user_id = next((claims[name] for name in _USER_CLAIMS if isinstance(claims.get(name), str)), None)
    return ClientClaims(user_id, _strings(claims.get("role")), _strings(claims.get("webpubsub.group")), claims)


def check_rest_token(token: str, key: str, path: str, *, unvalidated_entra: bool = False) -> None:
    """A data plane token's audience is the request's URL; only its path is compared, as proxies change the host.

    `unvalidated_entra`: a token of Microsoft Entra ID's audience will do, whoever signed it.
    """
    if unvalidated_entra and _is_entra(token):
        return
    claims = _verified(token, key)
    if not any(_is_url(audience, path) for audience in _strings(claims["aud"])):
        raise Unauthorized("the token's audience is not this URL")


def _is_url(audience: str, path: str) -> bool:
    try:
        url = urlsplit(audience)
    except ValueError:
        return False
    return url.scheme in _DEFAULT_PORTS and bool(url.netloc) and unquote(url.path).lower() == path.lower()


def _is_entra(token: str) -> bool:
    options: Any = {**_OPTIONS, "verify_signature": False, "verify_exp": True, "verify_nbf": True}
    try:
        claims = jwt.decode(token, leeway=_LEEWAY_S, options=options)
    except jwt.InvalidTokenError:
        return False
    return any(audience.rstrip("/") == _ENTRA_AUDIENCE for audience in _strings(claims["aud"]))


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
