"""Events to an app server: CloudEvents 1.0 over HTTP, binary content mode.

Source: Azure Web PubSub documentation, "CloudEvents extension for Azure Web PubSub event handler"; the
CloudEvents HTTP webhook specification, section 4, for the abuse protection.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import secrets
from collections.abc import Mapping
from itertools import count
from typing import Any
from urllib.parse import quote, urlsplit

import aiohttp
import orjson

from wps_load.clock import utc_now
from wps_load.emulator.delivery import Stats
from wps_load.emulator.event_contract import ConnectAnswer, ConnectRequest, HandlerFailed
from wps_load.emulator.hub import Connection
from wps_load.emulator.names import valid_group
from wps_load.protocol.messages import DataType, SendEvent

RETRY_DELAYS_S = (1.0, 3.0, 5.0)
TOTAL_TIMEOUT_S = 100.0
_VALIDATION_TIMEOUT_S = 10.0
_MAX_ANSWER_BYTES = 16 * 1024 * 1024
_NO_CONTENT = 204
_TYPES = {
    DataType.TEXT: "text/plain; charset=utf-8",
    DataType.JSON: "application/json; charset=utf-8",
    DataType.BINARY: "application/octet-stream",
    DataType.PROTOBUF: "application/x-protobuf",
}
_DATA_TYPES = {text.partition(";")[0]: data_type for data_type, text in _TYPES.items()}
_SYSTEM_TYPE = _TYPES[DataType.JSON]


class _Answer:
    """A 2xx response, read."""

    __slots__ = ("body", "content_type", "state")

    def __init__(self, body: bytes, content_type: str, state: str | None) -> None:
        self.body = body
        self.content_type = content_type
        self.state = state


class HttpEventHandlers:
    """One URL template for every event. `origin`: this service's host, as the handler is told; with its port unless
    that is the scheme's own, so that it equals the host of the endpoint's URL, which handlers compare it with.
    """

    def __init__(
        self,
        url_template: str,
        access_key: str,
        origin: str,
        stats: Stats,
        retry_delays_s: tuple[float, ...] = RETRY_DELAYS_S,
        timeout_s: float = TOTAL_TIMEOUT_S,
    ) -> None:
        self._template = url_template
        self._key = access_key.encode()
        self.origin = origin
        self._stats = stats
        self._retry_delays_s = retry_delays_s
        self._timeout_s = timeout_s
        self._session: aiohttp.ClientSession | None = None
        self._validated: set[str] = set()
        self._ids: dict[str, count[int]] = {}

    async def connect(self, request: ConnectRequest) -> ConnectAnswer:
        """Asks whether a client may connect. Raises HandlerFailed: a 4xx of the handler's, else 500."""
        body = {
            "claims": request.claims,
            "query": request.query,
            "headers": request.headers,
            "subprotocols": list(request.subprotocols),
            "clientCertificates": [],
        }
        self._ids[request.connection_id] = count()
        headers = self._headers(request.hub, request.connection_id, "sys.connect", request.user_id)
        try:
            answer = await self._post(request.hub, "connect", headers, orjson.dumps(body))
            return _read_connect_answer(answer)
        except HandlerFailed:
            del self._ids[request.connection_id]
            raise

    async def connected(self, connection: Connection) -> None:
        await self._notify(connection, "connected", b"{}")

    async def disconnected(self, connection: Connection, reason: str) -> None:
        await self._notify(connection, "disconnected", orjson.dumps({"reason": reason}))
        self._ids.pop(connection.id, None)

    async def user_event(self, connection: Connection, event: SendEvent) -> tuple[DataType, bytes] | None:
        """The handler's answer to an event, or None if it has nothing to say. Raises HandlerFailed."""
        self._stats.upstream_calls += 1
        headers = self._connection_headers(connection, f"user.{event.event}")
        headers["Content-Type"] = _TYPES[event.data_type]
        assert isinstance(event.data, bytes)
        answer = await self._post(connection.hub_name, event.event, headers, event.data)
        if answer.state is not None:
            connection.state = answer.state
        if not answer.body:
            return None
        data_type = _DATA_TYPES.get(answer.content_type)
        if data_type is None or not _well_formed(data_type, answer.body):
            raise HandlerFailed(500)
        return data_type, answer.body

    def forget(self, connection_id: str) -> None:
        """`connect` was accepted, but no connection came of it."""
        self._ids.pop(connection_id, None)

    async def close(self) -> None:
        if self._session is not None:
            await self._session.close()

    # -- requests ------------------------------------------------------------------------------------------

    async def _notify(self, connection: Connection, event: str, body: bytes) -> None:
        """An event that nobody waits for: what comes of it changes nothing."""
        try:
            headers = self._connection_headers(connection, f"sys.{event}")
            await self._post(connection.hub_name, event, headers, body)
        except HandlerFailed:
            return

    def _connection_headers(self, connection: Connection, kind: str) -> dict[str, str]:
        headers = self._headers(connection.hub_name, connection.id, kind, connection.user_id)
        if connection.wire.subprotocol is not None:
            headers["ce-subprotocol"] = connection.wire.subprotocol
        if connection.state is not None:
            headers["ce-connectionState"] = connection.state
        return headers

    def _headers(self, hub: str, connection_id: str, kind: str, user_id: str | None) -> dict[str, str]:
        signature = hmac.new(self._key, connection_id.encode(), hashlib.sha256).hexdigest()
        headers = {
            "Content-Type": _SYSTEM_TYPE,
            "WebHook-Request-Origin": self.origin,
            "ce-specversion": "1.0",
            "ce-awpsversion": "1.0",
            "ce-type": f"azure.webpubsub.{kind}",
            "ce-source": f"/hubs/{hub}/client/{connection_id}",
            "ce-id": str(next(self._ids.setdefault(connection_id, count()))),
            "ce-time": utc_now().strftime("%Y-%m-%dT%H:%M:%SZ"),
            "ce-hub": hub,
            "ce-eventName": kind.partition(".")[2],
            "ce-connectionId": connection_id,
            "ce-signature": f"sha256={signature}",
            "x-ms-client-request-id": secrets.token_hex(16),
        }
        if user_id is not None:
            printable = user_id.isascii() and user_id.isprintable()
            headers["ce-userId"] = user_id if printable else quote(user_id)
        return headers

    async def _post(self, hub: str, event: str, headers: Mapping[str, str], body: bytes) -> _Answer:
        """One event, tried again after 408, 5xx and network errors. Raises HandlerFailed."""
        url = self._template.replace("{hub}", quote(hub)).replace("{event}", quote(event))
        try:
            async with asyncio.timeout(self._timeout_s):
                await self._validate(hub)
                for delay_s in (*self._retry_delays_s, None):
                    try:
                        return await self._post_once(url, headers, body)
                    except HandlerFailed as failed:
                        transient = failed.status == 408 or failed.status >= 500
                        if not transient or delay_s is None:
                            raise _for_the_client(failed) from None
                    await asyncio.sleep(delay_s)
        except TimeoutError:
            pass
        raise HandlerFailed(500)

    async def _post_once(self, url: str, headers: Mapping[str, str], body: bytes) -> _Answer:
        try:
            async with self._client().post(url, headers=headers, data=body, allow_redirects=False) as response:
                if not 200 <= response.status < 300:
                    raise HandlerFailed(response.status)
                content = await response.content.read(_MAX_ANSWER_BYTES + 1)
                while content and not response.content.at_eof():
                    more = await response.content.read(_MAX_ANSWER_BYTES + 1 - len(content))
                    content += more
                    if len(content) > _MAX_ANSWER_BYTES:
                        raise HandlerFailed(500)
                state = response.headers.get("ce-connectionState")
                if response.status == _NO_CONTENT:
                    content = b""
                return _Answer(content, response.content_type.lower(), state)
        except (aiohttp.ClientError, OSError):
            raise HandlerFailed(502) from None

    async def _validate(self, hub: str) -> None:
        """Abuse protection: no event goes to a URL whose owner has not said that it wants them."""
        url = self._template.replace("{hub}", quote(hub)).replace("{event}", "validate")
        if url in self._validated:
            return
        headers = {"WebHook-Request-Origin": self.origin, "ce-awpsversion": "1.0"}
        try:
            async with asyncio.timeout(_VALIDATION_TIMEOUT_S):
                status, allowed = await self._ask("OPTIONS", url, headers)
                if status == 404:
                    status, allowed = await self._ask("GET", url, headers)
        except (TimeoutError, aiohttp.ClientError, OSError):
            raise HandlerFailed(500) from None
        origins = {origin.strip().lower() for origin in allowed.split(",")}
        ours = self.origin.lower()
        if not 200 <= status < 300 or not origins & {"*", ours, urlsplit(f"//{ours}").hostname}:
            raise HandlerFailed(500)
        self._validated.add(url)

    async def _ask(self, method: str, url: str, headers: Mapping[str, str]) -> tuple[int, str]:
        async with self._client().request(method, url, headers=headers, allow_redirects=False) as response:
            # the middleware for Express says each allowed host in a header line of its own
            return response.status, ",".join(response.headers.getall("WebHook-Allowed-Origin", ()))

    def _client(self) -> aiohttp.ClientSession:
        if self._session is None:
            connector = aiohttp.TCPConnector(limit=0)
            self._session = aiohttp.ClientSession(connector=connector, cookie_jar=aiohttp.DummyCookieJar())
        return self._session


def _for_the_client(failed: HandlerFailed) -> HandlerFailed:
    """A 4xx is the handler's own word and passed on; all else is the service's trouble."""
    return HandlerFailed(failed.status if 400 <= failed.status < 500 else 500)


def _well_formed(data_type: DataType, body: bytes) -> bool:
    try:
        if data_type is DataType.JSON:
            orjson.loads(body)
        elif data_type is DataType.TEXT:
            body.decode()
    except ValueError:
        return False
    return True


def _read_connect_answer(answer: _Answer) -> ConnectAnswer:
    """Raises HandlerFailed(500) for what is not an answer to `connect`."""
    if not answer.body:
        return ConnectAnswer(state=answer.state)
    try:
        body = orjson.loads(answer.body)
    except ValueError:
        raise HandlerFailed(500) from None
    if not isinstance(body, dict):
        raise HandlerFailed(500)
    groups = _names(body, "groups")
    if groups is not None and not all(valid_group(group) for group in groups):
        raise HandlerFailed(500)
    return ConnectAnswer(_name(body, "userId"), groups, _names(body, "roles"), _name(body, "subprotocol"), answer.state)


def _name(body: dict[str, Any], key: str) -> str | None:
    value = body.get(key)
    if value is not None and not isinstance(value, str):
        raise HandlerFailed(500)
    return value


def _names(body: dict[str, Any], key: str) -> tuple[str, ...] | None:
    value = body.get(key)
    if value is None:
        return None
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        raise HandlerFailed(500)
    return tuple(value)
