"""An emulator inside the test's own event loop, and clients that others wrote."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import urlencode

import aiohttp
import orjson
from aiohttp import web
from aiohttp.test_utils import TestServer
from websockets.asyncio.client import ClientConnection
from websockets.asyncio.client import connect as websocket
from websockets.typing import Subprotocol
from yarl import URL

from wps_load.auth import DEFAULT_EMULATOR_KEY, ConnectionString, mint_client_token, mint_rest_token
from wps_load.clock import unix_time_s
from wps_load.emulator.event_handlers import HttpEventHandlers
from wps_load.emulator.hub_settings import SYSTEM_EVENTS, HubSettings, for_all_hubs
from wps_load.emulator.limits import Tier
from wps_load.emulator.server import build_app
from wps_load.emulator.service import EmulatorConfig, Service
from wps_load.emulator.webhook import Webhooks
from wps_load.workload.faults import parse_faults

JSON = "json.webpubsub.azure.v1"
RELIABLE = "json.reliable.webpubsub.azure.v1"
PROTOBUF = "protobuf.webpubsub.azure.v1"
ALL_ROLES = ("webpubsub.joinLeaveGroup", "webpubsub.sendToGroup")
VERSION = "2024-12-01"


class Live:
    """A served emulator."""

    def __init__(self, service: Service, server: TestServer, session: aiohttp.ClientSession) -> None:
        self.service = service
        self.session = session
        self.connection_string = ConnectionString(f"http://127.0.0.1:{server.port}", DEFAULT_EMULATOR_KEY)

    def token(
        self,
        user: str | None = "u",
        roles: Sequence[str] = ALL_ROLES,
        groups: Sequence[str] = (),
        hub: str = "bench",
    ) -> str:
        return mint_client_token(self.connection_string, hub, user, roles, groups, 60, unix_time_s())

    def url(self, token: str | None, hub: str = "bench", **query: str) -> str:
        if token is not None:
            query["access_token"] = token
        return f"{self.connection_string.client_url(hub)}?{urlencode(query)}"

    def connect(
        self,
        subprotocol: str | None = JSON,
        user: str | None = "u",
        roles: Sequence[str] = ALL_ROLES,
        groups: Sequence[str] = (),
        **query: str,
    ) -> websocket:
        return self.open(self.url(self.token(user, roles, groups), **query), subprotocol)

    def open(self, url: str, subprotocol: str | None = JSON, **options: Any) -> websocket:
        offered = None if subprotocol is None else [Subprotocol(subprotocol)]
        return websocket(url, subprotocols=offered, proxy=None, compression=None, max_size=None, **options)

    async def rest(
        self,
        method: str,
        path: str,
        query: str = f"api-version={VERSION}",
        token: str | None = "",
        **options: Any,
    ) -> tuple[int, Any, str]:
        """Status, body and error code of a data plane request."""
        url = f"{self.connection_string.endpoint}/api/hubs/bench{path}" + (f"?{query}" if query else "")
        if token == "":
            token = mint_rest_token(self.connection_string, url, unix_time_s())
        headers = {**options.pop("headers", {}), **({"Authorization": f"Bearer {token}"} if token else {})}
        request = URL(url, encoded=True)
        async with self.session.request(method, request, headers=headers, **options) as response:
            body = await response.read()
            return (
                response.status,
                orjson.loads(body) if body else None,
                response.headers.get("x-ms-error-code", ""),
            )


def to_url(template: str) -> HubSettings:
    return HubSettings(default=for_all_hubs(template, ",".join(SYSTEM_EVENTS)))


@asynccontextmanager
async def serve(
    faults: str = "",
    tier: Tier | None = None,
    handler: str | HubSettings | None = None,
    anonymous: bool = False,
    spent_quota_closes: bool = False,
    **config: Any,
) -> AsyncIterator[Live]:
    """`handler`: a URL for every event, system events too; hub settings; or None, the built-in echo."""
    service = Service(
        EmulatorConfig(
            DEFAULT_EMULATOR_KEY, parse_faults(faults), tier, anonymous, spent_quota_closes=spent_quota_closes, **config
        )
    )
    handlers = None
    if handler is not None:
        settings = handler if isinstance(handler, HubSettings) else to_url(handler)
        handlers = HttpEventHandlers(lambda: settings, DEFAULT_EMULATOR_KEY, service.stats, Webhooks((0.001, 0.001)))
        service.handlers = handlers
    server = TestServer(build_app(service))
    async with server, aiohttp.ClientSession() as session:
        try:
            yield Live(service, server, session)
        finally:
            service.close()
            if handlers is not None:
                await handlers.close()


@asynccontextmanager
async def serve_app(app: web.Application) -> AsyncIterator[str]:
    """The base URL of a running aiohttp application."""
    async with TestServer(app) as server:
        yield f"http://127.0.0.1:{server.port}"


async def read(socket: ClientConnection) -> Any:
    """The next JSON message."""
    return orjson.loads(await socket.recv())


async def ask(socket: ClientConnection, **message: Any) -> Any:
    """Sends a message and reads the next one."""
    await socket.send(orjson.dumps(message).decode())
    return await read(socket)
