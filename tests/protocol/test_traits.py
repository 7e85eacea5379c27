"""A protocol's properties are in one table, with which its readers and writers agree."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from wps_load.emulator.subprotocols import WIRES
from wps_load.protocol.codecs import CODECS
from wps_load.protocol.envelopes import Endings, NoEnvelopes
from wps_load.protocol.frames import Opcode
from wps_load.protocol.messages import DataType
from wps_load.protocol.session import Session
from wps_load.protocol.session_states import State
from wps_load.protocol.traits import MQTTS, PROTOCOLS, RELIABLE, SUBPROTOCOLS, TRAITS, First
from wps_load.workload.scenarios import SCENARIOS, metrics_of

PACKAGE = Path(__file__).parents[2] / "wps_load"


def test_client_and_emulator_speak_every_protocol() -> None:
    assert set(CODECS) == set(PROTOCOLS) == {wire.name for wire in WIRES}
    for wire in WIRES:
        traits = TRAITS[wire.name]
        assert (wire.subprotocol, wire.reliable) == (traits.subprotocol, traits.numbered)


def test_the_kinds_of_protocols() -> None:
    assert {"json", "protobuf", "mqtt5"} <= {*SUBPROTOCOLS} == {*PROTOCOLS} - {"simple"}
    assert {"json-reliable", "protobuf-reliable", "mqtt", "mqtt5"} <= {*RELIABLE} <= {*SUBPROTOCOLS} - {"json"}
    numbered = {name for name in PROTOCOLS if TRAITS[name].numbered}
    assert {"json-reliable", "protobuf-reliable"} <= numbered <= {*RELIABLE} - {*MQTTS}


@pytest.mark.parametrize("name", PROTOCOLS)
def test_data_are_framed_as_the_traits_say(name: str) -> None:
    codec, traits = CODECS[name], TRAITS[name]
    for data_type, data in ((DataType.TEXT, b"ab"), (DataType.BINARY, b"\x00" * 9)):
        template = codec.publish_template("event", "message", data_type)
        assert template.opcode == codec.opcode_for(data_type)
        assert template.opcode in codec.decoders
        payload = template.encode(data, None)
        assert (payload == data) is not traits.enveloped
        encoded = traits.encoded_bytes(len(data), data_type)
        assert len(payload) >= encoded
        assert (data in payload) is (encoded == len(data))
    quoted = codec.publish_template("event", "message", DataType.TEXT).encode(b'"', None)
    assert (b'\\"' in quoted) is traits.escapes(DataType.TEXT)
    assert {codec.opcode, codec.binary_opcode} <= {int(Opcode.TEXT), int(Opcode.BINARY)}


@pytest.mark.parametrize("name", PROTOCOLS)
def test_a_connection_waits_for_the_service_where_the_service_speaks_first(name: str) -> None:
    first = TRAITS[name].speaks_first
    assert (Session(CODECS[name]).state is State.NEW) is (first is not First.NOBODY)
    assert ("connect_ready" in metrics_of("idle", name)) is (first is not First.NOBODY)


def test_deliveries_that_carry_sequence_ids_are_decoded() -> None:
    endings: Endings = [b"}"]
    for name in [each for each in RELIABLE if TRAITS[each].numbered]:
        assert isinstance(CODECS[name].envelopes(endings), NoEnvelopes)


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize("scenario", SCENARIOS)
def test_a_users_message_goes_to_a_group_or_to_the_event_handler(scenario: str, protocol: str) -> None:
    row = SCENARIOS[scenario]
    assert row.users_publish is (row.publishes_to_groups(protocol) or row.calls_handler(protocol))
    assert not (row.publishes_to_groups(protocol) and row.calls_handler(protocol))


_NAMES = "|".join((*PROTOCOLS, *SCENARIOS))
NAMES_ASKED = re.compile(
    rf"""(?:protocol|scenario|name)["\]]*\s*(?:==|!=|in|not\ in)\s*\(?["'](?:{_NAMES})["']"""
    rf"""|startswith\(["'](?:{"|".join(PROTOCOLS)})["']""",
    re.VERBOSE,
)


def test_no_module_asks_for_a_protocol_or_a_scenario_by_its_name() -> None:
    """What differs between them is a column of their tables."""
    for asked in ('x.protocol == "simple"', 'run["scenario"] == "upstream"', 'protocol.startswith("json")'):
        assert NAMES_ASKED.search(asked)
    assert [
        f"{path.relative_to(PACKAGE)}:{number}"
        for path in sorted(PACKAGE.rglob("*.py"))
        for number, line in enumerate(path.read_text().splitlines(), 1)
        if NAMES_ASKED.search(line)
    ] == []
