from __future__ import annotations

import pytest

from wps_load.protocol.codecs import CODECS
from wps_load.protocol.frames import Opcode
from wps_load.protocol.messages import DataMessage, DataType

EXPECTED = {
    "simple": (None, False, False, "text", "binary"),
    "json": ("json.webpubsub.azure.v1", False, True, "text", "text"),
    "json-reliable": ("json.reliable.webpubsub.azure.v1", True, True, "text", "text"),
    "protobuf": ("protobuf.webpubsub.azure.v1", False, True, "binary", "binary"),
    "protobuf-reliable": ("protobuf.reliable.webpubsub.azure.v1", True, True, "binary", "binary"),
    "mqtt": ("mqtt", True, True, "binary", "binary"),
    "mqtt5": ("mqtt", True, True, "binary", "binary"),
}


@pytest.mark.parametrize("name", EXPECTED)
def test_rows_are_what_the_service_offers(name: str) -> None:
    subprotocol, reliable, enveloped, text_frame, binary_frame = EXPECTED[name]
    codec = CODECS[name]
    assert codec.name == name
    assert codec.subprotocol == subprotocol
    assert codec.reliable is reliable
    assert codec.enveloped is enveloped
    assert codec.opcode_for(DataType.TEXT) == codec.opcode_for(DataType.JSON) == Opcode[text_frame.upper()]
    assert codec.opcode_for(DataType.BINARY) == Opcode[binary_frame.upper()]
    assert set(codec.decoders) == {codec.opcode, codec.binary_opcode}


def test_there_is_no_other_row() -> None:
    assert CODECS.keys() == EXPECTED.keys()


@pytest.mark.parametrize("name", EXPECTED)
@pytest.mark.parametrize("data_type", [DataType.TEXT, DataType.BINARY])
def test_a_template_goes_out_in_the_frame_of_its_data(name: str, data_type: DataType) -> None:
    codec = CODECS[name]
    template = codec.publish_template("event", "message", data_type)
    assert template.opcode == codec.opcode_for(data_type)


@pytest.mark.parametrize(
    ("name", "opcode", "payload"),
    [
        ("simple", Opcode.TEXT, b"hi"),
        ("json", Opcode.TEXT, b'{"type":"message","from":"server","dataType":"text","data":"hi"}'),
        ("protobuf", Opcode.BINARY, b"\x12\x0e\x0a\x06server\x1a\x04\x0a\x02hi"),
    ],
)
def test_the_same_publication_reads_the_same_in_every_row(name: str, opcode: Opcode, payload: bytes) -> None:
    assert CODECS[name].decoders[opcode](payload) == DataMessage("server", None, "text", "hi")
