"""Requests to app servers: abuse protection, retries, cookies. Nothing of Web PubSub's events.

Source: the CloudEvents HTTP webhook specification, section 4; how often and how long is tried: Microsoft's emulator.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Mapping
from typing import NamedTuple

import aiohttp
from multidict import CIMultiDictProxy
from yarl import URL

RETRY_DELAYS_S = (1.0, 3.0, 5.0)
TOTAL_TIMEOUT_S = 100.0
_VALIDATION_TIMEOUT_S = 10.0
_MAX_ANSWER_BYTES = 16 * 1024 * 1024
_MAX_HEADER_BYTES = 128 * 1024
"""A connection's state, which is a header, may have 64 KB."""

_NO_CONTENT = 204
_VALIDATION_HEADERS = {"ce-awpsversion": "1.0"}


class WebhookFailed(Exception):
    """`status`: the app server's own status, or 500 if it gave none. The text says what happened."""

    def __init__(self, status: int, why: str) -> None:
        super().__init__(why)
        self.status = status


class WebhookAnswer(NamedTuple):
    """A 2xx response, read."""

    body: bytes
    content_type: str
    headers: CIMultiDictProxy[str]


class Webhooks:
    """Posts to any number of URLs."""

    def __init__(self, retry_delays_s: tuple[float, ...] = RETRY_DELAYS_S, timeout_s: float = TOTAL_TIMEOUT_S) -> None:
        self._retry_delays_s = retry_delays_s
        self._timeout_s = timeout_s
        self._session: aiohttp.ClientSession | None = None
        self._validated: set[tuple[str, str]] = set()

    async def post(
        self,
        url: str,
        validate_url: str,
        authority: str,
        headers: Mapping[str, str],
        body: bytes,
        jar: aiohttp.CookieJar,
    ) -> WebhookAnswer:
        """One request, tried again after 408, 5xx and network errors.

        Raises WebhookFailed: a 4xx of the app server's, else 500.

        `authority`: host and port by which clients know this service; the app server gets only the host, which is what
        it looks up (Azure's has no port).
        """
        headers = {"WebHook-Request-Origin": host_of(authority), **headers}
        try:
            async with asyncio.timeout(self._timeout_s):
                await self._validate(validate_url, authority)
                for delay_s in (*self._retry_delays_s, None):
                    try:
                        return await self._post_once(url, headers, body, jar)
                    except WebhookFailed as failed:
                        transient = failed.status == 408 or failed.status >= 500
                        if not transient or delay_s is None:
                            raise WebhookFailed(
                                failed.status if 400 <= failed.status < 500 else 500, str(failed)
                            ) from None
                    await asyncio.sleep(delay_s)
        except TimeoutError:
            pass
        raise WebhookFailed(500, f"no answer within {self._timeout_s:g} s")

    async def close(self) -> None:
        if self._session is not None:
            await self._session.close()

    async def _post_once(
        self, url: str, headers: Mapping[str, str], body: bytes, jar: aiohttp.CookieJar
    ) -> WebhookAnswer:
        sent = dict(headers)
        cookies = jar.filter_cookies(URL(url))
        if cookies:
            sent["Cookie"] = "; ".join(f"{name}={morsel.coded_value}" for name, morsel in cookies.items())
        try:
            async with self._client().post(url, headers=sent, data=body, allow_redirects=False) as response:
                if not 200 <= response.status < 300:
                    raise WebhookFailed(response.status, f"it answered {response.status}")
                content = await _read(response)
                jar.update_cookies(response.cookies, response.url)
                return WebhookAnswer(content, response.content_type.lower(), response.headers)
        except (aiohttp.ClientError, OSError, ValueError) as error:  # ValueError: headers that HTTP cannot carry
            raise WebhookFailed(502, _reason(error)) from None

    async def _validate(self, url: str, authority: str) -> None:
        """Abuse protection: nothing is sent to a URL whose owner has not agreed to hear this service."""
        if (url, authority) in self._validated:
            return
        headers = {"WebHook-Request-Origin": host_of(authority), **_VALIDATION_HEADERS}
        try:
            async with asyncio.timeout(_VALIDATION_TIMEOUT_S):
                status, allowed = await self._ask("OPTIONS", url, headers)
                if status == 404:
                    status, allowed = await self._ask("GET", url, headers)
        except (TimeoutError, aiohttp.ClientError, OSError) as error:
            raise WebhookFailed(500, f"abuse protection (OPTIONS, then GET): {_reason(error)}") from None
        if not 200 <= status < 300:
            raise WebhookFailed(500, f"abuse protection: OPTIONS was answered with {status}")
        if not allows(allowed, authority):
            said = ", ".join(allowed) or "none"
            wanted = host_of(authority)
            raise WebhookFailed(500, f"abuse protection: WebHook-Allowed-Origin has {said}, and neither * nor {wanted}")
        self._validated.add((url, authority))

    async def _ask(self, method: str, url: str, headers: Mapping[str, str]) -> tuple[int, list[str]]:
        async with self._client().request(method, url, headers=headers, allow_redirects=False) as response:
            # the middleware for Express says each allowed host in a header line of its own
            return response.status, response.headers.getall("WebHook-Allowed-Origin", [])

    def _client(self) -> aiohttp.ClientSession:
        if self._session is None:
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(limit=0),
                cookie_jar=aiohttp.DummyCookieJar(),
                max_line_size=_MAX_HEADER_BYTES,
                max_field_size=_MAX_HEADER_BYTES,
            )
        return self._session


def host_of(authority: str) -> str:
    """The host without the port."""
    host, colon, port = authority.rpartition(":")
    return host if colon and port.isdigit() else authority


def allows(allowed: list[str], authority: str) -> bool:
    """Whether the values of `WebHook-Allowed-Origin` name this service: by `*`, its host, or its host and port."""
    names = {name.strip() for name in ",".join(allowed).lower().split(",")}
    return bool(names & {"*", authority.lower(), host_of(authority).lower()})


def _reason(error: Exception) -> str:
    if isinstance(error, TimeoutError):
        return "no answer in time"
    if isinstance(error, aiohttp.ClientConnectorError):
        number = error.os_error.errno
        return f"no connection: {os.strerror(number) if number and number > 0 else error.os_error}"
    return f"the request failed: {str(error) or type(error).__name__}"


async def _read(response: aiohttp.ClientResponse) -> bytes:
    content = await response.content.read(_MAX_ANSWER_BYTES + 1)
    while content and not response.content.at_eof():
        content += await response.content.read(_MAX_ANSWER_BYTES + 1 - len(content))
        if len(content) > _MAX_ANSWER_BYTES:
            raise WebhookFailed(500, f"an answer above {_MAX_ANSWER_BYTES >> 20} MiB")
    return b"" if response.status == _NO_CONTENT else content
