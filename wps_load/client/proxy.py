"""HTTP proxies: which connection goes through one, and the CONNECT that opens the tunnel (RFC 9110 section 9.3.6).

`HTTPS_PROXY` serves wss:// and https://, `HTTP_PROXY` ws:// and http://; `NO_PROXY` lists exceptions; the lower-case
names win, as in curl. Every connection is tunnelled, even an unencrypted one, as RFC 6455 section 4.1 demands for
WebSocket. Loopback is never proxied.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote

from wps_load.client.response_head import MalformedHead, read_head
from wps_load.errors import ConfigError, ConnectFailure, Fault
from wps_load.urls import basic, host_and_port, unquoted


@dataclass(frozen=True, slots=True)
class Proxy:
    """`option`: the variable that names it. `authorization`: Proxy-Authorization's value; a secret, not in repr."""

    host: str
    port: int
    authorization: str | None = field(default=None, repr=False)
    option: str = field(default="HTTPS_PROXY", compare=False)

    @classmethod
    def parse(cls, text: str, option: str) -> Proxy:
        """`http://[user:password@]host[:port]`. Raises ConfigError, which never shows `text`.

        Everything before the last `@` is user and password, including `[`, `#` and `/`, which are delimiters in a URL
        and common in passwords.
        """
        text = unquoted(text)
        scheme, separator, rest = text.partition("://")
        if not separator:
            scheme, rest = "http", text
        userinfo, at, location = rest.rpartition("@")
        try:
            if scheme.lower() != "http":
                raise ValueError("proxies of other kinds (https://, socks5://) are not spoken")
            host, port = host_and_port(location.partition("/")[0])
        except ValueError as error:
            raise ConfigError([Fault(option, None, f"must be http://[user:password@]host[:port]; {error}")]) from None
        user, _, password = userinfo.partition(":")
        return cls(host, port or 80, basic(unquote(user), unquote(password)) if at else None, option)


@dataclass(frozen=True, slots=True)
class ProxySettings:
    """`plain` is for ws:// and http://, `secure` for wss:// and https://; `exceptions` are NO_PROXY's.

    An unusable variable is kept as a ConfigError, and raised only if a connection would go through it: it may be set
    for the whole machine.
    """

    plain: Proxy | ConfigError | None = None
    secure: Proxy | ConfigError | None = None
    exceptions: tuple[str, ...] = ()

    @classmethod
    def from_environ(cls, environ: Mapping[str, str]) -> ProxySettings:
        def value(name: str) -> str:
            return environ.get(name.lower()) or environ.get(name) or ""

        def proxy(name: str) -> Proxy | ConfigError | None:
            text = value(name).strip()
            try:
                return Proxy.parse(text, name) if text else None
            except ConfigError as error:
                return error

        exceptions = tuple(unquoted(value("NO_PROXY")).lower().replace(",", " ").split())
        return cls(proxy("HTTP_PROXY"), proxy("HTTPS_PROXY"), exceptions)

    def choose(self, host: str, port: int, *, tls: bool) -> Proxy | None:
        """The proxy for this target, or None: no proxy. Raises ConfigError for one that cannot be used."""
        proxy = self.secure if tls else self.plain
        if proxy is None or is_loopback(host):
            return None
        if any(_excepted(entry, host.lower(), port) for entry in self.exceptions):
            return None
        if isinstance(proxy, ConfigError):
            raise proxy
        return proxy


def is_loopback(host: str) -> bool:
    address = _address(host)
    if address is not None:
        return address.is_loopback
    name = host.lower().rstrip(".")
    return name == "localhost" or name.endswith(".localhost")  # RFC 6761 section 6.3


def _excepted(entry: str, host: str, port: int) -> bool:
    """Whether one entry of NO_PROXY covers the host.

    An entry is `*`, a domain (and all below it, with or without a dot before or behind it), an address, a network, or
    any of them with `:port`.
    """
    if entry == "*":
        return True
    address = _address(host)
    if address is not None and _address_excepted(entry, address):
        return True
    name, colon, digits = entry.rpartition(":")
    if colon and digits.isascii() and digits.isdigit():
        if int(digits) != port:
            return False
        if address is not None and _address_excepted(name.strip("[]"), address):
            return True
        entry = name
    domain = entry.lstrip("*").strip(".")
    host = host.rstrip(".")
    return bool(domain) and (host == domain or host.endswith(f".{domain}"))


def _address_excepted(entry: str, address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> bool:
    try:
        return address in ipaddress.ip_network(entry.strip("[]"), strict=False)
    except ValueError:
        return False  # no address or network: a name, or something with a port


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
