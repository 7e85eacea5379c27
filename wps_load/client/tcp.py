"""A TCP connection to the first address of a name that answers, and what it means if none does."""

from __future__ import annotations

import errno
import os
import socket
from collections.abc import Callable
from types import MappingProxyType
from typing import Any, Final

import gevent
import gevent.select
import gevent.socket

from wps_load.client.addresses import ATTEMPT_DELAY_NS, Address
from wps_load.client.local_addresses import NoSource, Sources
from wps_load.clock import NS_PER_MS, now_ns
from wps_load.errors import ConnectFailure
from wps_load.posix import resource

ANY_SOURCE: Final = Sources()
RESERVED_FILES: Final = 16
"""Descriptors left for reports, Locust, and the kernel's statistics.

A run that has opened as many connections as this process may must still end properly.
"""


def connect_any(
    addresses: list[Address],
    on_unanswered: Callable[[Address, Address, str], None],
    sources: Sources = ANY_SOURCE,
) -> tuple[Any, Address]:
    """A connected socket, and to which address. In the caller's greenlet; set a time limit around it.

    An address that has not answered in RFC 8305's attempt delay keeps its chance while the next one is tried.
    `on_unanswered(address, used, why)` gets those that another one replaced. Raises OSError: the last one's error if
    none answers, or this machine's own limit at once; NoSource if `sources` has none for them.
    """
    served = [address for address in addresses if sources.serves(address[0])]
    if not served:
        raise NoSource(addresses[0][0])
    if len(served) == 1:
        return connect(*served[0], sources), served[0]
    race = _Race(served, sources)
    try:
        sock, used = race.run()
    finally:
        race.close()
    for address in race.begun[: race.begun.index(used)]:  # one that began later had no time to answer
        on_unanswered(address, used, race.failures.get(address, "did not answer"))
    return sock, used


class _Race:
    """Simultaneous attempts. `begun`: all of them, in order. `failures`: why, for those that failed."""

    def __init__(self, addresses: list[Address], sources: Sources) -> None:
        self._sources = sources
        self._left = list(addresses)
        self._pending: dict[int, tuple[Any, Address]] = {}
        self._failure: OSError | None = None
        self.begun: list[Address] = []
        self.failures: dict[Address, str] = {}

    def run(self) -> tuple[Any, Address]:
        while self._left or self._pending:
            if self._left:
                self._begin(self._left.pop(0))
            won = self._wait()
            if won is not None:
                return won
        assert self._failure is not None, "getaddrinfo never answers with an empty list"
        raise self._failure

    def _begin(self, address: Address) -> None:
        self.begun.append(address)
        sock = _socket(address[0], self._sources)
        self._pending[sock.fileno()] = sock, address
        sock.setblocking(False)
        code = sock.connect_ex(address[1])
        if code not in (0, errno.EINPROGRESS, errno.EWOULDBLOCK):
            self._failed(sock.fileno(), code)

    def _wait(self) -> tuple[Any, Address] | None:
        """Waits until one is connected, or the next one should begin: one has failed, or the delay is over."""
        until_ns = now_ns() + ATTEMPT_DELAY_NS
        while self._pending:
            left_ms = max(0, until_ns - now_ns()) / NS_PER_MS if self._left else None
            poll = gevent.select.poll()
            for descriptor in self._pending:
                poll.register(descriptor, gevent.select.POLLOUT)
            ready = [descriptor for descriptor, _ in poll.poll(left_ms)]
            for descriptor in ready:
                sock, address = self._pending[descriptor]
                code = sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
                if code:
                    self._failed(descriptor, code)
                else:
                    del self._pending[descriptor]
                    sock.setblocking(True)
                    return sock, address
            if self._left:
                return None
        return None

    def _failed(self, descriptor: int, code: int) -> None:
        sock, address = self._pending.pop(descriptor)
        sock.close()
        self._failure = OSError(code, os.strerror(code))
        self.failures[address] = f"said: {os.strerror(code).lower()}"
        # without IPv6 its addresses say so by the error that no free port gives: another one may do
        if code in _LOCAL_LIMITS and code != errno.EADDRNOTAVAIL:
            raise self._failure

    def close(self) -> None:
        """Ends the attempts that are no longer needed."""
        for sock, _ in self._pending.values():
            sock.close()
        self._pending.clear()


def connect(family: int, address: Any, sources: Sources = ANY_SOURCE) -> Any:
    """A connected gevent socket. Raises OSError."""
    sock = _socket(family, sources)
    try:
        sock.connect(address)
    except BaseException:
        sock.close()
        raise
    return sock


def unreachable(addresses: list[Address], limit_s: float, sources: Sources = ANY_SOURCE) -> dict[Address, str]:
    """The addresses that give no connection in `limit_s`, and why; all are tried at the same time."""
    tried = [address for address in addresses if sources.serves(address[0])]
    attempts = {address: gevent.spawn(_why_not, address, limit_s, sources) for address in tried}
    found = {address: attempt.get() for address, attempt in attempts.items()}
    return {address: why for address, why in found.items() if why}


def _why_not(address: Address, limit_s: float, sources: Sources) -> str:
    with gevent.Timeout(limit_s, False):
        try:
            connect(*address, sources).close()
        except OSError as error:
            return f"says: {(error.strerror or str(error)).lower()}"
        return ""
    return "does not answer"


def _socket(family: int, sources: Sources) -> Any:
    sock = gevent.socket.socket(family, socket.SOCK_STREAM)
    limit = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    if limit != resource.RLIM_INFINITY and sock.fileno() >= limit - RESERVED_FILES:
        sock.close()
        raise OSError(errno.EMFILE, "the last descriptors are not for connections")
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    try:
        sources.bind(sock, family)
    except BaseException:
        sock.close()
        raise
    return sock


_MEMORY: Final = (
    "connect_memory_exhausted",
    "this machine has no memory left for another connection",
    "use fewer connections a machine, or give it more memory",
)
_LOCAL_LIMITS: Final = MappingProxyType(
    {
        errno.ENOMEM: _MEMORY,
        errno.ENOBUFS: _MEMORY,
        errno.EADDRNOTAVAIL: (
            "connect_ports_exhausted",
            "this machine has no free local port left",
            "use fewer connections a machine, widen net.ipv4.ip_local_port_range, or use more source addresses "
            "(--wps-bind)",
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
)


def connect_failure(error: OSError, host: str, port: int, *, via_proxy: bool) -> ConnectFailure:
    """The failure for an OSError of `connect` or `connect_any`."""
    if isinstance(error, NoSource):
        what, advice = f"none is {error.family}, as the target is", f"give --wps-bind an {error.family} address, too"
        if error.address:
            what, advice = f"{error.address} is not an address of this machine", "see --wps-bind, and `ip address`"
        return ConnectFailure("connect_source_unavailable", f"no source address: {what}", advice)
    if error.errno is not None and error.errno in _LOCAL_LIMITS:
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
