"""HTTP proxies: which connection goes through one, and the CONNECT that opens the way (RFC 9110 section
9.3.6).

`HTTPS_PROXY` serves wss:// and https://, `HTTP_PROXY` ws:// and http://; `NO_PROXY` lists exceptions; the
lower-case names win, as in curl. Every connection is tunnelled, also an unencrypted one, as RFC 6455 section
4.1 asks of WebSocket. Loopback is never proxied.
"""

from __future__ import annotations

import base64
import ipaddress
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote, urlsplit

from wps_load.client.head import MalformedHead, read_head
from wps_load.errors import ConfigError, ConnectFailure, Fault


@dataclass(frozen=True, slots=True)
class Proxy:
    """`authorization`: the value of Proxy-Authorization; a secret, kept out of repr."""

    host: str
    port: int
    authorization: str | None = field(default=None, repr=False)

    @classmethod
    def parse(cls, text: str, option: str) -> Proxy:
        """`http://[user:password@]host[:port]`. Raises ConfigError, which never shows `text`."""
        parts = urlsplit(text if "://" in text else f"http://{text}")
        try:
            host, port = parts.hostname, parts.port or 80
        except ValueError:
            host, port = None, 0
        if parts.scheme != "http" or not host:
            raise ConfigError([Fault(option, None, "must be http://[user:password@]host[:port]")])
        authorization = None
        if parts.username is not None:
            pair = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
            authorization = f"Basic {base64.b64encode(pair.encode()).decode()}"
        return cls(host, port, authorization)


@dataclass(frozen=True, slots=True)
class ProxySettings:
    """`plain` is for ws:// and http://, `secure` for wss:// and https://; `exceptions` are NO_PROXY's."""

    plain: Proxy | None = None
    secure: Proxy | None = None
    exceptions: tuple[str, ...] = ()

    @classmethod
    def from_environ(cls, environ: Mapping[str, str]) -> ProxySettings:
        """Raises ConfigError for a proxy that cannot be used."""

        def value(name: str) -> str:
            return environ.get(name.lower()) or environ.get(name) or ""

        def proxy(name: str) -> Proxy | None:
            text = value(name).strip()
            return Proxy.parse(text, name) if text else None

        exceptions = tuple(entry.strip().lower() for entry in value("NO_PROXY").split(",") if entry.strip())
        return cls(proxy("HTTP_PROXY"), proxy("HTTPS_PROXY"), exceptions)

    def choose(self, host: str, port: int, *, tls: bool) -> Proxy | None:
        """The proxy for this target, or None: straight there."""
        proxy = self.secure if tls else self.plain
        if proxy is None or is_loopback(host):
            return None
        if any(_excepted(entry, host.lower(), port) for entry in self.exceptions):
            return None
        return proxy


def is_loopback(host: str) -> bool:
    address = _address(host)
    if address is not None:
        return address.is_loopback
    name = host.lower().rstrip(".")
    return name == "localhost" or name.endswith(".localhost")  # RFC 6761 section 6.3


def _excepted(entry: str, host: str, port: int) -> bool:
    """One entry of NO_PROXY: `*`, a domain (and all below it), an address, a network, any of them with
    `:port`.
    """
    if entry == "*":
        return True
    address = _address(host)
    if address is not None:
        try:
            if address in ipaddress.ip_network(entry, strict=False):
                return True
        except ValueError:
            pass  # no address or network: a name, or something with a port
    name, colon, digits = entry.rpartition(":")
    if colon and digits.isdigit():
        if int(digits) != port:
            return False
        entry = name.strip("[]")
    domain = entry.lstrip("*").lstrip(".")
    return bool(domain) and (host == domain or host.endswith(f".{domain}"))


def _address(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        return None


def open_tunnel(sock: Any, proxy: Proxy, host: str, port: int) -> None:
    """CONNECT on a socket that is connected to the proxy. Raises ConnectFailure (`proxy_failed`)."""
    authority = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    request = f"CONNECT {authority} HTTP/1.1\r\nHost: {authority}\r\n"
    if proxy.authorization is not None:
        request += f"Proxy-Authorization: {proxy.authorization}\r\n"
    try:
        sock.sendall(f"{request}\r\n".encode("latin-1"))
        head, leftover = read_head(sock)
    except (OSError, MalformedHead) as error:
        raise _failure(proxy, "gave no usable answer", "check HTTPS_PROXY, HTTP_PROXY") from error
    if not 200 <= head.status < 300:
        raise _refused(proxy, head.status, head.retry_after_s)
    if leftover:
        raise _failure(proxy, "sent data of its own into the tunnel", "check that it is an HTTP proxy")


def _refused(proxy: Proxy, status: int, retry_after_s: float | None) -> ConnectFailure:
    if status == 407:
        advice = "put the right user:password@ into HTTPS_PROXY or HTTP_PROXY"
    elif status in (502, 503, 504):
        advice = "the proxy cannot reach the target: check the target's name and the proxy's own network"
    else:
        advice = "let the proxy allow the target, or list the target in NO_PROXY"
    failure = _failure(proxy, f"answered CONNECT with status {status}", advice)
    failure.permanent = 400 <= status < 500 and status not in (408, 429)
    failure.retry_after_s = retry_after_s
    return failure


def _failure(proxy: Proxy, what: str, advice: str) -> ConnectFailure:
    return ConnectFailure("proxy_failed", f"the proxy {proxy.host}:{proxy.port} {what}", advice)
