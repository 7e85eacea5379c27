"""The emulator's HTTP side: the client endpoint, health, stats; `rest` adds the data plane."""

from __future__ import annotations

import dataclasses
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

import orjson
from aiohttp import web
from multidict import MultiMapping

from wps_load.auth import valid_hub
from wps_load.clock import now_ns
from wps_load.emulator.event_contract import ConnectAnswer, ConnectRequest, HandlerFailed
from wps_load.emulator.forbidden import by_network_rule
from wps_load.emulator.hub import Hub
from wps_load.emulator.mqtt_client import MqttClient
from wps_load.emulator.rest import OPERATIONS, perform
from wps_load.emulator.rest_call import SUPPORTED_VERSIONS
from wps_load.emulator.routes import NoRoute, Parts, Routes
from wps_load.emulator.service import Service, ServiceLink, new_id
from wps_load.emulator.subprotocols import choose
from wps_load.emulator.tokens import ClientClaims, Unauthorized, check_client_token
from wps_load.emulator.upgrade import offered_subprotocols, switch_protocols, upgrade_fault
from wps_load.emulator.valid_names import valid_group
from wps_load.emulator.wires import GroupOfRaw, Wire
from wps_load.protocol.traits import CLIENT_PATHS, MQTT

_STATS = "/emulator/stats"
_ANONYMOUS = ClientClaims(None, (), (), {})
_SECRET_HEADERS = frozenset({"authorization"})
_SECRET_QUERY = frozenset({"access_token", "awps_reconnection_token"})
_MAX_REQUEST_LINE_BYTES = 8 * 1024
_MAX_HEADERS_BYTES = 32 * 1024
"""The limits of Microsoft's emulator: 414 and 431 beyond them."""

_HTTP_LIMITS = {"max_line_size": 64 * 1024, "max_field_size": 64 * 1024}
"""aiohttp's own limit, with 400: above ours, so that a client learns what was too long."""

Handler = Callable[[web.Request, Service, Parts], Awaitable[web.StreamResponse]]


def build_app(service: Service) -> web.Application:
    """Everything that the emulator answers on its port."""
    routes: Routes[Handler] = Routes(
        (
            *(("GET", f"{path}{{hub}}", _client) for path in CLIENT_PATHS),
            ("GET", "/client", _client),
            ("GET", "/api/health", _health),
            ("HEAD", "/api/health", _health),
            ("GET", _STATS, _stats),
            *((method, path, partial(perform, operation)) for method, path, operation in OPERATIONS),
        )
    )

    async def handle(request: web.Request) -> web.StreamResponse:
        status = _too_long(request)
        if status is not None:
            return web.Response(status=status)
        if service.forbids("network") and request.path != _STATS:
            return by_network_rule()
        try:
            handler, parts = routes.find(request.method, request.rel_url.raw_path)
        except NoRoute as error:
            return web.Response(
                status=error.status, headers={"Allow": ", ".join(error.allowed)} if error.allowed else {}
            )
        return await handler(request, service, parts)

    app = web.Application(client_max_size=0, handler_args=_HTTP_LIMITS)
    app.router.add_route("*", "/{path:.*}", handle)
    return app


def _too_long(request: web.Request) -> int | None:
    if len(request.method) + len(request.raw_path) + len("  HTTP/1.1\r\n") > _MAX_REQUEST_LINE_BYTES:
        return 414
    size = 0
    for name, value in request.raw_headers:
        size += len(name) + len(value) + len(": \r\n")
    return 431 if size > _MAX_HEADERS_BYTES else None


async def _health(request: web.Request, service: Service, parts: Parts) -> web.Response:
    return web.Response(headers=SUPPORTED_VERSIONS)


async def _stats(request: web.Request, service: Service, parts: Parts) -> web.Response:
    return web.json_response(dataclasses.asdict(service.stats))


class _Refused(Exception):
    def __init__(self, status: int, reason: str) -> None:
        super().__init__(reason)
        self.status = status


async def _client(request: web.Request, service: Service, parts: Parts) -> web.StreamResponse:
    try:
        return await _connect(request, service, parts)
    except _Refused as refused:
        return web.Response(status=refused.status, text=str(refused))
    except Unauthorized as error:
        return web.Response(status=401, text=str(error), headers={"WWW-Authenticate": "Bearer"})
    except HandlerFailed as failed:
        return web.Response(status=failed.status, text="The event handler did not accept the connection.")


async def _connect(request: web.Request, service: Service, parts: Parts) -> web.StreamResponse:
    fault = upgrade_fault(request)
    if fault is not None:
        raise _Refused(400, fault)
    name = parts.name("hub") if "hub" in parts else request.query.get("hub", "")
    if not valid_hub(name):
        raise _Refused(400, "The hub's name is missing or malformed.")
    _apply_faults(service)
    hub = service.hub(name)
    if request.query.get("awps_connection_id"):
        return _recover(request, service, hub)
    claims = _authenticate(request, service, name)
    _apply_limits(service)
    raw_group = _raw_group(request)
    bad = [group for group in claims.groups if not valid_group(group)]
    if bad:
        raise _Refused(400, "A group in the token is not a valid name.")
    offered = offered_subprotocols(request)
    if request.rel_url.raw_path.startswith(MQTT.client_path):
        return _connect_mqtt(request, service, hub, claims, offered)
    connection_id = new_id()
    answer = ConnectAnswer()
    if service.handlers is not None:
        answer = await service.handlers.connect(_connect_request(request, hub.name, connection_id, claims, offered))
    link = ServiceLink(service, hub)
    try:
        wire, subprotocol, response = _accept(request, service, link, offered, answer)
    except (_Refused, ConnectionResetError):
        if service.handlers is not None:
            service.handlers.forget(connection_id)
        raise
    connection = hub.connect(
        connection_id,
        wire,
        link,
        answer.user_id if answer.user_id is not None else claims.user_id,
        claims.roles if answer.roles is None else answer.roles,
        answer.groups or claims.groups,
    )
    connection.subprotocol = subprotocol
    link.carry(connection, raw_group if wire.subprotocol is None else None)
    service.opened(link)
    service.spawn_connected(connection)
    return response


def _connect_mqtt(
    request: web.Request, service: Service, hub: Hub, claims: ClientClaims, offered: tuple[str, ...]
) -> web.StreamResponse:
    """The upgrade of an MQTT client: everything else begins with its CONNECT."""
    if "mqtt" not in offered:
        raise _Refused(400, "The subprotocol mqtt must be offered.")
    link = ServiceLink(service, hub)
    client = MqttClient(service, link, hub, claims, _connect_request(request, hub.name, "", claims, offered))
    link.divert(client.message)
    link.on_lost = client.lost
    return switch_protocols(request, link, "mqtt")


def _accept(
    request: web.Request, service: Service, link: ServiceLink, offered: tuple[str, ...], answer: ConnectAnswer
) -> tuple[Wire, str | None, web.StreamResponse]:
    """The upgrade, once the handler has agreed. Raises _Refused, or ConnectionResetError if the client has gone."""
    if answer.subprotocol is not None and answer.subprotocol not in offered:
        raise _Refused(500, "The event handler chose a subprotocol that was not offered.")
    if service.limits is not None and not service.limits.has_room(service.stats.connections):
        service.stats.upgrades_throttled += 1  # others came while the handler was asked
        raise _Refused(429, "The units' limit of connections is reached.")
    wire, subprotocol = choose(offered, answer.subprotocol)
    return wire, subprotocol, switch_protocols(request, link, subprotocol)


def _recover(request: web.Request, service: Service, hub: Hub) -> web.StreamResponse:
    """A reliable client's return, with the subprotocol that it had.

    If its connection is gone, close code 1008 after the upgrade says so.
    """
    query = request.query
    connection = hub.recoverable(query["awps_connection_id"], query.get("awps_reconnection_token", ""), now_ns())
    link = ServiceLink(service, hub)
    if connection is None:
        response = switch_protocols(request, link, choose(offered_subprotocols(request))[1])
        link.close(1008, "The connection could not be recovered.")
        return response
    response = switch_protocols(request, link, connection.subprotocol)
    hub.recover(connection, link, now_ns())
    link.carry(connection)
    service.opened(link)
    return response


def _apply_faults(service: Service) -> None:
    fault = service.dice.upgrades.thrown()
    if fault is not None:
        service.stats.add(fault.counter)
        raise _Refused(fault.status, fault.reason)


def _apply_limits(service: Service) -> None:
    limits, stats = service.limits, service.stats
    if limits is not None and not limits.may_connect(stats.connections, stats.bytes_out, now_ns()):
        stats.upgrades_throttled += 1
        raise _Refused(429, "The units' limit of connections, connects a second or messages is reached.")


def _authenticate(request: web.Request, service: Service, hub: str) -> ClientClaims:
    token = request.query.get("access_token")
    if not token:
        scheme, _, credentials = request.headers.get("Authorization", "").partition(" ")
        token = credentials.strip() if scheme.lower() == "bearer" else None
    if not token:
        if service.config.anonymous:
            return _ANONYMOUS
        raise Unauthorized("the request carries no token")
    return check_client_token(token, service.trust, request.host, hub)


def _raw_group(request: web.Request) -> GroupOfRaw | None:
    """`webpubsub_mode`: what a simple client's frames become.

    The last value wins; names and values ignore case; an empty one is the default.
    """
    given = {name.lower(): value for name, value in request.query.items()}
    mode = given.get("webpubsub_mode", "").lower() or "sendevent"
    group = given.get("group", "")
    no_echo = given.get("noecho", "").lower() or "false"
    if mode == "sendevent":
        return None
    if mode != "sendtogroup" or not valid_group(group) or no_echo not in ("true", "false"):
        raise _Refused(400, "The webpubsub_mode parameters do not fit together.")
    return GroupOfRaw(group, no_echo == "true")


def _connect_request(
    request: web.Request, hub: str, connection_id: str, claims: ClientClaims, offered: tuple[str, ...]
) -> ConnectRequest:
    return ConnectRequest(
        hub,
        connection_id,
        request.host,
        claims.user_id,
        {name: _as_strings(value) for name, value in claims.claims.items()},
        _collected(request.query, _SECRET_QUERY),
        _collected(request.headers, _SECRET_HEADERS),
        offered,
    )


def _collected(pairs: MultiMapping[str], secret: frozenset[str]) -> dict[str, list[str]]:
    """The values of each name, as it was first written."""
    found: dict[str, tuple[str, list[str]]] = {}
    for name, value in pairs.items():
        if name.lower() not in secret:
            found.setdefault(name.lower(), (str(name), []))[1].append(value)
    return dict(found.values())


def _as_strings(value: Any) -> list[str]:
    """A claim as a handler reads it: texts unchanged, everything else as its JSON."""
    items = value if isinstance(value, list) else [value]
    return [item if isinstance(item, str) else orjson.dumps(item).decode() for item in items]
