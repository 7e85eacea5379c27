"""A byte stream to a host: name, TCP, proxy, TLS, each timed. In the caller's greenlet."""

from __future__ import annotations

import errno
import resource
import socket
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Final

import gevent  # type: ignore[import-untyped]
import gevent.socket  # type: ignore[import-untyped]

from wps_load.client.proxy import ProxySettings, open_tunnel
from wps_load.client.tls import make_context, wrap
from wps_load.clock import now_ns
from wps_load.errors import ConnectFailure

Address = tuple[int, Any]
"""Family and socket address, as `getaddrinfo` gives them."""


@dataclass(slots=True)
class Timings:
    """Parts of one connect, in ns; None: that part did not take place.

    `dns_ns` is None when the name was known already. `tcp_ns` includes failed addresses and a proxy's
    CONNECT: it is the time to a pipe that ends at the target. `phase` says in words what is being done, for a
    time limit's message.
    """

    dns_ns: int | None = None
    tcp_ns: int | None = None
    tls_ns: int | None = None
    upgrade_ns: int | None = None
    phase: str = "resolving the name"


class Resolver:
    """Names to addresses, each name asked once a run; failures are not remembered.

    Thousands of simulated clients ask from one host; a real client asks once from each. Answers with several
    addresses are rotated from connection to connection, as name servers do, so that load spreads over them.
    """

    __slots__ = ("_known", "_lookups")

    def __init__(self) -> None:
        self._known: dict[tuple[str, int], list[Address]] = {}
        self._lookups: dict[tuple[str, int], Any] = {}

    def known(self, host: str, port: int) -> list[Address] | None:
        addresses = self._known.get((host, port))
        if addresses is not None and len(addresses) > 1:
            rotated = [*addresses[1:], addresses[0]]
            if rotated[0][0] == addresses[0][0]:  # never puts another family first: RFC 6724 ordered them
                self._known[host, port] = rotated
        return addresses

    def resolve(self, host: str, port: int) -> list[Address]:
        """Asks gevent's resolver; simultaneous calls share one question. Raises ConnectFailure
        (`dns_failed`).
        """
        key = (host, port)
        lookup = self._lookups.get(key)
        if lookup is None:
            # a greenlet of its own: the time limit of whoever asked first must not end it for the others
            lookup = self._lookups[key] = gevent.spawn(_look_up, host, port)
        answer = lookup.get()
        self._lookups.pop(key, None)
        if isinstance(answer, OSError):
            raise ConnectFailure(
                "dns_failed",
                f"the host name {host} cannot be resolved ({answer.strerror or 'no reason given'})",
                "check the spelling of the endpoint, and this machine's DNS",
            ) from answer
        self._known[key] = answer
        return list(answer)


def _look_up(host: str, port: int) -> list[Address] | OSError:
    try:
        found = gevent.socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except OSError as error:
        return error
    except UnicodeError as error:  # a label that is empty or too long
        return OSError(errno.EINVAL, f"not a host name: {error.args[-1]}")
    return [(family, address) for family, _, _, _, address in found]


@dataclass(frozen=True, slots=True)
class Network:
    """What all connections of a run share: trust, proxies, known names."""

    ssl_context: Any = field(default=None, repr=False)
    proxies: ProxySettings = field(default_factory=ProxySettings)
    resolver: Resolver = field(default_factory=Resolver, repr=False)

    @classmethod
    def create(
        cls, *, ca_file: str | None = None, insecure: bool = False, environ: Mapping[str, str] | None = None
    ) -> Network:
        """Raises ConfigError for an unusable CA file or proxy variable. `environ` None: no proxies."""
        return cls(make_context(ca_file, insecure=insecure), ProxySettings.from_environ(environ or {}))


@contextmanager
def time_limit(timeout_s: float, timings: Timings, host: str) -> Iterator[None]:
    """One deadline for all phases. Raises ConnectFailure: `upgrade_timeout` in the last phase, else
    `connect_timeout`.
    """
    timeout = gevent.Timeout(timeout_s)
    timeout.start()
    try:
        yield
    except gevent.Timeout as expired:
        if expired is not timeout:
            raise  # a limit of the caller's own
        label = "upgrade_timeout" if timings.phase == UPGRADING else "connect_timeout"
        raise ConnectFailure(
            label,
            f"{host}: nothing usable after {timeout_s:.3g} s, still {timings.phase}",
            "check the endpoint and what stands between, ramp up more slowly, or raise --wps-connect-timeout",
        ) from None
    finally:
        timeout.close()


UPGRADING: Final = "waiting for the answer to the upgrade"


def open_stream(host: str, port: int, *, tls: bool, network: Network, timings: Timings) -> Any:
    """A connected gevent socket (TLS done, if asked for). `timings` is filled on the way. Set a `time_limit`
    around it.

    Raises ConnectFailure: `dns_failed`, `connect_*` (`_exhausted`: this machine's limits), `proxy_failed`,
    `tls_*`.
    """
    proxy = network.proxies.choose(host, port, tls=tls)
    via_host, via_port = (host, port) if proxy is None else (proxy.host, proxy.port)
    addresses = network.resolver.known(via_host, via_port)
    if addresses is None:
        began_ns = now_ns()
        addresses = network.resolver.resolve(via_host, via_port)
        timings.dns_ns = now_ns() - began_ns
    began_ns = now_ns()
    timings.phase = "opening a TCP connection"
    sock = _connect_any(addresses, via_host, via_port, via_proxy=proxy is not None)
    try:
        if proxy is not None:
            timings.phase = "waiting for the proxy"
            open_tunnel(sock, proxy, host, port)
        connected_ns = now_ns()
        timings.tcp_ns = connected_ns - began_ns
        if tls:
            timings.phase = "in the TLS handshake"
            sock = wrap(sock, network.ssl_context or make_context(), host)
            timings.tls_ns = now_ns() - connected_ns
    except BaseException:
        sock.close()
        raise
    return sock


_ADDRESS_LIMIT_S: Final = 3.0
"""The longest wait for an address while there is another one to try: one dead address must not use up the
limit.
"""


def _connect_any(addresses: list[Address], host: str, port: int, *, via_proxy: bool) -> Any:
    """The first address that answers; the last one's failure if none does."""
    failure: OSError | None = None
    left = len(addresses)
    for family, address in addresses:
        left -= 1
        try:
            return _connect(family, address, _ADDRESS_LIMIT_S if left else None)
        except OSError as error:
            failure = error
    assert failure is not None, "getaddrinfo never answers with an empty list"
    raise _connect_failure(failure, host, port, via_proxy=via_proxy) from failure


RESERVED_FILES: Final = 16
"""Left for reports, and for what Locust and the kernel's statistics open now and then: a run that has opened as many
connections as this process may is to end well.
"""


def _connect(family: int, address: Any, limit_s: float | None) -> Any:
    sock = gevent.socket.socket(family, socket.SOCK_STREAM)
    try:
        limit = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
        if limit != resource.RLIM_INFINITY and sock.fileno() >= limit - RESERVED_FILES:
            raise OSError(errno.EMFILE, "the last files are not for connections")
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        sock.settimeout(limit_s)
        sock.connect(address)
        sock.settimeout(None)
    except BaseException:
        sock.close()
        raise
    return sock


_LOCAL_LIMITS: Final = {
    errno.EADDRNOTAVAIL: (
        "connect_ports_exhausted",
        "this machine has no free local port left",
        "use fewer connections a machine, or widen net.ipv4.ip_local_port_range",
    ),
    errno.EMFILE: (
        "connect_files_exhausted",
        "this process may not open more files",
        "raise the limit of open files (ulimit -n), or use more workers",
    ),
    errno.ENFILE: (
        "connect_files_exhausted",
        "this machine may not open more files",
        "raise the limit fs.file-max, or use more machines",
    ),
}


def _connect_failure(error: OSError, host: str, port: int, *, via_proxy: bool) -> ConnectFailure:
    if error.errno in _LOCAL_LIMITS:
        return ConnectFailure(*_LOCAL_LIMITS[error.errno])
    label, what = "connect_unreachable", "cannot be reached from this machine"
    if isinstance(error, ConnectionRefusedError):
        label, what = "connect_refused", "refuses connections: nothing listens there"
    elif isinstance(error, TimeoutError):
        label, what = "connect_timeout", "does not answer"
    elif isinstance(error, ConnectionError):
        label, what = "connect_reset", "dropped the connection while it was being opened"
    if via_proxy:
        advice = "check HTTPS_PROXY and HTTP_PROXY"
        return ConnectFailure("proxy_failed", f"the proxy {host}:{port} {what}", advice)
    advice = "check host and port of the endpoint, and the firewall"
    return ConnectFailure(label, f"{host}:{port} {what}", advice)
