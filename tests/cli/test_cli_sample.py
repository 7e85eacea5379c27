"""A run's messages as `plan` makes them: of the right size, and what the service and its clients understand."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from wps_load.commands.sample import Sample
from wps_load.emulator.subprotocols import WIRES
from wps_load.measure.stamp import read_binary, read_bytes, read_json
from wps_load.protocol.codecs import CODECS
from wps_load.protocol.frames import FrameReader
from wps_load.protocol.messages import DataMessage, SendEvent, SendToGroup
from wps_load.protocol.traits import TRAITS, WEB_PUBSUB
from wps_load.settings.load import load
from wps_load.workload.scenarios import SCENARIOS

PAIRS = [(row.name, protocol) for row in SCENARIOS.values() for protocol in row.protocols]


def sample(**options: Any) -> Sample:
    values = {f"wps_{name}": str(value) for name, value in options.items()}
    return Sample(load({"wps_seed": "7", **values}, users=20, spawn_rate=None, environ={}).population)


def unmasked(frame: bytes) -> tuple[int, bytes]:
    """Opcode and payload of a short or medium client frame (RFC 6455 section 5.2)."""
    head = {126: 4, 127: 10}.get(frame[1] & 0x7F, 2)
    key, body = frame[head : head + 4], frame[head + 4 :]
    return frame[0] & 0x0F, bytes(byte ^ key[at % 4] for at, byte in enumerate(body))


@pytest.mark.parametrize("data_type", ["text", "json", "binary"])
@pytest.mark.parametrize("protocol", CODECS)
def test_both_directions_are_understood(protocol: str, data_type: str) -> None:
    made = sample(protocol=protocol, data_type=data_type, payload="100B")
    wire = next(wire for wire in WIRES if wire.name == protocol)
    upstream = wire.decode(*unmasked(made.inbound(5)))
    assert isinstance(upstream, SendEvent if protocol == "simple" else SendToGroup)
    assert isinstance(upstream.data, str | bytes)
    assert len(upstream.data) in (100, 98)  # the service reads JSON and forgets white space
    ((opcode, payload),) = FrameReader().feed(made.outbound(5))
    message = CODECS[protocol].decoders[opcode](payload)
    assert isinstance(message, DataMessage)
    stamp = (read_binary if data_type == "binary" else read_bytes if protocol == "mqtt" else read_json)(message.data)
    assert stamp is not None
    assert stamp[3] == 5


@pytest.mark.parametrize(("scenario", "protocol"), PAIRS)
def test_every_scenario_has_sizes_and_costs(scenario: str, protocol: str) -> None:
    made = sample(scenario=scenario, protocol=protocol)
    sizes = made.sizes()
    if not SCENARIOS[scenario].publishes:
        assert (sizes.data, sizes.outbound) == (0, 0)
        return
    assert sizes.data == (64 if SCENARIOS[scenario].streams else 2048)
    assert sizes.data <= sizes.inbound < sizes.data + 200
    assert sizes.data < sizes.outbound < sizes.data + 300
    costs = made.costs(0.002)
    assert (costs.publish_us is None) is SCENARIOS[scenario].needs_key
    assert costs.receive_us > 0


def test_a_mix_keeps_its_weights() -> None:
    assert sample(payload="512B*3,1KiB*1").sizes().data == 640


def test_messages_larger_than_a_sockets_buffer() -> None:
    large, small = (sample(payload=size).costs(0.002) for size in ("900KiB", "64B"))
    assert large.receive_us > small.receive_us
    assert (large.publish_us or 0) > (small.publish_us or 0) > 0


def test_an_ack_has_a_size_where_one_is_requested() -> None:
    assert sample().sizes().ack == 0
    assert 20 < sample(ack="true").sizes().ack < 100


@pytest.mark.parametrize("data_type", ["text", "json", "binary"])
@pytest.mark.parametrize("heard", WEB_PUBSUB)
@pytest.mark.parametrize("spoken", ["json", "protobuf-reliable"])
def test_a_message_is_measured_as_those_of_another_protocol_hear_it(spoken: str, heard: str, data_type: str) -> None:
    population = sample(protocol=spoken, data_type=data_type, scenario="big-group", payload="100B").population
    pair = Sample(population, heard)
    alone = Sample(population).sizes()
    assert pair.sizes().inbound == alone.inbound
    one, other = (replace(TRAITS[name], name="", subprotocol=None) for name in (spoken, heard))
    assert (pair.sizes().outbound == alone.outbound) == (one == other)
    assert pair.receive_us(0.001) > 0, "our own client finds the stamp in it"
