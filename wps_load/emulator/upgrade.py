"""The WebSocket handshake (RFC 6455 section 4.2) on an aiohttp request, after which the socket is ours.

aiohttp parses the request; its WebSocket classes are not used, as a task and a queue for each connection
cost more than everything else that a delivery does.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import hashlib

from aiohttp import web
from aiohttp.abc import AbstractStreamWriter

_GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"


def upgrade_fault(request: web.Request) -> str | None:
    """Why this is not a WebSocket upgrade, or None."""
    headers = request.headers
    if "websocket" not in headers.get("Upgrade", "").lower():
        return "This URL is for WebSocket clients: an upgrade is needed."
    if "upgrade" not in headers.get("Connection", "").lower():
        return "The Connection header does not say Upgrade."
    if headers.get("Sec-WebSocket-Version") != "13":
        return "Only version 13 of the WebSocket protocol is spoken."
    try:
        key = base64.b64decode(headers.get("Sec-WebSocket-Key", ""), validate=True)
    except binascii.Error:
        key = b""
    return None if len(key) == 16 else "The Sec-WebSocket-Key is not 16 bytes of base64."


def offered_subprotocols(request: web.Request) -> tuple[str, ...]:
    joined = ",".join(request.headers.getall("Sec-WebSocket-Protocol", ()))
    return tuple(filter(None, (name.strip() for name in joined.split(","))))


class Upgraded(web.StreamResponse):
    """Tells aiohttp that the connection is no longer its concern."""

    async def prepare(self, request: web.BaseRequest) -> AbstractStreamWriter | None:
        raise ConnectionResetError("upgraded")


def switch_protocols(request: web.Request, link: asyncio.Protocol, subprotocol: str | None) -> web.StreamResponse:
    """Answers 101 and hands the transport to `link`. Raises ConnectionResetError if the client has gone."""
    transport = request.transport
    if transport is None or transport.is_closing():
        raise ConnectionResetError("the client has gone")
    key = request.headers["Sec-WebSocket-Key"].strip().encode()
    accept = base64.b64encode(hashlib.sha1(key + _GUID).digest()).decode()
    lines = ["HTTP/1.1 101 Switching Protocols", "Upgrade: websocket", "Connection: Upgrade"]
    lines.append(f"Sec-WebSocket-Accept: {accept}")
    if subprotocol is not None:
        lines.append(f"Sec-WebSocket-Protocol: {subprotocol}")
    transport.write("\r\n".join([*lines, "", ""]).encode())
    former = request.protocol
    transport.set_protocol(link)
    former.transport = None  # so that it does not close what it no longer owns
    former.connection_lost(None)
    link.connection_made(transport)
    return Upgraded()
