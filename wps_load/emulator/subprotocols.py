"""The wire of a client, by its offers in `Sec-WebSocket-Protocol`."""

from __future__ import annotations

from wps_load.emulator.json_wire import JSON, JSON_RELIABLE
from wps_load.emulator.mqtt_wire import MQTT, MQTT5
from wps_load.emulator.protobuf_wire import PROTOBUF, PROTOBUF_RELIABLE
from wps_load.emulator.wires import SIMPLE, Wire

WIRES: tuple[Wire, ...] = (SIMPLE, JSON, JSON_RELIABLE, PROTOBUF, PROTOBUF_RELIABLE, MQTT, MQTT5)

_BY_SUBPROTOCOL = {wire.subprotocol: wire for wire in WIRES if wire.subprotocol not in (None, "mqtt")}


def choose(offered: tuple[str, ...], chosen: str | None = None) -> tuple[Wire, str | None]:
    """The wire, and the subprotocol to echo.

    `chosen`: the connect handler's choice, which is one of those offered.

    Without it the first known one, ignoring case; a custom subprotocol that nobody chose is not echoed, and the client
    is simple.
    """
    if chosen is not None:
        return _BY_SUBPROTOCOL.get(chosen.lower(), SIMPLE), chosen
    for name in offered:
        if name.lower() in _BY_SUBPROTOCOL:
            return _BY_SUBPROTOCOL[name.lower()], name
    return SIMPLE, None
