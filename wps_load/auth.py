"""Connection strings and the tokens made from them, as the server SDKs make them.

Nothing here raises with a secret in its text, and no `repr` shows one.
Source: Azure Web PubSub documentation, "Generate client access URL"; RFC 7519 for the claims.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any
from urllib.parse import quote

import jwt
import orjson
from jwt.algorithms import HMACAlgorithm

from wps_load.protocol.traits import CLIENT_PATH
from wps_load.urls import Url, unquoted

DEFAULT_EMULATOR_KEY = "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789ABCDEFGH"
"""The official local emulator's public key. It protects nothing and is for local use only."""

REST_TOKEN_LIFETIME_S = 60

_HUB = re.compile(r"[A-Za-z][A-Za-z0-9_`,.\[\]]{0,127}")
_VARIABLES = ("webpubsubconnectionstring", "locust_wps_connection_string", "wps-connection-string")
"""The beginnings of a line that was pasted whole."""
_FIELDS = {"endpoint": "Endpoint", "accesskey": "AccessKey", "port": "Port", "version": "Version"}
_FOREIGN = {
    "authtype": "Microsoft Entra ID's form: give --wps-endpoint with --wps-credential, or the form with AccessKey=...;",
    "clientendpoint": "which Azure SignalR Service knows and Web PubSub does not: leave that part out",
    "serverendpoint": "which Azure SignalR Service knows and Web PubSub does not: leave that part out",
}
"""Names of other kinds of connection strings. Ignoring one would mean another server, or leave the key out."""


def valid_hub(hub: str) -> bool:
    """Whether a hub's name is valid (data plane): a letter, then at most 127 letters, digits or ``_`,.[]``."""
    return _HUB.fullmatch(hub) is not None


class _OneKey(HMACAlgorithm):
    """HS256 with one key, which is checked once. PyJWT checks for each token whether it is PEM, DER or a JWK."""

    def __init__(self, key: str) -> None:
        super().__init__(HMACAlgorithm.SHA256)
        self._prepared = super().prepare_key(key)

    def prepare_key(self, key: str | bytes) -> bytes:
        return self._prepared


class Signer:
    """Signs tokens with one access key. Raises ValueError for a public key, which cannot be a secret."""

    __slots__ = ("_jws",)

    def __init__(self, access_key: str) -> None:
        self._jws = jwt.PyJWS(algorithms=["HS256"])
        self._jws.unregister_algorithm("HS256")
        try:
            self._jws.register_algorithm("HS256", _OneKey(access_key))
        except jwt.InvalidKeyError:
            raise ValueError("the connection string's AccessKey is not an access key") from None

    def token(self, claims: dict[str, Any]) -> str:
        return self._jws.encode(orjson.dumps(claims), b"", algorithm="HS256")


@dataclass(frozen=True, slots=True)
class ConnectionString:
    """A connection string that was read: `Endpoint=https://NAME.webpubsub.azure.com;AccessKey=...;Version=1.0;`.

    `endpoint`: `scheme://host[:port]`, lower case, no trailing slash. `access_key` is text, not base64-decoded. Raises
    ValueError for a key that cannot sign.
    """

    endpoint: str
    access_key: str = field(repr=False)
    signer: Signer = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "signer", Signer(self.access_key))

    @classmethod
    def parse(cls, text: str) -> ConnectionString:
        """Reads a connection string.

        Raises ValueError with one sentence that says what is wrong or missing, never a value.
        """
        fields = _split(text)
        for name in ("endpoint", "accesskey"):
            if not fields.get(name):
                raise ValueError(f"the connection string has no {_FIELDS[name]}=...; part")
        version = fields.get("version", "1.0")
        if not version.startswith("1."):
            raise ValueError("the connection string's Version must be 1.0")
        return cls(_endpoint(fields["endpoint"], fields.get("port")), fields["accesskey"])

    @property
    def tls(self) -> bool:
        return self.endpoint.startswith("https://")

    def client_url(self, hub: str, path: str = CLIENT_PATH) -> str:
        """The Client URL without a token: `ws[s]://host/client/hubs/{hub}`; other protocols have another path."""
        return client_url(self.endpoint, hub, path)


def client_url(endpoint: str, hub: str, path: str = CLIENT_PATH) -> str:
    """The Client URL of an endpoint, without a token: `ws[s]://host/client/hubs/{hub}`."""
    return f"ws{endpoint.removeprefix('http')}{path}{quote(hub)}"


def _split(text: str) -> dict[str, str]:
    text = unquoted(text)
    variable, equals, rest = text.partition("=")
    if equals and variable.strip().removeprefix("export ").strip().lower() in _VARIABLES and "=" in rest:
        text = unquoted(rest)  # a whole line of an .env file
    fields: dict[str, str] = {}
    for number, part in enumerate(text.split(";"), 1):
        if not part.strip():
            continue
        name, equals, value = part.partition("=")
        key = name.strip().lower()
        if not equals:
            raise ValueError(f"part {number} of the connection string is not NAME=VALUE")
        if key in fields:
            raise ValueError(f"the connection string has {_FIELDS.get(key, 'a name')} twice")
        if key in _FOREIGN:
            raise ValueError(f"the connection string has {name.strip()}=..., {_FOREIGN[key]}")
        fields[key] = unquoted(value)
    if not fields:
        raise ValueError("the connection string is empty")
    return fields


def _endpoint(endpoint: str, port: str | None) -> str:
    if "://" not in endpoint:
        endpoint = f"https://{endpoint}"
    try:
        url = Url.parse(endpoint)
    except ValueError as error:
        raise ValueError(
            f"the connection string's Endpoint is not a URL such as https://NAME.webpubsub.azure.com: {error}"
        ) from None
    if url.credentials or url.target != "/":
        raise ValueError("the connection string's Endpoint must be scheme://host and nothing more")
    if port:
        if not port.isascii() or not port.isdigit() or not 0 < int(port[:6]) < 65536:
            raise ValueError("the connection string's Port must be a number from 1 to 65535")
        url = replace(url, port=int(port))
    return f"{url.scheme}://{url.authority}"


def accept_short_keys() -> None:
    """Stops PyJWT's warning about keys below 32 bytes, once a process: the user cannot choose the length of the key."""
    warnings.simplefilter("ignore", jwt.InsecureKeyLengthWarning)


def mint_client_token(
    cs: ConnectionString,
    hub: str,
    user_id: str | None = None,
    roles: Sequence[str] = (),
    groups: Sequence[str] = (),
    lifetime_s: int = 3600,
    now_s: int = 0,
    path: str = CLIENT_PATH,
) -> str:
    """Returns a client's `access_token` (HS256).

    `now_s`: seconds since the epoch. `path`: the protocol's client path.
    """
    claims: dict[str, Any] = {"aud": f"{cs.endpoint}{path}{hub}", "iat": now_s, "exp": now_s + lifetime_s}
    if user_id is not None:
        claims["sub"] = user_id
    if roles:
        claims["role"] = list(roles)
    if groups:
        claims["webpubsub.group"] = list(groups)
    return cs.signer.token(claims)


def mint_rest_token(cs: ConnectionString, url: str, now_s: int) -> str:
    """Returns a REST request's bearer token, valid for 60 s. `url`: the whole request URL, which is its audience."""
    claims = {"aud": url, "iat": now_s, "exp": now_s + REST_TOKEN_LIFETIME_S}
    return cs.signer.token(claims)


def client_url_with_token(cs: ConnectionString, hub: str, token: str, path: str = CLIENT_PATH) -> str:
    """The Client URL that a negotiate endpoint hands out. Secret: it carries the token."""
    return f"{cs.client_url(hub, path)}?access_token={token}"


_SECRETS = (
    (re.compile(r"((?:access_token|awps_reconnection_token)=)[^&\s\"'<>]+", re.IGNORECASE), r"\1***"),
    (re.compile(r"(Bearer\s+)[^\s\"',;<>]+", re.IGNORECASE), r"\1***"),
    (re.compile(r"(AccessKey\s*=\s*)[^;\s\"']+", re.IGNORECASE), r"\1***"),
    (re.compile(r"\beyJ[\w-]+\.eyJ[\w-]+\.[\w-]*"), "***"),
)


def redact(text: str) -> str:
    """Returns the text without access tokens, bearer tokens, access keys and anything else shaped like a JWT."""
    for pattern, shown in _SECRETS:
        text = pattern.sub(shown, text)
    return text
