"""A small HTTP/1.1 client on our own streams, for the negotiate endpoint and the REST data plane.

It goes through the same resolver, proxies and TLS context as the WebSocket connections, keeps connections alive, and
parses with geventhttpclient's llhttp. Requests run in the caller's greenlet; any number may be under way at once.
"""

from __future__ import annotations

import socket
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final

from geventhttpclient.response import HTTPParseError, HTTPResponse

from wps_load.client.response_head import parse_retry_after
from wps_load.client.stream import Network, Timings, open_stream, time_limit
from wps_load.client.tls import behind_handshake
from wps_load.errors import ConnectFailure
from wps_load.urls import Url

MAX_BODY_BYTES: Final = 1 << 20
_CHUNK_BYTES: Final = 16384
_WAITING: Final = "waiting for the response"


class HttpResponse(HTTPResponse):
    """One response, fed with bytes. `body` is complete when `message_complete` is."""

    def __init__(self, method: str) -> None:
        super().__init__(method)
        self.body = bytearray()

    def _on_body(self, buf: bytearray) -> None:
        self.body += buf

    def header(self, name: str) -> str | None:
        """A header by its lower-case name; of a repeated one all values, joined by commas."""
        value = self.get(name)
        if isinstance(value, str):
            return value
        return None if value is None else ", ".join(value)

    @property
    def retry_after_s(self) -> float | None:
        return parse_retry_after(self.header("retry-after"))


class _ClosedUnanswered(ConnectFailure):
    """The connection ended before the first byte of an answer."""


class HttpClient:
    """Keeps connections to the server of `origin`. `prefix` begins its failures' labels: `negotiate_timeout`, ..."""

    def __init__(self, origin: Url, network: Network, *, prefix: str, timeout_s: float) -> None:
        self._origin = origin
        name = network.server_name(origin.host)
        named = origin if name == origin.host else replace(origin, host=name, port=network.place("", origin.port)[1])
        self._authority = named.authority
        self._network = network
        self._prefix = prefix
        self._timeout_s = timeout_s
        self._idle: list[Any] = []

    def request(
        self,
        method: str,
        target: str,
        headers: Mapping[str, str],
        body: bytes | None = None,
        *,
        timeout_s: float | None = None,
    ) -> HttpResponse:
        """Any status is a result.

        Raises ConnectFailure, its label `PREFIX_timeout`, `PREFIX_reset`, `PREFIX_invalid` or the prefix before a label
        of `open_stream`; `unanswered` where the request had left. `timeout_s`: less than the client's own.

        A GET is sent once more if a kept connection closes without a byte: the server had closed it as idle when the
        request was on its way (RFC 9110 section 9.2.2, RFC 9112 section 9.3.1). Nothing else is sent twice: a message
        that the service has already accepted would be a duplicate.
        """
        timings = Timings()
        request = _head(method, target, self._authority, headers, body)
        try:
            with time_limit(timeout_s or self._timeout_s, timings, self._origin.host):
                sock = self._take_idle()
                if sock is not None:
                    timings.phase = f"{_WAITING} on a kept connection"
                    try:
                        return self._exchange(sock, request)
                    except _ClosedUnanswered:
                        if method != "GET":
                            raise
                sock = open_stream(
                    self._origin.host,
                    self._origin.port,
                    tls=self._origin.tls,
                    network=self._network,
                    timings=timings,
                )
                timings.phase = _WAITING
                return self._exchange(sock, request)
        except ConnectFailure as failure:
            label = "timeout" if failure.label.endswith("_timeout") else failure.label
            failure.unanswered = timings.phase.startswith(_WAITING)
            failure.label = f"{self._prefix}_{label}"
            raise

    def close(self) -> None:
        """Drops idle connections."""
        while self._idle:
            self._idle.pop().close()

    def _exchange(self, sock: Any, request: _Request) -> HttpResponse:
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

    def _round_trip(self, sock: Any, request: _Request) -> HttpResponse:
        method, data = request
        response = HttpResponse(method)
        host = self._origin.host
        answered = False
        try:
            sock.sendall(data)
            # an interim response (1xx) completes a message too; the final one follows on the same parser
            while not response.message_complete or response.status_code < 200:
                chunk = sock.recv(_CHUNK_BYTES)
                if not chunk and not _ends_at_close(response):
                    raise ConnectionResetError("closed before the response was complete")
                answered = True
                response.feed(chunk)
                if len(response.body) > MAX_BODY_BYTES:
                    raise HTTPParseError("response too long")
        except HTTPParseError:
            raise ConnectFailure(
                "invalid", f"{host} did not answer in HTTP", "check the URL's host and port", permanent=True
            ) from None
        except OSError as error:
            said = behind_handshake(error, sock, host)
            if said is not None:
                raise said from error
            kind = ConnectFailure if answered else _ClosedUnanswered
            raise kind(
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


def _ends_at_close(response: HttpResponse) -> bool:
    """A body of unknown length ends with the connection (RFC 9112 section 6.3)."""
    return response.headers_complete and not {"content-length", "transfer-encoding"} & set(response.info())


def _quiet(sock: Any) -> bool:
    """Whether a kept connection is still usable.

    It is readable if the server has closed it or sent something unexpected.
    """
    try:
        sock._sock.recv(1, socket.MSG_PEEK)  # gevent's own recv would wait, and a TLS socket accepts no flags
    except BlockingIOError:
        return True
    except OSError:
        return False
    return False
