"""The data plane's permissions and tokens."""

from __future__ import annotations

from aiohttp import web

from wps_load.emulator.permissions import PERMISSIONS, TooManyRules
from wps_load.emulator.rest_call import Call, RestError, bad_request, checked_group, found, no_content
from wps_load.protocol.traits import JSON, MQTT

_MISSING = "Info.Connection.NotExisted"
_NAMES = {permission.lower(): permission for permission in PERMISSIONS} | {"1": PERMISSIONS[1], "2": PERMISSIONS[0]}
"""The numbers of the enumeration behind the names: 1 sends, 2 joins and leaves."""

_MAX_MINUTES = 2_147_483_647
_CLIENT_PATHS = {
    "default": JSON.client_path,
    "mqtt": MQTT.client_path,
    "socketio": "/clients/socketio/hubs/",
}


def grant(call: Call) -> web.Response:
    permission, group = _permission(call)
    try:
        call.existing_connection(_MISSING).permissions.grant(permission, group)
    except TooManyRules as error:
        raise _conflict(error) from None
    return web.Response()


def revoke(call: Call) -> web.Response:
    permission, group = _permission(call)
    connection = call.connection
    try:
        if connection is not None:
            connection.permissions.revoke(permission, group)
    except TooManyRules as error:
        raise _conflict(error) from None
    return no_content(call)


def check(call: Call) -> web.Response:
    permission, group = _permission(call)
    connection = call.connection
    if connection is None:
        return found(False, _MISSING)
    return found(connection.permissions.has(permission, group), "Info.Permission.NotExisted")


def _conflict(error: TooManyRules) -> RestError:
    return RestError(409, "Error.Connection.Conflict", f"The connection has {error}.", "Connection")


def _permission(call: Call) -> tuple[str, str]:
    permission = _NAMES.get(call.parts.name("permission").lower())
    if permission is None:
        raise bad_request(f"The permission must be one of {', '.join(PERMISSIONS)}.")
    target = call.query.get("targetName")
    if target is None:
        raise bad_request("A targetName, the group, is needed.")
    return permission, checked_group(target)


def generate_token(call: Call) -> web.Response:
    path = _CLIENT_PATHS.get(call.query.get("clientType", "default").lower())
    if path is None:
        raise bad_request("The clientType must be Default, MQTT or SocketIO.")
    minutes = call.whole("minutesToExpire", 1, _MAX_MINUTES) or 60
    groups = [checked_group(group) for group in call.query.getall("group", ())]
    audience = f"{call.request.scheme}://{call.request.host}{path}{call.parts.name('hub')}"
    user_id = call.query.get("userId") or None
    token = call.service.trust.make_client_token(audience, user_id, call.query.getall("role", ()), groups, minutes * 60)
    return web.json_response({"token": token})
