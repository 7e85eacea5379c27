"""From a Client URL to an upgraded WebSocket connection (RFC 6455 section 4.1), each part timed.

websocket-client makes the request and checks the answer; the sockets are ours. It reads a head byte by byte, so we read
the head whole and give it to the library from memory: what the server sent right after it stays with us.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from types import MappingProxyType
from typing import Any, Final
from urllib.parse import urlsplit, urlunsplit

from websocket import WebSocket, WebSocketException

from wps_load.client.refusals import ROLE_ADVICE, TRAFFIC, RefusedAnswer, forbidden
from wps_load.client.response_head import MalformedHead, ResponseHead, SpeaksTls, read_head
from wps_load.client.stream import UPGRADING, Network, Timings, open_stream, time_limit
from wps_load.client.tls import behind_handshake
from wps_load.client.token_time import made_by_service, remarks, token_of
from wps_load.clock import now_ns, unix_time_s
from wps_load.errors import ConnectFailure
from wps_load.urls import shown_host


@dataclass(frozen=True, slots=True)
class ConnectSpec:
    """One connection to make. `url` (ws:// or wss://) and `headers` may hold tokens and stay out of repr.

    `subprotocol` is the one that is offered and must be chosen; None: none may be. `timeout_s` bounds everything from
    the name to the answered upgrade.
    """

    url: str = field(repr=False)
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    subprotocol: str | None = None
    timeout_s: float = 15.0


@dataclass(frozen=True, slots=True)
class Dialed:
    """An upgraded connection. `leftover`: bytes after the response head, which arrived at `upgraded_ns`."""

    sock: Any = field(repr=False)
    leftover: bytes = field(repr=False)
    timings: Timings
    subprotocol: str | None
    upgraded_ns: int
    secure: bool


def dial(spec: ConnectSpec, network: Network) -> Dialed:
    """Connects and upgrades, in the caller's greenlet. The caller must close the socket.

    Raises ConnectFailure, whose label is one of `dns_failed`, `connect_refused`, `connect_timeout`,
    `connect_reset`, `connect_unreachable`, `connect_ports_exhausted`, `connect_files_exhausted`,
    `proxy_failed`, `tls_failed`, `tls_certificate`, `upgrade_timeout`, `upgrade_invalid`,
    `subprotocol_refused`, `url_invalid`, `http_NNN`.
    """
    url, _, query = spec.url.partition("#")[0].partition("?")
    url, host, port, secure = _parse(url)
    if not (url + query).isascii() or not (url + query).isprintable() or " " in url + query:
        raise _no_client_url()  # websocket-client would make another request of it
    timings = Timings()
    with time_limit(spec.timeout_s, timings, host):
        sock = open_stream(host, port, tls=secure, network=network, timings=timings)
        try:
            began_ns = now_ns()
            timings.phase = UPGRADING
            leftover, upgraded_ns = _upgrade(sock, spec, host, url, query, _host_header(host, port, secure, network))
        except BaseException:
            sock.close()
            raise
    timings.upgrade_ns = upgraded_ns - began_ns
    return Dialed(sock, leftover, timings, spec.subprotocol, upgraded_ns, secure)


@lru_cache(maxsize=64)  # without its query, which holds the token, a run's connections have one URL
def _parse(url: str) -> tuple[str, str, int, bool]:
    """The URL as websocket-client needs it, host, port, and whether TLS is on."""
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError:
        host = None
    if not host or parts.scheme not in ("ws", "wss"):
        raise _no_client_url()
    secure = parts.scheme == "wss"
    return urlunsplit(parts), host, port or (443 if secure else 80), secure


def _host_header(host: str, port: int, secure: bool, network: Network) -> str | None:
    """The Host header if `--wps-connect-host` gives it another name; None: the URL's own."""
    name = network.server_name(host)
    if name == host:
        return None
    own = 443 if secure else 80
    port = network.place(host, port)[1]
    return shown_host(name) if port == own else f"{shown_host(name)}:{port}"


def _no_client_url() -> ConnectFailure:
    return ConnectFailure(
        "url_invalid",
        "the Client URL is not one of the form ws://host/client/hubs/HUB or wss://...",
        "check the Client URL or what the negotiate endpoint answers",
        permanent=True,
    )


_CHECKED: Final = ("upgrade", "connection", "sec-websocket-accept")


class _HeadFeed:
    """The socket for websocket-client: it sends the request, and reads the response's head from memory."""

    __slots__ = ("_headers", "_pieces", "_query", "_sock", "arrived_ns", "head", "leftover")

    def __init__(self, sock: Any, query: str, headers: Mapping[str, str]) -> None:
        self._sock = sock
        self._query = query
        self._headers = headers
        self._pieces: Iterator[bytes] = iter(())
        self.head: ResponseHead | None = None
        self.leftover = b""
        self.arrived_ns = 0

    def gettimeout(self) -> float:
        return 0.0  # "non-blocking": websocket-client then calls us directly, without a select of its own

    def send(self, data: bytes) -> int:
        """Sends the request with the query: websocket-client would parse URLs at length, and could log a token."""
        request = data.replace(b" HTTP/1.1\r\n", f"?{self._query} HTTP/1.1\r\n".encode(), 1) if self._query else data
        self._sock.sendall(request)
        return len(data)

    def recv(self, _size: int) -> bytes:
        """Returns a line with its line feed.

        websocket-client requests single bytes, joins them, and looks for a line feed: at 0.6 µs a piece, whole lines
        save a fifth of a connect.
        """
        if self.head is None:
            self._fill()
        return next(self._pieces, b"")

    def _fill(self) -> None:
        head, self.leftover = read_head(self._sock)
        self.arrived_ns = now_ns()
        self.head = head
        if head.status != 101:
            raise _refusal(head, self.leftover, self._query, self._headers)
        # Only what websocket-client checks: it would keep cookies for the whole process, so that one simulated client
        # sent another's.
        checked = [f"{name}: {head.headers[name]}" for name in _CHECKED if name in head.headers]
        lines = ["HTTP/1.1 101 ", *checked, ""]
        self._pieces = iter([piece for line in lines for piece in (f"{line}\r".encode("latin-1"), b"\n")])

    def close(self) -> None:
        """Does nothing: the socket belongs to `dial`."""


def _upgrade(
    sock: Any, spec: ConnectSpec, host: str, url: str, query: str, host_header: str | None
) -> tuple[bytes, int]:
    headers = [f"{name}: {value}" for name, value in spec.headers.items()]
    if spec.subprotocol is not None:  # checked here: websocket-client would log, but not say what was wrong
        headers.append(f"Sec-WebSocket-Protocol: {spec.subprotocol}")
    feed = _HeadFeed(sock, query, spec.headers)
    upgrade: Any = WebSocket(enable_multithread=False)  # its `connect` is not annotated
    try:
        upgrade.connect(url, socket=feed, header=headers, suppress_origin=True, redirect_limit=0, host=host_header)
    except OSError as error:
        raise behind_handshake(error, sock, host) or ConnectFailure(
            "connect_reset",
            f"{host} closed the connection instead of answering the upgrade",
            "check that host and port are the service's, what stands between, and whether the port speaks TLS",
        ) from error
    except SpeaksTls:
        raise ConnectFailure(
            "upgrade_invalid",
            f"{host} answers in TLS, and was asked without it",
            "use https:// or wss://",
            permanent=True,
        ) from None
    except (MalformedHead, WebSocketException):
        raise ConnectFailure(  # without its cause, which quotes the peer, and that may quote our token
            "upgrade_invalid",
            f"{host} did not answer the upgrade as RFC 6455 demands",
            "check that host and port are those of a WebSocket service",
        ) from None
    finally:
        vars(upgrade).clear()  # its frame buffer refers to it, so it would wait for the garbage collector
    assert feed.head is not None
    chosen = feed.head.headers.get("sec-websocket-protocol")
    if chosen != spec.subprotocol:
        raise ConnectFailure(
            "subprotocol_refused",
            f"the server did not choose the subprotocol {spec.subprotocol or '(none)'} that was offered",
            "check --wps-protocol, and which subprotocol the hub's connect event handler answers with",
            permanent=True,
        )
    return feed.leftover, feed.arrived_ns


_ADVICE: Final[Mapping[int, tuple[str, str]]] = MappingProxyType(
    {
        400: ("the service finds the request malformed", "check the hub's name and the URL"),
        401: (
            "the service does not accept the token",
            "wrong key, wrong audience (endpoint or hub), the token has expired, or keys are switched off "
            "(disableLocalAuth: give --wps-endpoint with --wps-credential)",
        ),
        403: (
            "the service forbids this connection",
            "check the network rules of the resource and the answer of the hub's connect event handler",
        ),
        404: (
            "the service does not know this path",
            "check the endpoint and the hub: /client/hubs/HUB; a resource of the kind Socket.IO has another",
        ),
        429: (
            "the service throttles: too many connections, or too many new ones a second",
            "add units, use fewer connections, or ramp up more slowly",
        ),
        500: ("the service failed", "check the hub's connect event handler: unreachable or failing"),
        502: ("a gateway before the service failed", "try again later; check the health of the resource"),
        503: ("the service is not available", "try again later; check the health of the resource"),
    }
)
_OTHER = ("the service refuses the upgrade", "check the endpoint and the resource's state")


def _refusal(head: ResponseHead, body: bytes, query: str, headers: Mapping[str, str]) -> ConnectFailure:
    """The finding for an answer other than 101.

    408, 425, 429 and 5xx are worth another try. `body`: what came of it with the head.
    """
    what, advice = _ADVICE.get(head.status, _OTHER)
    kind = ""
    if 300 <= head.status < 400:
        what, advice = "the service redirects, which is not followed", "give the final address as the target"
    elif head.status == 403:
        meaning = forbidden(RefusedAnswer(403, head.headers, body), TRAFFIC["upgrade"])
        if meaning is not None:
            kind, what, advice = meaning.kind, meaning.what, meaning.advice
        elif made_by_service(token_of(query, headers)):
            advice += f"; the token's issuer may lack clientConnection/write: {ROLE_ADVICE}"
    said = f"{what} (status {head.status})"
    if head.status == 401 and (times := remarks(head.headers.get("date"), unix_time_s(), token_of(query, headers))):
        said += f": {times}"
    return ConnectFailure(
        f"http_{head.status}{'_' if kind else ''}{kind}",
        said,
        advice,
        permanent=head.status < 500 and head.status not in (408, 425, 429),
        retry_after_s=head.retry_after_s,
    )
