"""The REST data plane: 25 operations below `/api/hubs/{hub}`, each one row of `_OPERATIONS`.

Source: Azure Web PubSub documentation, "REST API data plane".
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Coroutine, Iterable
from typing import Any

import orjson
from aiohttp import web

from wps_load.auth import ConnectionString, mint_client_token
from wps_load.clock import NS_PER_S, unix_time_s
from wps_load.emulator.hub import Connection
from wps_load.emulator.odata import FilterError, parse_filter
from wps_load.emulator.permissions import PERMISSIONS, TooManyRules
from wps_load.emulator.rest_call import (
    API_VERSIONS,
    Call,
    RestError,
    bad_request,
    check_request,
    checked_group,
)
from wps_load.emulator.service import Service
from wps_load.emulator.wires import Publication
from wps_load.protocol.messages import DataType

_MAX_TTL_S = 300
_MAX_PAGE = 200
_MAX_INT = 2_147_483_647
_CONTENT_TYPES = {
    "application/json": DataType.JSON,
    "text/plain": DataType.TEXT,
    "application/octet-stream": DataType.BINARY,
}
_CLIENT_PATHS = {
    "default": "/client/hubs/",
    "mqtt": "/clients/mqtt/hubs/",
    "socketio": "/clients/socketio/hubs/",
}


def _no_content(call: Call) -> web.Response:
    return web.Response(status=204)


def _found(there: object) -> web.Response:
    return web.Response(status=200 if there else 404)


# -- sends -------------------------------------------------------------------------------------------------


def _send(call: Call, receivers: Iterable[Connection], audience: object) -> web.Response:
    """Publishes the body. 202 also when nobody is there to receive it."""
    ttl_s = call.whole("messageTtlSeconds", 0, _MAX_TTL_S)
    data_type = _data_type(call)
    receivers = _matching(receivers, call.query.get("filter"))
    group = call.group if "group" in call.request.match_info else None
    message = Publication("server" if group is None else "group", group, None, data_type, call.body)
    call.service.stats.messages_in += 1
    call.service.delivery.first_message(call.now_ns)
    call.hub.deliver(
        receivers,
        message,
        audience,
        call.now_ns,
        frozenset(call.query.getall("excluded", ())),
        ttl_s * NS_PER_S if ttl_s else None,
    )
    call.service.set_alarm()
    return web.Response(status=202)


def _data_type(call: Call) -> DataType:
    """By Content-Type; raises 415 for others, 400 for a body that is not what it claims."""
    if "Content-Type" not in call.request.headers:
        return DataType.BINARY
    data_type = _CONTENT_TYPES.get(call.request.content_type.lower())
    if data_type is None:
        raise RestError(415, "Error.UnsupportedMediaType", "The Content-Type is not supported.")
    try:
        if data_type is DataType.JSON:
            orjson.loads(call.body)
        elif data_type is DataType.TEXT:
            call.body.decode()
    except ValueError:
        raise bad_request("The body is not what its Content-Type says.") from None
    return data_type


def _matching(connections: Iterable[Connection], text: str | None) -> Iterable[Connection]:
    if not text:
        return connections
    try:
        matches = parse_filter(text)
    except FilterError as error:
        raise bad_request(f"Invalid filter: {error}.") from None
    return [connection for connection in connections if matches(connection)]


def _sender(call: Call) -> object:
    """Who publishes, for the faults that swap one publisher's messages: the HTTP connection of the caller."""
    return id(call.request.transport)


def _send_to_all(call: Call) -> web.Response:
    return _send(call, call.hub.connections.values(), ("rest", _sender(call)))


def _send_to_group(call: Call) -> web.Response:
    return _send(call, call.hub.groups.get(call.group, {}).values(), ("rest", _sender(call), call.group))


def _send_to_user(call: Call) -> web.Response:
    return _send(call, call.hub.users.get(call.part("user"), {}).values(), ("rest-user", call.part("user")))


def _send_to_connection(call: Call) -> web.Response:
    connection = call.hub.connections.get(call.part("connection"))
    return _send(call, (connection,) if connection else (), ("rest-connection", call.part("connection")))


# -- connections -------------------------------------------------------------------------------------------


def _close(call: Call, connections: Iterable[Connection]) -> web.Response:
    reason = call.query.get("reason", "")
    text = f"Application server closed the connection. Reason: {reason}"
    excluded = frozenset(call.query.getall("excluded", ()))
    for connection in tuple(connections):
        if connection.id not in excluded:
            call.hub.close(connection, text)
    return _no_content(call)


def _close_all(call: Call) -> web.Response:
    return _close(call, call.hub.connections.values())


def _close_group(call: Call) -> web.Response:
    return _close(call, call.hub.groups.get(call.group, {}).values())


def _close_user(call: Call) -> web.Response:
    return _close(call, call.hub.users.get(call.part("user"), {}).values())


def _close_connection(call: Call) -> web.Response:
    connection = call.hub.connections.get(call.part("connection"))
    return _close(call, (connection,) if connection else ())


def _connection_exists(call: Call) -> web.Response:
    return _found(call.part("connection") in call.hub.connections)


def _group_exists(call: Call) -> web.Response:
    return _found(call.group in call.hub.groups)


def _user_exists(call: Call) -> web.Response:
    return _found(call.part("user") in call.hub.users)


# -- groups ------------------------------------------------------------------------------------------------


def _list_group(call: Call) -> web.Response:
    """A page of a group's connections. The continuation token is the number of those already listed."""
    page = call.whole("maxpagesize", 1, _MAX_PAGE) or _MAX_PAGE
    top = call.whole("top", 1, _MAX_INT)
    start = _continuation(call.query.get("continuationToken"))
    members = list(call.hub.groups.get(call.group, {}).values())
    end = min(len(members), top) if top is not None else len(members)
    stop = min(start + page, end)
    value = [
        {"connectionId": member.id, "userId": member.user_id} if member.user_id else {"connectionId": member.id}
        for member in members[start:stop]
    ]
    following = None
    if stop < end:
        token = base64.urlsafe_b64encode(str(stop).encode()).decode()
        url = call.request.url.update_query(continuationToken=token)
        following = str(url)
    return web.json_response({"value": value, "nextLink": following})


def _continuation(token: str | None) -> int:
    if token is None:
        return 0
    try:
        return max(0, int(base64.urlsafe_b64decode(token)))
    except ValueError:
        raise bad_request("The continuationToken is not one of ours.") from None


def _add_connection(call: Call) -> web.Response:
    call.hub.join(call.connection(), call.group)
    return web.Response()


def _remove_connection(call: Call) -> web.Response:
    connection = call.hub.connections.get(call.part("connection"))
    if connection is not None:
        call.hub.leave(connection, call.group)
    return _no_content(call)


def _leave_all(call: Call) -> web.Response:
    connection = call.hub.connections.get(call.part("connection"))
    if connection is not None:
        for group in tuple(connection.groups):
            call.hub.leave(connection, group)
    return _no_content(call)


def _add_user(call: Call) -> web.Response:
    connections = call.hub.users.get(call.part("user"))
    if not connections:
        raise RestError(404, "Error.User.NotExisted", f"User `{call.part('user')}` is not found.", "User")
    for connection in connections.values():
        call.hub.join(connection, call.group)
    return web.Response()


def _remove_user(call: Call) -> web.Response:
    for connection in call.hub.users.get(call.part("user"), {}).values():
        call.hub.leave(connection, call.group)
    return _no_content(call)


def _remove_user_from_all(call: Call) -> web.Response:
    for connection in call.hub.users.get(call.part("user"), {}).values():
        for group in tuple(connection.groups):
            call.hub.leave(connection, group)
    return _no_content(call)


def _change_filtered(call: Call, change: Callable[[Connection, str], None]) -> web.Response:
    try:
        body: Any = orjson.loads(call.body)
    except ValueError:
        raise bad_request("The body is not JSON.") from None
    if not isinstance(body, dict) or not isinstance(body.get("groups"), list):
        raise bad_request("The body must have groups, a list of names.")
    text = body.get("filter")
    if text is not None and not isinstance(text, str):
        raise bad_request("The filter must be a string.")
    groups = [checked_group(group) for group in body["groups"]]
    for connection in tuple(_matching(call.hub.connections.values(), text)):
        for group in groups:
            change(connection, group)
    return web.Response()


def _add_filtered(call: Call) -> web.Response:
    return _change_filtered(call, call.hub.join)


def _remove_filtered(call: Call) -> web.Response:
    return _change_filtered(call, call.hub.leave)


# -- permissions and tokens --------------------------------------------------------------------------------


def _permission(call: Call) -> tuple[str, str | None]:
    name = call.part("permission")
    known = {permission.lower(): permission for permission in PERMISSIONS}
    if name.lower() not in known:
        raise bad_request(f"The permission must be one of {', '.join(PERMISSIONS)}.")
    target = call.query.get("targetName")
    return known[name.lower()], None if target is None else checked_group(target)


def _grant(call: Call) -> web.Response:
    permission, target = _permission(call)
    try:
        call.connection().permissions.grant(permission, target)
    except TooManyRules as error:
        raise RestError(409, "Error.Conflict", f"The connection has {error}.") from None
    return web.Response()


def _revoke(call: Call) -> web.Response:
    permission, target = _permission(call)
    connection = call.hub.connections.get(call.part("connection"))
    if connection is not None:
        connection.permissions.revoke(permission, target)
    return _no_content(call)


def _check(call: Call) -> web.Response:
    permission, target = _permission(call)
    connection = call.hub.connections.get(call.part("connection"))
    return _found(connection is not None and connection.permissions.has(permission, target))


def _generate_token(call: Call) -> web.Response:
    path = _CLIENT_PATHS.get(call.query.get("clientType", "default").lower())
    if path is None:
        raise bad_request("The clientType must be Default, MQTT or SocketIO.")
    minutes = call.whole("minutesToExpire", 1, _MAX_INT) or 60
    groups = [checked_group(group) for group in call.query.getall("group", ())]
    endpoint = f"{call.request.scheme}://{call.request.host}"
    token = mint_client_token(
        ConnectionString(endpoint, call.service.config.access_key),
        call.part("hub"),
        call.query.get("userId"),
        call.query.getall("role", ()),
        groups,
        minutes * 60,
        unix_time_s(),
        path,
    )
    return web.json_response({"token": token})


_CONNECTION = "/connections/{connection}"
_GROUP = "/groups/{group}"
_USER = "/users/{user}"
_PERMISSION = "/permissions/{permission}" + _CONNECTION

_OPERATIONS: tuple[tuple[str, str, Callable[[Call], web.Response]], ...] = (
    ("POST", "/:send", _send_to_all),
    ("POST", f"{_GROUP}/:send", _send_to_group),
    ("POST", f"{_USER}/:send", _send_to_user),
    ("POST", f"{_CONNECTION}/:send", _send_to_connection),
    ("POST", "/:closeConnections", _close_all),
    ("POST", f"{_GROUP}/:closeConnections", _close_group),
    ("POST", f"{_USER}/:closeConnections", _close_user),
    ("DELETE", _CONNECTION, _close_connection),
    ("HEAD", _CONNECTION, _connection_exists),
    ("HEAD", _GROUP, _group_exists),
    ("HEAD", _USER, _user_exists),
    ("GET", f"{_GROUP}/connections", _list_group),
    ("PUT", f"{_GROUP}{_CONNECTION}", _add_connection),
    ("DELETE", f"{_GROUP}{_CONNECTION}", _remove_connection),
    ("PUT", f"{_USER}{_GROUP}", _add_user),
    ("DELETE", f"{_USER}{_GROUP}", _remove_user),
    ("DELETE", f"{_USER}/groups", _remove_user_from_all),
    ("DELETE", f"{_CONNECTION}/groups", _leave_all),
    ("POST", "/:addToGroups", _add_filtered),
    ("POST", "/:removeFromGroups", _remove_filtered),
    ("PUT", _PERMISSION, _grant),
    ("DELETE", _PERMISSION, _revoke),
    ("HEAD", _PERMISSION, _check),
    ("POST", "/:generateToken", _generate_token),
)
"""All but `HEAD /api/health`, which needs neither token nor version."""


def add_rest_routes(app: web.Application, service: Service) -> None:
    for method, path, operation in _OPERATIONS:
        app.router.add_route(method, f"/api/hubs/{{hub}}{path}", _endpoint(service, operation))


def _endpoint(
    service: Service, operation: Callable[[Call], web.Response]
) -> Callable[[web.Request], Coroutine[Any, Any, web.Response]]:
    async def handle(request: web.Request) -> web.Response:
        try:
            response = operation(await check_request(request, service))
        except RestError as error:
            response = error.response()
        response.headers["api-supported-versions"] = ", ".join(API_VERSIONS)
        return response

    return handle
