"""A byte stream to a host: name, TCP, proxy and TLS, each timed. Runs in the caller's greenlet."""

from __future__ import annotations

import errno
import socket
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any, Final

import gevent
import gevent.socket

from wps_load.client import conntrack, snat
from wps_load.client.addresses import Address, Addresses, shown
from wps_load.client.local_addresses import Sources
from wps_load.client.proxy import ProxySettings, open_tunnel
from wps_load.client.tcp import connect_any, connect_failure
from wps_load.client.tls import make_context, wrap
from wps_load.clock import now_ns
from wps_load.errors import ConfigError, ConnectFailure, Fault
from wps_load.settings.connect_host import ConnectHost
from wps_load.urls import HTTP, WEBSOCKET, Url


@dataclass(slots=True)
class Timings:
    """Parts of one connect, in ns; None: that part did not take place.

    `dns_ns` is None if the name was known already. `tcp_ns` includes failed addresses and a proxy's CONNECT: it is the
    time to a byte stream that ends at the target. `phase` says in words what is being done, for a time limit's message;
    `towards`: the address concerned.
    """

    dns_ns: int | None = None
    tcp_ns: int | None = None
    tls_ns: int | None = None
    upgrade_ns: int | None = None
    phase: str = "resolving the name"
    towards: Address | None = None


class Resolver:
    """Resolves names to addresses, each name once a run; failures are not remembered.

    Thousands of simulated clients ask from one host, but a real client asks once from each host.
    """

    __slots__ = ("_known", "_lookups", "_on_unanswered")

    def __init__(self) -> None:
        self._known: dict[tuple[str, int], Addresses] = {}
        self._lookups: dict[tuple[str, int], Any] = {}
        self._on_unanswered: Callable[[str, str], None] = lambda address, sentence: None

    def tell_unanswered(self, told: Callable[[str, str], None]) -> None:
        """From now on `told(address, sentence)` is called once for each address that did not answer.

        It is called only if another address of its name did answer.
        """
        self._on_unanswered = told

    def known(self, host: str, port: int) -> Addresses | None:
        return self._known.get((host, port))

    def resolve(self, host: str, port: int) -> Addresses:
        """Asks gevent's resolver; simultaneous calls share one request. Raises ConnectFailure (`dns_failed`)."""
        key = (host, port)
        lookup = self._lookups.get(key)
        if lookup is None:
            # a greenlet of its own: the first caller's time limit must not end it for the others
            lookup = self._lookups[key] = gevent.spawn(_look_up, host, port)
        answer = lookup.get()
        self._lookups.pop(key, None)
        if isinstance(answer, OSError):
            raise ConnectFailure(
                "dns_failed",
                f"the host name {host} cannot be resolved ({answer.strerror or 'no reason given'})",
                "check the spelling of the endpoint, and this machine's DNS",
            ) from answer
        known = self._known.setdefault(key, Addresses(answer))  # simultaneous callers share the result
        return known

    def connect(self, addresses: Addresses, host: str, sources: Sources) -> Any:
        """A socket that is connected to one of the host's addresses. Raises OSError."""

        def unanswered(address: Address, used: Address, why: str) -> None:
            if addresses.unanswered(address, now_ns()):
                sentence = f"the address {shown(address)} of {host} {why}; {shown(used)} was used"
                self._on_unanswered(shown(address), sentence)

        sock, used = connect_any(addresses.order(now_ns()), unanswered, sources)
        addresses.answered(used)
        return sock


def _look_up(host: str, port: int) -> list[Address] | OSError:
    try:
        found = gevent.socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except OSError as error:
        return error
    except UnicodeError as error:  # a label that is empty or too long
        return OSError(errno.EINVAL, f"not a host name: {error.args[-1]}")
    return [(family, address) for family, _, _, _, address in found]


def canonical_name(host: str) -> str:
    """The end of a name's aliases (CNAME); empty: unknown."""
    try:
        found = gevent.socket.getaddrinfo(host, None, type=socket.SOCK_STREAM, flags=socket.AI_CANONNAME)
    except (OSError, UnicodeError):
        return ""
    return str(found[0][3] or "") if found else ""


@dataclass(frozen=True, slots=True)
class Network:
    """What all connections of a run share: trust, proxies, known names, and where they go if not to their host."""

    ssl_context: Any = field(default=None, repr=False)
    proxies: ProxySettings = field(default_factory=ProxySettings)
    resolver: Resolver = field(default_factory=Resolver, repr=False)
    connect_host: ConnectHost | None = None
    sources: Sources = field(default_factory=Sources, repr=False)

    @classmethod
    def create(
        cls,
        *,
        ca_file: str | None = None,
        insecure: bool = False,
        environ: Mapping[str, str] | None = None,
        connect_host: ConnectHost | None = None,
        bind: Sequence[str] = (),
    ) -> Network:
        """Raises ConfigError for an unusable CA file. `environ`: has the proxies' variables; None: no proxies."""
        proxies = ProxySettings.from_environ(environ or {})
        return cls(make_context(ca_file, insecure=insecure), proxies, connect_host=connect_host, sources=Sources(bind))

    @property
    def straight(self) -> Network:
        """The same without `--wps-connect-host`, for servers other than the service."""
        return replace(self, connect_host=None)

    def place(self, host: str, port: int) -> tuple[str, int]:
        """The host and port to which a connection really goes."""
        given = self.connect_host
        return (host, port) if given is None else (given.host, given.port or port)

    def server_name(self, host: str) -> str:
        """The name for the TLS handshake and the Host header."""
        given = self.connect_host
        return host if given is None or given.name is None else given.name

    def addresses(self, url: str, timeout_s: float) -> int | None:
        """The number of addresses of connections to `url`, or of the proxy if they need one; None: unknown."""
        way = Url.parse(url, {**HTTP, **WEBSOCKET})
        try:
            host, port = self.place(way.host, way.port)
            proxy = self.proxies.choose(host, port, tls=way.tls)
            if proxy is not None:
                host, port = proxy.host, proxy.port
            with time_limit(timeout_s, Timings(), host):
                return len(self.resolver.resolve(host, port))
        except (ConfigError, ConnectFailure):
            return None

    def judge_proxy(self, url: str, timeout_s: float) -> None:
        """Before a run to `url`: raises ConfigError if it needs a proxy that is unusable or unknown."""
        way = Url.parse(url, {**HTTP, **WEBSOCKET})
        proxy = self.proxies.choose(*self.place(way.host, way.port), tls=way.tls)
        if proxy is None:
            return
        try:
            with time_limit(timeout_s, Timings(), proxy.host):
                self.resolver.resolve(proxy.host, proxy.port)
        except ConnectFailure as failure:
            why = (
                f"the proxy's {failure.message.removeprefix('the ')}"
                if failure.label == "dns_failed"
                else failure.message
            )
            fault = Fault(proxy.option, None, f"{why}; list the target in NO_PROXY if it needs no proxy")
            raise ConfigError([fault]) from None


@contextmanager
def time_limit(timeout_s: float, timings: Timings, host: str) -> Iterator[None]:
    """One deadline for all phases.

    Raises ConnectFailure: `upgrade_timeout` in the last phase, else `connect_timeout`.
    """
    timeout = gevent.Timeout(timeout_s)
    timeout.start()
    try:
        yield
    except gevent.Timeout as expired:
        if expired is not timeout:
            raise  # a time limit of the caller's own
        no_room = conntrack.full() or snat.suspected(timings.towards) if timings.phase == CONNECTING else None
        if no_room is not None:
            raise no_room from None
        label = "upgrade_timeout" if timings.phase == UPGRADING else "connect_timeout"
        raise ConnectFailure(
            label,
            f"{host}: nothing usable after {timeout_s:.3g} s, still {timings.phase}",
            "check the endpoint and what stands between, ramp up more slowly, or raise --wps-connect-timeout",
        ) from None
    finally:
        timeout.close()


CONNECTING: Final = "opening a TCP connection"
UPGRADING: Final = "waiting for the answer to the upgrade"


def open_stream(host: str, port: int, *, tls: bool, network: Network, timings: Timings) -> Any:
    """A connected gevent socket (TLS done, if requested).

    `timings` is filled on the way. Set a `time_limit` around it.

    Raises ConnectFailure: `dns_failed`, `connect_*` (`_exhausted`: this machine's limits), `proxy_failed`, `tls_*`.
    """
    name = network.server_name(host)
    host, port = network.place(host, port)
    try:
        proxy = network.proxies.choose(host, port, tls=tls)
    except ConfigError as error:  # for a target that was unknown when the run began: a negotiated one
        raise ConnectFailure("proxy_failed", str(error), "or list the target in NO_PROXY", permanent=True) from None
    via_host, via_port = (host, port) if proxy is None else (proxy.host, proxy.port)
    addresses = network.resolver.known(via_host, via_port)
    if addresses is None:
        began_ns = now_ns()
        addresses = network.resolver.resolve(via_host, via_port)
        timings.dns_ns = now_ns() - began_ns
    began_ns = now_ns()
    timings.phase, timings.towards = CONNECTING, addresses.first
    try:
        sock = network.resolver.connect(addresses, via_host, network.sources)
    except OSError as error:
        raise connect_failure(error, via_host, via_port, via_proxy=proxy is not None) from error
    try:
        if proxy is not None:
            timings.phase = "waiting for the proxy"
            open_tunnel(sock, proxy, host, port)
        connected_ns = now_ns()
        timings.tcp_ns = connected_ns - began_ns
        if tls:
            timings.phase = "in the TLS handshake"
            sock = wrap(sock, network.ssl_context or make_context(), name)
            timings.tls_ns = now_ns() - connected_ns
    except BaseException:
        sock.close()
        raise
    return sock
