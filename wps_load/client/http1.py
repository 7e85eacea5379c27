"""A small HTTP/1.1 client on our own streams, for the negotiate endpoint and the REST data plane.

It goes through the same resolver, proxies and TLS context as the WebSocket connections, keeps connections
alive, and parses with geventhttpclient's llhttp. Requests run in the caller's greenlet; any number may be
under way at once.
"""

from __future__ import annotations

import socket
from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import urlsplit

from geventhttpclient.response import HTTPParseError, HTTPResponse

from wps_load.client.head import parse_retry_after
from wps_load.client.stream import Network, Timings, open_stream, time_limit
from wps_load.errors import ConnectFailure

MAX_BODY_BYTES: Final = 1 << 20
_CHUNK_BYTES: Final = 16384


class Response(HTTPResponse):
    """One response, fed with bytes. `body` is complete when `message_complete` is."""

    def __init__(self, method: str) -> None:
        super().__init__(method)
        self.body = bytearray()

    def _on_body(self, buf: bytearray) -> None:
        self.body += buf

    @property
    def retry_after_s(self) -> float | None:
        value = self.get("retry-after")
        return parse_retry_after(value if isinstance(value, str) else None)


class Origin:
    """The server of a URL. Raises ValueError (without the URL in it) if that is not http:// or https://."""

    __slots__ = ("authority", "host", "port", "tls")

    def __init__(self, url: str) -> None:
        try:
            parts = urlsplit(url)
            host, port = parts.hostname, parts.port
        except ValueError:
            host, port = None, None
        if not host or parts.scheme not in ("http", "https"):
            raise ValueError("not a URL of the form http://host/... or https://host/...")
        self.host: str = host
        self.tls = parts.scheme == "https"
        self.port: int = port or (443 if self.tls else 80)
        shown = f"[{host}]" if ":" in host else host
        self.authority = shown if port is None else f"{shown}:{port}"


class HttpClient:
    """Keeps connections to one origin. `prefix` begins its failures' labels: `negotiate_timeout`, ..."""

    def __init__(self, origin: Origin, network: Network, *, prefix: str, timeout_s: float) -> None:
        self._origin = origin
        self._network = network
        self._prefix = prefix
        self._timeout_s = timeout_s
        self._idle: list[Any] = []

    def request(self, method: str, target: str, headers: Mapping[str, str], body: bytes | None = None) -> Response:
        """Any status is a result. Raises ConnectFailure, its label `PREFIX_timeout`, `PREFIX_reset`,
        `PREFIX_invalid` or the prefix before a label of `open_stream`.

        Nothing is sent twice: a message that the service has taken already would count as duplicated.
        """
        timings = Timings()
        try:
            with time_limit(self._timeout_s, timings, self._origin.host):
                return self._exchange(_head(method, target, self._origin.authority, headers, body), timings)
        except ConnectFailure as failure:
            label = "timeout" if failure.label.endswith("_timeout") else failure.label
            failure.label = f"{self._prefix}_{label}"
            raise

    def close(self) -> None:
        """Drops idle connections."""
        while self._idle:
            self._idle.pop().close()

    def _exchange(self, request: _Request, timings: Timings) -> Response:
        sock = self._take_idle() or open_stream(
            self._origin.host,
            self._origin.port,
            tls=self._origin.tls,
            network=self._network,
            timings=timings,
        )
        timings.phase = "waiting for the response"
        keep = False
        try:
            response = self._round_trip(sock, request)
            keep = not response.should_close()
        finally:
            if keep:
                self._idle.append(sock)
            else:
                sock.close()
        return response

    def _take_idle(self) -> Any:
        while self._idle:
            sock = self._idle.pop()
            if _quiet(sock):
                return sock
            sock.close()
        return None

    def _round_trip(self, sock: Any, request: _Request) -> Response:
        method, data = request
        response = Response(method)
        host = self._origin.host
        try:
            sock.sendall(data)
            # an interim response (1xx) completes a message too; the final one follows on the same parser
            while not response.message_complete or response.status_code < 200:
                chunk = sock.recv(_CHUNK_BYTES)
                if not chunk and not _ends_at_close(response):
                    raise ConnectionResetError("closed before the response was complete")
                response.feed(chunk)
                if len(response.body) > MAX_BODY_BYTES:
                    raise HTTPParseError("response too long")
        except HTTPParseError:
            raise ConnectFailure(
                "invalid", f"{host} did not answer in HTTP", "check the URL's host and port", permanent=True
            ) from None
        except OSError as error:
            raise ConnectFailure(
                "reset", f"{host} closed the connection instead of answering", "check the server's own log"
            ) from error
        return response


_Request = tuple[str, bytes]


def _head(method: str, target: str, authority: str, headers: Mapping[str, str], body: bytes | None) -> _Request:
    lines = [f"{method} {target} HTTP/1.1", f"Host: {authority}"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    if body is not None:
        lines.append(f"Content-Length: {len(body)}")
    head = "\r\n".join([*lines, "", ""]).encode("latin-1")
    return method, head + (body or b"")


def _ends_at_close(response: Response) -> bool:
    """A body of unknown length ends where the connection does (RFC 9112 section 6.3)."""
    return response.headers_complete and not {"content-length", "transfer-encoding"} & set(response.info())


def _quiet(sock: Any) -> bool:
    """Is a kept connection still good? One that the server closed, or talks on unasked, is readable."""
    try:
        sock._sock.recv(1, socket.MSG_PEEK)  # gevent's own recv would wait, and a TLS socket takes no flags
    except BlockingIOError:
        return True
    except OSError:
        return False
    return False
