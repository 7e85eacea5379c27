"""The emulator's HTTP face: the client endpoint, health, stats; `rest` adds the data plane."""

from __future__ import annotations

import dataclasses
from typing import Any

from aiohttp import web

from wps_load.auth import valid_hub
from wps_load.clock import now_ns
from wps_load.emulator.event_contract import ConnectAnswer, ConnectRequest, HandlerFailed
from wps_load.emulator.hub import Hub
from wps_load.emulator.names import valid_group
from wps_load.emulator.rest import add_rest_routes
from wps_load.emulator.service import Service, ServiceLink, new_id
from wps_load.emulator.subprotocols import choose
from wps_load.emulator.tokens import ClientClaims, Unauthorized, check_client_token
from wps_load.emulator.upgrade import offered_subprotocols, switch_protocols, upgrade_fault
from wps_load.emulator.wires import GroupOfRaw, Wire

SERVICE: web.AppKey[Service] = web.AppKey("service", Service)
_ANONYMOUS = ClientClaims(None, (), (), {})
_SECRET_HEADERS = frozenset({"authorization"})
_SECRET_QUERY = frozenset({"access_token", "awps_reconnection_token"})


def build_app(service: Service) -> web.Application:
    """Everything that the emulator answers on its port."""
    app = web.Application(client_max_size=0)
    app[SERVICE] = service
    app.router.add_get("/client/hubs/{hub}", _client)
    app.router.add_get("/client/", _client)
    app.router.add_get("/client", _client)
    app.router.add_get("/api/health", _health)
    app.router.add_get("/emulator/stats", _stats)
    add_rest_routes(app, service)
    return app


async def _health(request: web.Request) -> web.Response:
    return web.Response()


async def _stats(request: web.Request) -> web.Response:
    return web.json_response(dataclasses.asdict(request.app[SERVICE].stats))


class _Refused(Exception):
    def __init__(self, status: int, reason: str) -> None:
        super().__init__(reason)
        self.status = status


async def _client(request: web.Request) -> web.StreamResponse:
    try:
        return await _connect(request, request.app[SERVICE])
    except _Refused as refused:
        return web.Response(status=refused.status, text=str(refused))
    except Unauthorized as error:
        return web.Response(status=401, text=str(error), headers={"WWW-Authenticate": "Bearer"})
    except HandlerFailed as failed:
        return web.Response(status=failed.status, text="The event handler did not accept the connection.")


async def _connect(request: web.Request, service: Service) -> web.StreamResponse:
    fault = upgrade_fault(request)
    if fault is not None:
        raise _Refused(400, fault)
    name = request.match_info.get("hub") or request.query.get("hub", "")
    if not valid_hub(name):
        raise _Refused(400, "The hub's name is missing or malformed.")
    _apply_faults(service)
    hub = service.hub(name)
    if "awps_connection_id" in request.query and "awps_reconnection_token" in request.query:
        return _recover(request, service, hub)
    claims = _authenticate(request, service, name)
    _apply_limits(service)
    raw_group = _raw_group(request)
    bad = [group for group in claims.groups if not valid_group(group)]
    if bad:
        raise _Refused(400, "A group in the token is not a valid name.")
    offered = offered_subprotocols(request)
    connection_id = new_id()
    answer = ConnectAnswer()
    if service.handlers is not None:
        answer = await service.handlers.connect(_connect_request(request, name, connection_id, claims, offered))
    link = ServiceLink(service, hub)
    try:
        wire, response = _accept(request, service, link, offered, answer)
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
    connection.state = answer.state
    link.carry(connection, raw_group if wire.subprotocol is None else None)
    service.opened(link)
    service.spawn_connected(connection)
    return response


def _accept(
    request: web.Request, service: Service, link: ServiceLink, offered: tuple[str, ...], answer: ConnectAnswer
) -> tuple[Wire, web.StreamResponse]:
    """The upgrade, once the handler has agreed. Raises _Refused, or ConnectionResetError if the client has gone."""
    if answer.subprotocol is not None and answer.subprotocol not in offered:
        raise _Refused(500, "The event handler chose a subprotocol that was not offered.")
    if service.limits is not None and not service.limits.has_room(service.stats.connections):
        service.stats.upgrades_throttled += 1  # others came while the handler was asked
        raise _Refused(429, "The units' limit of connections is reached.")
    wire, subprotocol = choose(offered, answer.subprotocol)
    return wire, switch_protocols(request, link, subprotocol)


def _recover(request: web.Request, service: Service, hub: Hub) -> web.StreamResponse:
    """A reliable client's return. If its connection is gone, or spoke another subprotocol, that is said by close code
    1008 after the upgrade.
    """
    wire, subprotocol = choose(offered_subprotocols(request))
    link = ServiceLink(service, hub)
    response = switch_protocols(request, link, subprotocol)
    query = request.query
    connection = hub.recover(query["awps_connection_id"], query["awps_reconnection_token"], wire, link, now_ns())
    if connection is None:
        link.close(1008, "The connection does not exist any more.")
        return response
    link.carry(connection)
    service.opened(link)
    return response


def _apply_faults(service: Service) -> None:
    status = service.dice.upgrade_status()
    if status == 503:
        service.stats.upgrades_refused += 1
        raise _Refused(503, "Refused by the fault specification.")
    if status == 429:
        service.stats.upgrades_throttled += 1
        raise _Refused(429, "Throttled by the fault specification.")


def _apply_limits(service: Service) -> None:
    limits, stats = service.limits, service.stats
    if limits is not None and not limits.may_connect(stats.connections, stats.bytes_out, now_ns()):
        stats.upgrades_throttled += 1
        raise _Refused(429, "The units' limit of connections, connects a second or messages is reached.")


def _authenticate(request: web.Request, service: Service, hub: str) -> ClientClaims:
    token = request.query.get("access_token")
    if token is None:
        scheme, _, credentials = request.headers.get("Authorization", "").partition(" ")
        token = credentials.strip() if scheme.lower() == "bearer" else None
    if not token:
        if service.config.anonymous:
            return _ANONYMOUS
        raise Unauthorized("the request carries no token")
    return check_client_token(token, service.config.access_key, request.host, hub)


def _raw_group(request: web.Request) -> GroupOfRaw | None:
    """`webpubsub_mode`: what a simple client's frames become. The last value wins; values ignore case."""
    mode = (request.query.getall("webpubsub_mode", ["sendEvent"])[-1]).lower()
    group = request.query.getall("group", [""])[-1]
    no_echo = request.query.getall("noEcho", ["false"])[-1].lower()
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
        claims.user_id,
        {name: _as_strings(value) for name, value in claims.claims.items()},
        {key: request.query.getall(key) for key in request.query if key not in _SECRET_QUERY},
        {key.lower(): request.headers.getall(key) for key in request.headers if key.lower() not in _SECRET_HEADERS},
        offered,
    )


def _as_strings(value: Any) -> list[str]:
    return [str(item) for item in value] if isinstance(value, list) else [str(value)]
