"""Events to app servers: CloudEvents 1.0 over HTTP, binary content mode.

Source: Azure Web PubSub documentation, "CloudEvents extension for Azure Web PubSub event handler"; where it is silent,
Microsoft's emulator.
"""

from __future__ import annotations

import contextlib
import hashlib
import hmac
import secrets
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import quote

import aiohttp
import orjson

from wps_load.clock import utc_now
from wps_load.emulator import metadata, raw_json
from wps_load.emulator.delivery import Stats
from wps_load.emulator.event_contract import ConnectAnswer, ConnectRequest, HandlerFailed
from wps_load.emulator.hub_connection import HubConnection
from wps_load.emulator.hub_settings import EventHandler, HubSettings
from wps_load.emulator.valid_names import valid_group
from wps_load.emulator.webhook import WebhookAnswer, WebhookFailed, Webhooks
from wps_load.emulator.wires import Reply
from wps_load.protocol.messages import DataType, SendEvent

_TYPES = {
    DataType.TEXT: "text/plain; charset=utf-8",
    DataType.JSON: "application/json; charset=utf-8",
    DataType.BINARY: "application/octet-stream",
    DataType.PROTOBUF: "application/x-protobuf",
}
_DATA_TYPES = {text.partition(";")[0]: data_type for data_type, text in _TYPES.items()}
_SYSTEM_TYPE = _TYPES[DataType.JSON]
_CONTROL = {code: quote(chr(code)) for code in (*range(32), 127)}
"""Characters that no header can contain."""
_MOST_TOLD = 100
"""The most sentences that are printed, each once: clients choose event names."""


class _HandlerState:
    """What the handlers of a connection get each time, and what they gave to be kept."""

    __slots__ = ("authority", "cookies", "hub", "id", "next_event", "physical_id", "state", "subprotocol", "user_id")

    def __init__(self, request: ConnectRequest) -> None:
        self.hub = request.hub
        self.id = request.connection_id
        self.authority = request.authority
        self.user_id = request.user_id
        self.subprotocol: str | None = None
        self.state: str | None = None
        self.cookies = aiohttp.CookieJar(unsafe=True)  # unsafe: an IP address is a host, too
        self.next_event = 1
        self.physical_id = request.physical_id


class HttpEventHandlers:
    """`settings` is called for each event, because a file may be read again.

    `tell` gets a sentence for each kind of failure, once: what an app server's owner would see at the service.
    """

    def __init__(
        self,
        settings: Callable[[], HubSettings],
        access_key: str,
        stats: Stats,
        webhooks: Webhooks,
        tell: Callable[[str], None] = lambda sentence: None,
    ) -> None:
        self._settings = settings
        self._tell = tell
        self._told: set[str] = set()
        self._key = access_key.encode()
        self._stats = stats
        self._webhooks = webhooks
        self._peers: dict[str, _HandlerState] = {}

    async def connect(self, request: ConnectRequest) -> ConnectAnswer:
        """Asks the handler whether a client may connect. Raises HandlerFailed: the handler's own 4xx, else 500."""
        peer = _HandlerState(request)
        handler = self._settings().hub(request.hub).handler_of_system("connect")
        answer = ConnectAnswer()
        if handler is not None:
            body: dict[str, object] = {
                "claims": request.claims,
                "query": request.query,
                "headers": request.headers,
                "subprotocols": list(request.subprotocols),
                "clientCertificates": [],
            }
            if request.mqtt is not None:
                body["mqtt"] = request.mqtt
            with self._complaining(handler, peer, "connect"):
                headers = self._headers(peer, "sys.connect", 0)
                said = await self._post(handler, peer, "connect", orjson.dumps(body), headers)
                answer = _read_connect_answer(said)
            peer.state = said.headers.get("ce-connectionState")
        self._peers[request.connection_id] = peer
        return answer

    def forget(self, connection_id: str) -> None:
        """`connect` was accepted, but no connection resulted."""
        self._peers.pop(connection_id, None)

    async def connected(self, connection: HubConnection) -> None:
        peer = self._peers.get(connection.id)
        if peer is not None:
            peer.user_id, peer.subprotocol = connection.user_id, connection.subprotocol
            await self._notify(peer, "connected", b"{}")

    async def disconnected(self, connection: HubConnection, reason: str) -> None:
        peer = self._peers.pop(connection.id, None)
        if peer is not None:
            await self._notify(peer, "disconnected", orjson.dumps({"reason": reason}))

    def invokes(self, hub: str) -> bool:
        found = self._settings().hub(hub)
        return found.echoes or bool(found.handlers)

    async def user_event(self, connection: HubConnection, event: SendEvent) -> Reply | None:
        """The handler's answer to an event, or None if it has none. Raises HandlerFailed."""
        hub = self._settings().hub(connection.hub_name)
        handler = hub.handler_of_user(event.event)
        peer = self._peers.get(connection.id)
        assert isinstance(event.data, bytes)
        if handler is None or peer is None:
            if hub.echoes:
                self._stats.upstream_calls += 1
                return event.data_type, event.data, event.metadata
            if hub.is_listened_to(event.event) or event.starts_stream:  # streams are not played: nobody misses theirs
                return None
            self._complain(f"event {event.event} of hub {connection.hub_name}", "no event handler takes it")
            raise HandlerFailed(500, f"no event handler of hub {connection.hub_name} takes it")
        self._stats.upstream_calls += 1
        headers = self._next_headers(peer, f"user.{event.event}")
        headers["Content-Type"] = _TYPES[event.data_type]
        headers.update(metadata.to_headers(event.metadata))
        with self._complaining(handler, peer, event.event):
            answer = await self._post(handler, peer, event.event, event.data, headers)
            reply = _read_reply(answer)
        state = answer.headers.get("ce-connectionState")
        if state is not None:
            peer.state = state
        return reply

    async def close(self) -> None:
        await self._webhooks.close()

    # -- requests ------------------------------------------------------------------------------------------

    async def _notify(self, peer: _HandlerState, event: str, body: bytes) -> None:
        """Sends an event whose result nobody waits for."""
        handler = self._settings().hub(peer.hub).handler_of_system(event)
        if handler is not None:
            with contextlib.suppress(HandlerFailed), self._complaining(handler, peer, event):
                await self._post(handler, peer, event, body, self._next_headers(peer, f"sys.{event}"))

    @contextlib.contextmanager
    def _complaining(self, handler: EventHandler, peer: _HandlerState, event: str) -> Iterator[None]:
        """Reports a failure, without the URL's query, which may hold a key."""
        try:
            yield
        except HandlerFailed as failed:
            self._complain(f"event {event} to {handler.url(peer.hub, event).partition('?')[0]}", str(failed))
            raise

    def _complain(self, what: str, why: str) -> None:
        sentence = f"{what} failed: {why}"
        if sentence not in self._told and len(self._told) < _MOST_TOLD:
            self._told.add(sentence)
            self._tell(sentence)

    def _next_headers(self, peer: _HandlerState, kind: str) -> dict[str, str]:
        number = peer.next_event
        peer.next_event += 1
        headers = self._headers(peer, kind, number)
        if peer.subprotocol is not None:
            headers["ce-subprotocol"] = peer.subprotocol
        if peer.state is not None:
            headers["ce-connectionState"] = peer.state
        return headers

    def _headers(self, peer: _HandlerState, kind: str, number: int) -> dict[str, str]:
        signature = hmac.new(self._key, peer.id.encode(), hashlib.sha256).hexdigest()
        headers = {
            "Content-Type": _SYSTEM_TYPE,
            "ce-specversion": "1.0",
            "ce-awpsversion": "1.0",
            "ce-type": f"azure.webpubsub.{kind}",
            "ce-source": f"/hubs/{peer.hub}/client/{peer.id}",
            "ce-id": str(number),
            "ce-time": utc_now().strftime("%Y-%m-%dT%H:%M:%SZ"),
            "ce-hub": peer.hub,
            "ce-eventName": kind.partition(".")[2],
            "ce-connectionId": peer.id,
            "ce-signature": f"sha256={signature}",
            "x-ms-client-request-id": secrets.token_hex(16),
        }
        if peer.physical_id is not None:
            headers["ce-subprotocol"] = "mqtt"
            headers["ce-physicalConnectionId"] = peer.physical_id
            headers["ce-source"] += f"/{peer.physical_id}"
            if number:  # `connect` comes before there is a session
                headers["ce-sessionId"] = peer.id
        if peer.user_id is not None:
            headers["ce-userId"] = peer.user_id.translate(_CONTROL)  # UTF-8 on the wire
        return headers

    async def _post(
        self, handler: EventHandler, peer: _HandlerState, event: str, body: bytes, headers: dict[str, str]
    ) -> WebhookAnswer:
        url, validate_url = handler.url(peer.hub, event), handler.url(peer.hub, "validate")
        try:
            return await self._webhooks.post(url, validate_url, peer.authority, headers, body, peer.cookies)
        except WebhookFailed as failed:
            raise HandlerFailed(failed.status, str(failed)) from None


def _read_reply(answer: WebhookAnswer) -> Reply | None:
    """Raises HandlerFailed for anything that is not an answer to an event. Metadata alone are an empty text."""
    try:
        pairs = metadata.of_headers(answer.headers.items())
    except metadata.MetadataError as error:
        raise HandlerFailed(500, f"its answer's metadata: {error}") from None
    if not answer.body:
        return (DataType.TEXT, b"", pairs) if pairs else None
    data_type = _DATA_TYPES.get(answer.content_type)
    if data_type is None:
        allowed = ", ".join(_DATA_TYPES)
        raise HandlerFailed(500, f"its answer has the Content-Type {answer.content_type!r}, which is none of {allowed}")
    if not _well_formed(data_type, answer.body):
        raise HandlerFailed(500, f"its answer is not {answer.content_type}")
    return data_type, answer.body, pairs


def _well_formed(data_type: DataType, body: bytes) -> bool:
    if data_type is DataType.JSON:
        return raw_json.well_formed(body)
    if data_type is DataType.TEXT:
        try:
            body.decode()
        except UnicodeDecodeError:
            return False
    return True


def _read_connect_answer(answer: WebhookAnswer) -> ConnectAnswer:
    """Raises HandlerFailed(500) for anything that is not an answer to `connect`. Its Content-Type does not matter."""
    if not answer.body:
        return ConnectAnswer()
    try:
        body = orjson.loads(answer.body)
    except ValueError:
        raise HandlerFailed(500, "its answer to connect is not JSON") from None
    if body is None:
        return ConnectAnswer()
    if not isinstance(body, dict):
        raise HandlerFailed(500, "its answer to connect is not a JSON object")
    body = {name.lower(): value for name, value in body.items()}
    groups = _names(body, "groups")
    if groups is not None and not all(valid_group(group) for group in groups):
        raise HandlerFailed(500, "its answer to connect names a group that is not allowed")
    return ConnectAnswer(_name(body, "userid"), groups, _names(body, "roles"), _name(body, "subprotocol"))


def _name(body: dict[str, Any], key: str) -> str | None:
    value = body.get(key)
    if value is not None and not isinstance(value, str):
        raise HandlerFailed(500, f"in its answer to connect {key} is not a string")
    return value


def _names(body: dict[str, Any], key: str) -> tuple[str, ...] | None:
    value = body.get(key)
    if value is None:
        return None
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        raise HandlerFailed(500, f"in its answer to connect {key} is not a list of strings")
    return tuple(value)
