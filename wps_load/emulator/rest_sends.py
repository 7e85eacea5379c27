"""The data plane's sends."""

from __future__ import annotations

from collections.abc import Iterable

from aiohttp import web

from wps_load.clock import NS_PER_S
from wps_load.emulator import media_types, metadata
from wps_load.emulator.hub_connection import HubConnection
from wps_load.emulator.odata import FilterError, parse_filter
from wps_load.emulator.rest_call import Call, bad_request, unsupported_media_type
from wps_load.emulator.wires import RoutedMessage

_MAX_TTL_S = 300


def send_to_all(call: Call) -> web.Response:
    return _send(call, call.hub.connections.values(), ("rest", _sender(call)))


def send_to_group(call: Call) -> web.Response:
    group = call.group
    return _send(call, call.hub.groups.get(group, {}).values(), ("rest", _sender(call), group), group)


def send_to_user(call: Call) -> web.Response:
    return _send(call, call.hub.users.get(call.user, {}).values(), ("rest-user", call.user))


def send_to_connection(call: Call) -> web.Response:
    connection = call.connection
    return _send(call, (connection,) if connection else (), ("rest-connection", call.connection_id))


def matching(connections: Iterable[HubConnection], text: str | None) -> Iterable[HubConnection]:
    """The connections that a filter selects; without one, all. Raises RestError."""
    if not text:
        return connections
    try:
        matches = parse_filter(text)
    except FilterError as error:
        raise bad_request(f"Invalid syntax for '{text}': {error}. (Parameter 'filter')") from None
    return [connection for connection in connections if matches(connection)]


def _send(call: Call, receivers: Iterable[HubConnection], audience: object, group: str | None = None) -> web.Response:
    """Publishes the body. 202 even if nobody is there to receive it."""
    ttl_s = call.whole("messageTtlSeconds", 0, _MAX_TTL_S) if call.query.get("messageTtlSeconds") else None
    headers = call.request.headers
    try:
        data_type, data = media_types.read(headers.get("Content-Type"), call.body)
        pairs = metadata.of_headers(headers.items())
    except media_types.UnsupportedMediaType:
        raise unsupported_media_type() from None
    except (media_types.UnreadableBody, metadata.MetadataError) as error:
        raise bad_request(str(error)) from None
    filter_text = call.query.get("filter")
    receivers = matching(receivers, filter_text if filter_text and not filter_text.isspace() else None)
    message = RoutedMessage("server" if group is None else "group", group, None, data_type, data, pairs)
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


def _sender(call: Call) -> object:
    """The publisher, for the faults that swap one publisher's messages: the caller's HTTP connection."""
    return id(call.request.transport)
