"""MQTT's packets in WebSocket frames: a known publication is recognised by its frame, if that is one packet."""

from __future__ import annotations

import random
from collections.abc import Iterable

import pytest

from tests.client.engine_runs import Done, Run
from tests.client.mqtt_service import Framed, MqttService, whole
from wps_load.protocol import mqtt_reader, mqtt_session
from wps_load.protocol.mqtt_packets import V5, Packet, Publish, encode


def played(framed: Framed) -> Done:
    with MqttService(framed) as service:
        done = Run(service.connection_string, 1, protocol="mqtt5", rate="100").settle().measure(200).finish()
    done.assert_whole()
    assert done.totals.delivered > 10
    return done


def test_a_known_publication_is_not_decoded_again(monkeypatch: pytest.MonkeyPatch) -> None:
    decoded: list[Packet] = []

    def decode(packet: bytes, version: int) -> Packet:
        decoded.append(mqtt_reader.decode(packet, version))
        return decoded[-1]

    monkeypatch.setattr(mqtt_session, "decode", decode)
    played(whole)
    assert [type(packet).__name__ for packet in decoded] == ["ConnAck", "Granted", "Publish"]


class Cutting:
    """Cuts the stream of packets anywhere: frames hold parts of packets, or several, and nothing at times."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)

    def __call__(self, packet: bytes) -> Iterable[bytes]:
        places = sorted(self._random.choices(range(len(packet) + 1), k=self._random.randrange(4)))
        return [packet[start:end] for start, end in zip([0, *places], [*places, len(packet)], strict=True)]


@pytest.mark.parametrize("seed", range(3))
def test_packets_are_cut_anywhere(seed: int) -> None:
    assert played(Cutting(seed)).totals.foreign == 0


def test_several_packets_come_in_one_frame() -> None:
    stranger = encode(Publish("somewhere", b"else"), V5)
    done = played(lambda packet: (stranger + packet + stranger,))
    assert done.totals.foreign == 2 * done.totals.published


def test_what_looks_like_a_publication_inside_another_one_is_none() -> None:
    def inside_out(packet: bytes) -> Iterable[bytes]:
        """Again as the middle of another publication's payload, in a frame of its own."""
        around = encode(Publish("somewhere", b"[" + packet + b"]"), V5)
        at = around.index(packet)
        return packet, around[:at], packet, around[at + len(packet) :]

    done = played(inside_out)
    assert done.totals.foreign == done.totals.published
