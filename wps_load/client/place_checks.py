"""Checks of the target's host: addresses and aliases, the server that answers, and its round trip. Pure."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping, Sequence
from typing import Any, Final

from wps_load.client.checks import Check, Level
from wps_load.client.quote import quote
from wps_load.plurals import counted

FAR_MS: Final = 15.0
"""A TCP handshake within a region takes a millisecond or two; between regions, tens of them."""
_PRIVATELINK: Final = ".privatelink."
_REGION: Final = (
    "run the generator in the service's region: this is in every round trip, several times in every new connection"
)


def kind_of(address: str) -> str:
    """`public`, `private` or `loopback`."""
    try:
        found = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return "unknown"
    if found.is_loopback:
        return "loopback"
    return "public" if found.is_global else "private"


def name(host: str, addresses: Sequence[str], canonical: str, took_ms: float, *, is_proxy: bool) -> Check:
    """What a name resolves to. `canonical`: the end of its aliases; empty or the name itself: it has none."""
    kinds = sorted({kind_of(address) for address in addresses})
    shown = ", ".join(addresses[:4]) + (", ..." if len(addresses) > 4 else "")
    found = f"{host} has {counted(len(addresses), 'address')} ({' and '.join(kinds)}: {shown})"
    alias = canonical.rstrip(".").lower()
    if alias and alias not in (host.rstrip(".").lower(), *addresses):
        found += f", an alias (CNAME) of {alias}"
    found += f", in {took_ms:.1f} ms" + (" (the proxy's)" if is_proxy else "")
    if _PRIVATELINK in f".{host.lower()}":
        advice = "use the public name, NAME.webpubsub.azure.com: certificates do not cover the privatelink name"
        return Check("name", Level.WARN, found, advice)
    if _PRIVATELINK in alias and "public" in kinds:
        advice = "it has a private endpoint that this machine's DNS does not resolve: link the private DNS zone"
        return Check("name", Level.WARN, found, advice)
    return Check("name", Level.PASS, found)


def health(status: int, server: str | None, via: str | None, took_ms: float) -> Check:
    """`GET /api/health`, which needs no token. A gateway or a proxy on the way may answer."""
    who = [f"{label}: {quote(value)}" for label, value in (("Server", server), ("Via", via)) if value]
    found = f"/api/health answered {status} in {took_ms:.1f} ms" + (f"; {', '.join(who)}" if who else "")
    if via:
        found += " (through a proxy)"
    if status == 200:
        return Check("health", Level.PASS, found)
    advice = "check the state of the resource and of any gateway in front of it"
    if status == 403:
        advice = "a network rule or a gateway forbids it: see the resource's networking page"
    if status in (502, 503, 504):
        advice = "a gateway in front finds no service behind it: check its backend"
    return Check("health", Level.WARN, found, advice)


def distance(place: str, tcp_ms: float, *, is_proxy: bool) -> Check:
    """The quickest of some TCP handshakes, one round trip each."""
    found = f"{place} in {tcp_ms:.1f} ms"
    if tcp_ms > FAR_MS and not is_proxy:
        return Check("TCP", Level.WARN, f"{found}, a round trip", _REGION)
    return Check("TCP", Level.PASS, found)


def token_kind(key_id: str | None, claims: Mapping[str, Any]) -> str:
    """Who made a client token, as far as it shows: `:generateToken` names itself, an access key does not."""
    issuer = claims.get("iss")
    by = f", iss {quote(issuer)}" if isinstance(issuer, str) else ""
    if (key_id or "").startswith("s-"):
        return f"made by the service (kid s-...{by})"
    if key_id:
        return f"signed with an unknown key (kid {quote(key_id)}{by})"
    return f"signed with an access key{by}"
