"""Settings of Microsoft Entra ID: which credential, for which service, and how client tokens are shared. Pure.

Source: Azure Web PubSub documentation, "Authorize from application"; azure-identity's documentation of its credentials.
"""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass
from typing import Final

from wps_load.urls import Url, unquoted
from wps_load.workload.values import whole

CREDENTIALS: Final = ("default", "managed-identity", "workload-identity", "service-principal", "cli")
_ENDPOINT: Final = "an endpoint, https://NAME.webpubsub.azure.com"
_SCOPES: Final = {".azure.cn": "https://webpubsub.azure.cn/.default"}
_PUBLIC_SCOPE: Final = "https://webpubsub.azure.com/.default"


_RESOURCE: Final = re.compile(
    r"/subscriptions/[0-9a-f-]{36}/resourceGroups/[\w.()-]+/providers/Microsoft\.SignalRService/WebPubSub/[\w-]+"
    r"(?:/replicas/[\w-]+)?",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Identity:
    """Who requests tokens from Entra ID, and for which service. `credential` is one of `CREDENTIALS`, not a secret."""

    credential: str
    scope: str
    authority: str | None = None


@dataclass(frozen=True, slots=True)
class AzureResource:
    """A resource of Azure Resource Manager, and who may read its metrics."""

    id: str
    identity: Identity


@dataclass(frozen=True, slots=True)
class ClientTokens:
    """How many client tokens there are.

    `pool`: this many, with as many user ids; `each`: one for each user; neither: one for all, without a user id.
    """

    each: bool = False
    pool: int | None = None

    @classmethod
    def parse(cls, text: str) -> ClientTokens:
        name, colon, size = text.partition(":")
        if name == "pool" and colon:
            return cls(pool=whole(size, 1, 1_000_000))
        if text not in ("shared", "each"):
            raise ValueError("shared, each, or pool:N with a whole number")
        return cls(each=text == "each")

    def __str__(self) -> str:
        return f"pool:{self.pool}" if self.pool is not None else "each" if self.each else "shared"


def endpoint(text: str) -> str:
    """Reads `scheme://host[:port]`. Raises ValueError, also for http://, where the token could be read on the way."""
    text = unquoted(text)
    if "accesskey=" in text.lower():
        raise ValueError(f"{_ENDPOINT}; a connection string goes into --wps-connection-string")
    try:
        url = Url.parse(text if "://" in text else f"https://{text}")
    except ValueError as error:
        raise ValueError(f"{_ENDPOINT}; {error}") from None
    if url.credentials or url.target != "/":
        raise ValueError(f"{_ENDPOINT}, and nothing after it")
    if not url.tls and not _is_loopback(url.host):
        raise ValueError(f"{_ENDPOINT}: a token is sent over https:// only, except to this machine")
    return f"{url.scheme}://{url.authority}"


def authority(text: str) -> str:
    """Reads an authority as azure-identity needs it: `https://host`."""
    allowed = "an https:// address such as https://login.microsoftonline.com"
    try:
        url = Url.parse(text if "://" in text else f"https://{text}")
    except ValueError as error:
        raise ValueError(f"{allowed}; {error}") from None
    if not url.tls or url.credentials or url.target != "/":
        raise ValueError(allowed)
    return f"https://{url.authority}"


def scope(text: str) -> str:
    """Reads a scope: a resource with /.default after it, which is added if it is missing."""
    if "://" not in text or any(character.isspace() for character in text):
        raise ValueError("a resource and /.default, such as https://webpubsub.azure.com/.default")
    return text if text.endswith("/.default") else f"{text.rstrip('/')}/.default"


def resource_id(text: str) -> str:
    """Reads a resource's id as Azure Resource Manager writes it."""
    text = unquoted(text).rstrip("/")
    if not _RESOURCE.fullmatch(text):
        raise ValueError(
            "a resource id, /subscriptions/ID/resourceGroups/GROUP/providers/Microsoft.SignalRService/WebPubSub/NAME"
        )
    return text


def default_scope(endpoint: str) -> str:
    """The scope of the cloud that the endpoint's name belongs to; the public cloud's for a custom domain."""
    host = Url.parse(endpoint).host
    return next((scope for domain, scope in _SCOPES.items() if host.endswith(domain)), _PUBLIC_SCOPE)


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")
