"""URLs as people write them -> what goes onto the wire: host, port, request target, credentials.

The rules are those of browsers and curl (RFC 3986; WHATWG URL): scheme and host may be in capitals, characters outside
ASCII are percent-encoded as UTF-8 in the path and the query and become IDNA in the host, and a fragment is never sent.
`urllib.parse.urlsplit` does not read what people type: it raises where a password has a bracket, and it silently drops
line breaks. No error here quotes the URL, which may hold a secret.
"""

from __future__ import annotations

import base64
import ipaddress
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Final
from urllib.parse import quote, unquote, urljoin

_PARTS: Final = re.compile(r"(?P<scheme>[A-Za-z][A-Za-z0-9+.-]*)://(?P<authority>[^/?#]*)(?P<rest>[^#]*)")
_AUTHORITY: Final = re.compile(r"(?P<host>\[[^\[\]]*\]|[^\[\]:]*)(?::(?P<port>[0-9]*))?")
_KEPT: Final = "!$%&'()*+,/:;=?@[]~"
"""Not encoded: delimiters, and `%`, because what is encoded already stays as it is."""
HTTP: Final[Mapping[str, int]] = MappingProxyType({"http": 80, "https": 443})
WEBSOCKET: Final[Mapping[str, int]] = MappingProxyType({"ws": 80, "wss": 443})
_MAX_LABEL, _MAX_NAME = 63, 253


@dataclass(frozen=True, slots=True)
class Url:
    """`scheme` and `host` in lower case, an IPv6 address without brackets; `port`: the scheme's own if none is given.

    `target` is the request target (path and query), ready to be sent. `credentials`: what stood before `@`, decoded.
    """

    scheme: str
    host: str
    port: int
    target: str = field(repr=False)
    credentials: tuple[str, str] | None = field(default=None, repr=False)

    @classmethod
    def parse(cls, text: str, schemes: Mapping[str, int] = HTTP) -> Url:
        """Reads a URL.

        `schemes`: those allowed, and their ports. Raises ValueError with one sentence that quotes no secret.
        """
        text = text.strip()
        found = _PARTS.match(text)
        if found is None or found["scheme"].lower() not in schemes:
            raise ValueError(f"it must start with {' or '.join(f'{name}://' for name in reversed(list(schemes)))}")
        if not text.isprintable():
            raise ValueError("the URL has a line break or another control character in it")
        scheme = found["scheme"].lower()
        userinfo, at, location = found["authority"].rpartition("@")
        host, port = host_and_port(location)
        rest = found["rest"]
        try:
            target = quote(rest if rest.startswith("/") else f"/{rest}", safe=_KEPT)
        except UnicodeEncodeError:
            raise ValueError("the URL has a character that is none (half of a surrogate pair)") from None
        user, _, password = userinfo.partition(":")
        credentials = (unquote(user), unquote(password)) if at else None
        return cls(scheme, host, port or schemes[scheme], target, credentials)

    @property
    def tls(self) -> bool:
        return self.scheme in ("https", "wss")

    @property
    def authority(self) -> str:
        """The `Host` header, with the port if it is not the scheme's default."""
        own = {**HTTP, **WEBSOCKET}[self.scheme]
        return shown_host(self.host) if self.port == own else f"{shown_host(self.host)}:{self.port}"

    @property
    def basic(self) -> str | None:
        """The `Authorization` value for the credentials (RFC 7617), which is a secret; None if there are none."""
        return None if self.credentials is None else basic(*self.credentials)

    @property
    def text(self) -> str:
        """The whole URL without credentials and fragment. Secret if its query is."""
        return f"{self.scheme}://{self.authority}{self.target}"

    def redirected(self, location: str) -> Url:
        """The URL that a `Location` in the answer leads to (RFC 9110 section 10.2.2).

        Credentials are sent on only to the same server, or to its default port behind TLS. Raises ValueError.
        """
        new = Url.parse(urljoin(self.text, location.strip()))
        same = (new.scheme, new.host, new.port) == (self.scheme, self.host, self.port)
        upgraded = (self.scheme, self.port, new.scheme, new.port) == ("http", 80, "https", 443)
        keeps = same or (upgraded and new.host == self.host)
        return Url(new.scheme, new.host, new.port, new.target, self.credentials if keeps else None)


def host_and_port(location: str) -> tuple[str, int | None]:
    """Reads `HOST`, `HOST:PORT` or `[IPv6]:PORT`. Raises ValueError with one sentence."""
    found = _AUTHORITY.fullmatch(location)
    if found is None:
        raise ValueError("the text after :// is not HOST or HOST:PORT")
    port = None
    if found["port"]:
        port = int(found["port"][:6])
        if not 0 < port < 65536:
            raise ValueError("the port must be a number from 1 to 65535")
    return wire_host(found["host"]), port


def wire_host(host: str) -> str:
    """The host as it is resolved and sent: lower case, IDNA, IPv6 without brackets. Raises ValueError."""
    if host.startswith("["):
        try:
            return str(ipaddress.IPv6Address(unquote(host[1:-1])))
        except ValueError:
            raise ValueError("the text in brackets is not an IPv6 address") from None
    if not host:
        raise ValueError("the URL has no host")
    labels = host.removesuffix(".").split(".")
    if not all(labels):
        raise ValueError(
            "the host name has an empty part between or before its dots: is the resource's name missing, as in "
            "https://NAME.webpubsub.azure.com?"
        )
    if not host.isascii():
        try:
            host = host.encode("idna").decode("ascii")
        except UnicodeError:
            raise ValueError("the host name cannot be written in ASCII (IDNA)") from None
        labels = host.removesuffix(".").split(".")
    if any(
        mark in host for mark in ' \\%"<>^`{|}'
    ):  # some arise only from the conversion to ASCII, such as the blank of a lone accent
        raise ValueError("the host name has a character that no host name has")
    if len(host.removesuffix(".")) > _MAX_NAME or any(len(label) > _MAX_LABEL for label in labels):
        raise ValueError(f"a host name has at most {_MAX_NAME} characters, and {_MAX_LABEL} between two dots")
    return host.lower()


def shown_host(host: str) -> str:
    """A host as written in a URL: an IPv6 address in brackets."""
    return f"[{host}]" if ":" in host else host


def basic(user: str, password: str) -> str:
    """The value of `Authorization` or `Proxy-Authorization` for a user and a password; a secret."""
    return f"Basic {base64.b64encode(f'{user}:{password}'.encode(errors='surrogatepass')).decode()}"


def client_url(text: str) -> str:
    """A Client URL (ws:// or wss://) to be dialled, with its token. Raises ValueError, which shows no secret."""
    url = Url.parse(text, WEBSOCKET)
    if " " in text.strip() or url.credentials:
        raise ValueError("a Client URL has no blanks and no user:password@ in it")
    return url.text


def unquoted(text: str) -> str:
    """A value without the white space, byte order mark or pair of quotes around it.

    They come from .env files, YAML, shells and key vaults.
    """
    text = text.strip().removeprefix("\ufeff").strip()
    for quote_mark in "\"'":
        if len(text) > 1 and text[0] == text[-1] == quote_mark:
            return text[1:-1].strip()
    return text


def without_secrets(url: str) -> str:
    """Scheme, host and path: a query (`?code=...`) or user part may hold a secret. Takes any text."""
    head = re.split(r"[?#]", url.strip(), maxsplit=1)[0]
    scheme, separator, rest = head.rpartition("://")
    authority, slash, path = rest.partition("/")
    return f"{scheme}{separator}{authority.rpartition('@')[2]}{slash}{path}"
