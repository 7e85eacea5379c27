"""The REST data plane: 25 operations below `/api/hubs/{hub}`, each one row of `OPERATIONS`.

Source: Azure Web PubSub documentation, "REST API data plane"; texts and codes: Microsoft's emulator.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from aiohttp import web

from wps_load.emulator import rest_groups, rest_permissions, rest_sends
from wps_load.emulator.hub_connection import HubConnection
from wps_load.emulator.rest_call import SUPPORTED_VERSIONS, Call, RestError, check_request, found, no_content
from wps_load.emulator.routes import Parts
from wps_load.emulator.service import Service

Operation = Callable[[Call], web.Response]


def _close(call: Call, connections: Iterable[HubConnection]) -> web.Response:
    reason = call.query.get("reason")
    text = "Application server closed the connection." + (f" Reason: {reason}" if reason else "")
    excluded = frozenset(call.query.getall("excluded", ()))
    for connection in tuple(connections):
        if connection.id not in excluded:
            call.hub.close(connection, text)
    return no_content(call)


def _close_all(call: Call) -> web.Response:
    return _close(call, call.hub.connections.values())


def _close_group(call: Call) -> web.Response:
    return _close(call, call.hub.groups.get(call.group, {}).values())


def _close_user(call: Call) -> web.Response:
    return _close(call, call.hub.users.get(call.user, {}).values())


def _close_connection(call: Call) -> web.Response:
    connection = call.connection
    return _close(call, (connection,) if connection else ())


def _connection_exists(call: Call) -> web.Response:
    return found(call.connection, "Warning.Connection.NotExisted")


def _group_exists(call: Call) -> web.Response:
    return found(call.group in call.hub.groups, "Warning.Group.NotExisted")


def _user_exists(call: Call) -> web.Response:
    return found(call.user in call.hub.users, "Warning.User.NotExisted")


_HUB = "/api/hubs/{hub}"
_CONNECTION = f"{_HUB}/connections/{{connection}}"
_GROUP = f"{_HUB}/groups/{{group}}"
_USER = f"{_HUB}/users/{{user}}"
_PERMISSION = f"{_HUB}/permissions/{{permission}}/connections/{{connection}}"

OPERATIONS: tuple[tuple[str, str, Operation], ...] = (
    ("POST", f"{_HUB}/:send", rest_sends.send_to_all),
    ("POST", f"{_GROUP}/:send", rest_sends.send_to_group),
    ("POST", f"{_USER}/:send", rest_sends.send_to_user),
    ("POST", f"{_CONNECTION}/:send", rest_sends.send_to_connection),
    ("POST", f"{_HUB}/:closeConnections", _close_all),
    ("POST", f"{_GROUP}/:closeConnections", _close_group),
    ("POST", f"{_USER}/:closeConnections", _close_user),
    ("DELETE", _CONNECTION, _close_connection),
    ("HEAD", _CONNECTION, _connection_exists),
    ("HEAD", _GROUP, _group_exists),
    ("HEAD", _USER, _user_exists),
    ("GET", f"{_GROUP}/connections", rest_groups.list_group),
    ("PUT", f"{_GROUP}/connections/{{connection}}", rest_groups.add_connection),
    ("DELETE", f"{_GROUP}/connections/{{connection}}", rest_groups.remove_connection),
    ("PUT", f"{_USER}/groups/{{group}}", rest_groups.add_user),
    ("DELETE", f"{_USER}/groups/{{group}}", rest_groups.remove_user),
    ("DELETE", f"{_USER}/groups", rest_groups.remove_user_from_all),
    ("DELETE", f"{_CONNECTION}/groups", rest_groups.leave_all),
    ("POST", f"{_HUB}/:addToGroups", rest_groups.add_filtered),
    ("POST", f"{_HUB}/:removeFromGroups", rest_groups.remove_filtered),
    ("PUT", _PERMISSION, rest_permissions.grant),
    ("DELETE", _PERMISSION, rest_permissions.revoke),
    ("HEAD", _PERMISSION, rest_permissions.check),
    ("POST", f"{_HUB}/:generateToken", rest_permissions.generate_token),
)
"""Everything except `HEAD /api/health`, which needs neither token nor version."""


async def perform(operation: Operation, request: web.Request, service: Service, parts: Parts) -> web.Response:
    """Carries out one request of the data plane."""
    try:
        response = operation(await check_request(request, parts, service))
    except RestError as error:
        response = error.response()
    response.headers.update(SUPPORTED_VERSIONS)
    return response
