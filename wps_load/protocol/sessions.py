"""The session of each protocol: what a client remembers of its connection."""

from __future__ import annotations

from wps_load.protocol.codecs import Codec
from wps_load.protocol.mqtt_session import MqttSession
from wps_load.protocol.session import Session


def new_session(codec: Codec) -> Session:
    return MqttSession(codec) if codec.traits.is_mqtt else Session(codec)
