"""The data plane's groups: who is in them, who joins and leaves."""

from __future__ import annotations

import base64
from collections.abc import Callable
from typing import Any

import orjson
from aiohttp import web

from wps_load.emulator.hub_connection import HubConnection
from wps_load.emulator.media_types import is_json
from wps_load.emulator.rest_call import (
    API_VERSIONS,
    Call,
    RestError,
    bad_request,
    checked_group,
    no_content,
    unsupported_media_type,
)
from wps_load.emulator.rest_sends import matching

_MAX_PAGE = 200
_MAX_INT = 2_147_483_647


def list_group(call: Call) -> web.Response:
    """A page of a group's connections, in the order of their ids.

    The next page begins after the last one of this page, so nobody is skipped when others leave.
    """
    group = call.group
    page = call.whole("maxpagesize", 1, _MAX_PAGE)
    top = call.whole("top", 1, _MAX_INT)
    after = _continuation(call, group)
    members = sorted((member for member in call.hub.groups.get(group, {}).values() if member.id > after), key=_id)
    wanted = len(members) if top is None else min(len(members), top)
    shown = members[: min(page or _MAX_PAGE, wanted)]
    following = None
    if len(shown) < wanted:
        token = base64.urlsafe_b64encode(orjson.dumps([call.hub.name, group, shown[-1].id])).decode()
        query = {"api-version": API_VERSIONS[-1], "continuationToken": token}
        if page is not None:
            query["maxpagesize"] = str(page)
        if top is not None:
            query["top"] = str(top - len(shown))
        following = str(call.request.url.with_query(query))
    value = [{"connectionId": member.id, "userId": member.user_id} for member in shown]
    return web.json_response({"value": value, "nextLink": following})


def _id(connection: HubConnection) -> str:
    return connection.id


def _continuation(call: Call, group: str) -> str:
    """The id after which a page begins. Raises RestError for a token that is not one of this group's."""
    tokens = call.query.getall("continuationToken", ())
    if not tokens:
        return ""
    try:
        hub, of_group, after = orjson.loads(base64.b64decode(tokens[0], altchars="-_", validate=True))
        if len(tokens) == 1 and (hub, of_group) == (call.hub.name, group) and isinstance(after, str):
            return after
    except (ValueError, TypeError):
        pass
    raise bad_request("The continuationToken is not one of this group's.")


def add_connection(call: Call) -> web.Response:
    group = call.group
    call.hub.join(call.existing_connection(), group)
    return web.Response()


def remove_connection(call: Call) -> web.Response:
    group, connection = call.group, call.connection
    if connection is not None:
        call.hub.leave(connection, group)
    return no_content(call)


def leave_all(call: Call) -> web.Response:
    connection = call.connection
    if connection is not None:
        _leave_all(call, connection)
    return no_content(call)


def add_user(call: Call) -> web.Response:
    group, user = call.group, call.user
    connections = call.hub.users.get(user)
    if not connections:
        raise RestError(404, "Error.User.NotExisted", f"User `{user}` is not found.", "User")
    for connection in connections.values():
        call.hub.join(connection, group)
    return web.Response()


def remove_user(call: Call) -> web.Response:
    group = call.group
    for connection in call.hub.users.get(call.user, {}).values():
        call.hub.leave(connection, group)
    return no_content(call)


def remove_user_from_all(call: Call) -> web.Response:
    for connection in call.hub.users.get(call.user, {}).values():
        _leave_all(call, connection)
    return no_content(call)


def _leave_all(call: Call, connection: HubConnection) -> None:
    for group in tuple(connection.groups):
        call.hub.leave(connection, group)


def add_filtered(call: Call) -> web.Response:
    return _change_filtered(call, call.hub.join)


def remove_filtered(call: Call) -> web.Response:
    return _change_filtered(call, call.hub.leave)


def _change_filtered(call: Call, change: Callable[[HubConnection, str], None]) -> web.Response:
    if not is_json(call.request.headers.get("Content-Type")):
        raise unsupported_media_type()
    try:
        body: Any = orjson.loads(call.body)
    except ValueError:
        raise bad_request("The body is not JSON.") from None
    members = {name.lower(): value for name, value in body.items()} if isinstance(body, dict) else {}
    names = members.get("groups")
    if not isinstance(names, list) or not names:
        raise bad_request("The body must have groups, a list of names.")
    text = members.get("filter")
    if text is not None and not isinstance(text, str):
        raise bad_request("The filter must be a string.")
    groups = [checked_group(group) for group in names]
    for connection in tuple(matching(call.hub.connections.values(), text)):
        for group in groups:
            change(connection, group)
    return web.Response()
