"""A service that lacks something, in a process of its own. Argument: what. Prints its connection string."""

from __future__ import annotations

import sys
from collections.abc import Callable

import gevent

from tests.client.connection_peer import Peer
from tests.client.json_service import JsonService, ack
from tests.client.mqtt_service import MqttService
from wps_load.protocol.mqtt_packets import ConnAck, Property


def only_acks(peer: Peer, message: dict[str, object]) -> None:
    """Neither a start of a stream nor an invocation has an answer."""
    ack(peer, message)


SERVICES: dict[str, Callable[[], JsonService | MqttService]] = {
    "features": lambda: JsonService(only_acks),
    "subprotocol": lambda: MqttService(subprotocol=None),
    "connack": lambda: MqttService(connack=ConnAck(0xEE, properties={Property.REASON_STRING: "not today"})),
}

with SERVICES[sys.argv[1]]() as service:
    print(service.connection_string, flush=True)
    gevent.sleep(600)  # its maker ends it
