"""`--wps-prometheus-push`: sends the run's figures to a Pushgateway, if no scraper reaches this host.

The client library makes the request, which is sent as all of ours are: through the proxy that the variables name, but
never to loopback, and with the trusted certificates. One process has one group, `job="wps-load"` with its host's name
as `instance`: the next run replaces it, so runs leave nothing behind.
"""

from __future__ import annotations

import socket
from collections.abc import Callable, Sequence
from typing import Final

from prometheus_client import CollectorRegistry, push_to_gateway

from wps_load.client.http1 import HttpClient
from wps_load.client.stream import Network
from wps_load.errors import ConnectFailure
from wps_load.urls import Url, without_secrets

JOB: Final = "wps-load"
TIMEOUT_S: Final = 10.0


class PushFailed(Exception):
    """Why the Pushgateway did not accept the figures, in a sentence that shows no secret."""


class Pushgateway:
    """`url`: secret if it has a user and a password."""

    def __init__(self, url: Url, network: Network, registry: CollectorRegistry) -> None:
        self._url = url
        self._shown = without_secrets(url.text).rstrip("/")
        self._registry = registry
        self._client = HttpClient(url, network.straight, prefix="push", timeout_s=TIMEOUT_S)

    def push(self) -> None:
        """Pushes the figures in the caller's greenlet. Raises PushFailed."""
        group = {"instance": socket.gethostname()}
        push_to_gateway(self._shown, JOB, self._registry, group, TIMEOUT_S, self._sender)

    def _sender(
        self, url: str, method: str, timeout: float | None, headers: Sequence[tuple[str, str]], data: bytes
    ) -> Callable[[], None]:
        """The library's handler: the function that makes the request."""

        def send() -> None:
            sent = {"User-Agent": "wps-load", **dict(headers)}
            if self._url.basic is not None:
                sent["Authorization"] = self._url.basic
            try:
                response = self._client.request(method, Url.parse(url).target, sent, data)
            except ConnectFailure as failure:
                raise PushFailed(f"the Pushgateway {self._shown} was not reached: {failure.message}") from None
            if not 200 <= response.status_code < 300:
                raise PushFailed(f"the Pushgateway {self._shown} answered with status {response.status_code}")

        return send

    def close(self) -> None:
        self._client.close()
