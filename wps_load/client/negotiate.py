"""The negotiate endpoint of an app server: one Client URL for each new connection.

The convention of Azure's samples: GET, answered with `{"url":
"wss://host/client/hubs/HUB?access_token=..."}`. What the server SDKs return as it is, `{"baseUrl": ...,
"token": ..., "url": ...}`, works with or without its `url`.
"""

from __future__ import annotations

from typing import Final
from urllib.parse import urlsplit

import orjson

from wps_load.client.http1 import HttpClient, Origin, Response
from wps_load.client.stream import Network
from wps_load.errors import ConnectFailure

_HEADERS: Final = (("Accept", "application/json"), ("User-Agent", "wps-load"))


class Negotiator:
    """Asks one endpoint, over kept connections. The URL may hold a secret and appears nowhere."""

    def __init__(self, url: str, network: Network, *, timeout_s: float = 15.0) -> None:
        """Raises ValueError if `url` is not http:// or https://."""
        self._http = HttpClient(Origin(url), network, prefix="negotiate", timeout_s=timeout_s)
        parts = urlsplit(url)
        self._target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")

    def client_url(self) -> str:
        """A Client URL, secret: it carries its token. In the caller's greenlet.

        Raises ConnectFailure: `negotiate_http_NNN`, `negotiate_invalid`, `negotiate_timeout`,
        `negotiate_reset`, or `negotiate_` before a label of opening a connection
        (`negotiate_connect_refused`, `negotiate_dns_failed`, ...).
        """
        response = self._http.request("GET", self._target, dict(_HEADERS))
        if response.status_code != 200:
            raise _refused(response)
        url = _read(bytes(response.body))
        if url is None:
            raise ConnectFailure(
                "negotiate_invalid",
                'the negotiate endpoint did not answer with JSON of the form {"url": "wss://..."}',
                "check --wps-negotiate-url: it must name the endpoint that hands out Client URLs",
                permanent=True,
            )
        return url

    def close(self) -> None:
        self._http.close()


def _read(body: bytes) -> str | None:
    """The Client URL in an answer, or None if there is none in it."""
    try:
        answer = orjson.loads(body)
    except orjson.JSONDecodeError:
        return None
    if not isinstance(answer, dict):
        return None
    url = answer.get("url")
    if url is None and isinstance(answer.get("token"), str):
        url = f"{answer.get('baseUrl')}?access_token={answer['token']}"
    if not isinstance(url, str) or not url.startswith(("ws://", "wss://")):
        return None
    # a request line is made of it: no white space, no control characters
    return url if url.isascii() and url.isprintable() and " " not in url else None


def _refused(response: Response) -> ConnectFailure:
    status = response.status_code
    advice = "check the app server's log"
    if status in (401, 403):
        advice = "the app server wants a login: let it accept the load test, or use a connection string"
    elif status == 404:
        advice = "check the path of --wps-negotiate-url"
    elif 300 <= status < 400:
        advice = "it redirects, which is not followed: give the final address as --wps-negotiate-url"
    elif status == 429:
        advice = "the app server throttles: ramp up more slowly"
    return ConnectFailure(
        f"negotiate_http_{status}",
        f"the negotiate endpoint answered with status {status}",
        advice,
        permanent=status < 500 and status not in (408, 425, 429),
        retry_after_s=response.retry_after_s,
    )
