"""How an option's text becomes its value, if it is more than a plain number, duration or name.

Each function raises ValueError, which says what is allowed.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from ipaddress import ip_address
from typing import Any
from urllib.parse import parse_qs

from wps_load.auth import valid_hub
from wps_load.clock import NS_PER_S
from wps_load.measure import thresholds
from wps_load.urls import Url, unquoted
from wps_load.urls import client_url as read_client_url
from wps_load.workload.faults import parse_faults
from wps_load.workload.values import duration_ns, parts, rate

TIERS = {"free": "Free_F1", "standard": "Standard_S1", "premium": "Premium_P1"}
SKUS = ("Free_F1", "Standard_S1", "Premium_P1", "Premium_P2")

_ROLE = re.compile(r"webpubsub\.(?:(?:joinLeaveGroup|sendToGroup)(?:\..+)?|(?:joinLeaveGroups|sendToGroups)\..+)")

_MAX_ROLE_CHARS = len("webpubsub.joinLeaveGroups.") + 1024


def hub(text: str) -> str:
    if not valid_hub(text):
        raise ValueError("a letter, then at most 127 letters, digits or any of _`,.[]")
    return text


def client_url(text: str) -> str:
    allowed = "a Client URL, wss://HOST/client/hubs/HUB?access_token=..., as the portal makes it"
    try:
        url = read_client_url(unquoted(text))
    except ValueError as error:
        raise ValueError(f"{allowed}; {error}") from None
    path, _, query = url.partition("?")
    if "/client" not in path:
        raise ValueError(allowed)
    if not any(parse_qs(query).get("access_token", ())):
        raise ValueError(f"it has no access_token; expected {allowed}")
    return url


def negotiate_url(text: str) -> str:
    try:
        Url.parse(unquoted(text))
    except ValueError as error:
        raise ValueError(
            f"the app server's http:// or https:// address that answers with a client URL; {error}"
        ) from None
    return unquoted(text)


def pushgateway(text: str) -> Url:
    allowed = "a Pushgateway, http://HOST:9091 or https://USER:PASSWORD@HOST"
    try:
        url = Url.parse(unquoted(text))
    except ValueError as error:
        raise ValueError(f"{allowed}; {error}") from None
    if "?" in url.target:
        raise ValueError(f"{allowed}, without a query")
    return url


def roles(text: str) -> tuple[str, ...]:
    return () if text.strip() == "none" else judged_roles(parts(text))


def judged_roles(texts: Iterable[str]) -> tuple[str, ...]:
    """Checks that each text is a role. Raises ValueError, which says what is allowed."""
    roles = tuple(texts)
    if any(role.startswith("webpubsub.") and not _ROLE.fullmatch(role) for role in roles):
        raise ValueError(
            "a comma-separated list of webpubsub.joinLeaveGroup and webpubsub.sendToGroup, also with .GROUP, "
            "webpubsub.joinLeaveGroups.PATTERN or webpubsub.sendToGroups.PATTERN; or none"
        )
    if any(len(role) > _MAX_ROLE_CHARS for role in roles):
        raise ValueError("a role names one group or pattern, of at most 1,024 characters")
    return roles


def token_lifetime_ns(text: str) -> int:
    if (lifetime := duration_ns(text)) < NS_PER_S:
        raise ValueError("a duration of at least 1s, such as 60m")
    return lifetime


def keepalive_ns(text: str) -> int:
    time_ns = duration_ns(text)
    if 0 < time_ns < 100_000_000:
        raise ValueError("0, or a duration of at least 100ms, such as 20s")
    return time_ns


def tier(text: str) -> str:
    sku = TIERS.get(text.lower()) or next((sku for sku in SKUS if sku.lower() == text.lower()), None)
    if sku is None:
        raise ValueError(f"one of {', '.join((*TIERS, *SKUS))}")
    return sku


def faults(text: str) -> str:
    parse_faults(text)
    return text


def slo(text: str) -> str:
    thresholds.parse(text)
    return text


def file_bytes(text: str) -> bytes:
    try:
        with open(text, "rb") as file:
            return file.read()
    except OSError as error:
        raise ValueError(f"a readable file ({error.strerror or 'it cannot be read'})") from None


def mix(text: str) -> tuple[str, str]:
    """The path of a mix file, and its content."""
    try:
        return text, file_bytes(text).decode("utf-8-sig")
    except UnicodeDecodeError:
        raise ValueError("a TOML file in UTF-8") from None


def readable_path(text: str) -> str:
    file_bytes(text)
    return text


def address(text: str) -> str:
    try:
        return str(ip_address(text.strip().removeprefix("[").removesuffix("]")))
    except ValueError:
        raise ValueError("an IP address of this host: 127.0.0.1, 0.0.0.0 or ::, 10.0.0.4") from None


def rate_or_max(text: str) -> Any:
    try:
        return None if text.strip() == "max" else rate(text)
    except ValueError as error:
        raise ValueError(f"{error}, or max for the closed loop") from None
