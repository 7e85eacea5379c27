"""The short way of a message that differs from its publisher's others by its stamp alone."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wps_load.measure.stamp import pack_binary, pack_text
from wps_load.protocol.codecs import CODECS
from wps_load.protocol.messages import DataType
from wps_load.protocol.simple import EVENT
from wps_load.workload.payload import PayloadPart, PayloadPlan

STAMP = (3, 12345, 7, 4_000_000_000, 1 << 60, 5)


@given(
    protocol=st.sampled_from(sorted(CODECS)),
    data_type=st.sampled_from(["text", "json", "binary"]),
    size=st.integers(64, 2000),
    name=st.text(min_size=1, max_size=200).filter(lambda text: text.isprintable()),
)
def test_around_the_stamp_is_what_the_codec_puts_there(protocol: str, data_type: str, size: int, name: str) -> None:
    codec = CODECS[protocol]
    plan = PayloadPlan.generated([PayloadPart(size)], data_type, envelope=protocol.startswith("json"), seed=1)
    if protocol == "simple":
        template = codec.publish_template("event", EVENT, DataType(data_type), False)
    else:
        template = codec.publish_template("group", name, DataType(data_type), False)
    stamp = (pack_text if plan.stamp_is_text else pack_binary)(*STAMP)
    around = plan.around(template.encode_safe)
    if around is None:
        assert size > 1024 or (data_type == "binary" and protocol.startswith("json"))
    else:
        assert around[0] + stamp + around[1] == template.encode_safe(plan.choose(7, STAMP[3]).wrap(stamp))


@pytest.mark.parametrize("sample", ["plain", "Grüße, " * 30])
def test_a_sample_of_a_file_is_not_an_exception(sample: str) -> None:
    plan = PayloadPlan.from_samples([sample.encode().ljust(64)], "text", envelope=False, seed=1)
    template = CODECS["protobuf"].publish_template("group", "g", DataType.TEXT, False)
    around = plan.around(template.encode_safe)
    assert around is not None
    stamp = pack_text(*STAMP)
    assert around[0] + stamp + around[1] == template.encode_safe(plan.choose(0, 0).wrap(stamp))


def test_contents_of_several_sizes_go_the_long_way() -> None:
    template = CODECS["json"].publish_template("group", "g", DataType.TEXT, False)
    mixed = PayloadPlan.generated([PayloadPart(64), PayloadPart(128)], "text", envelope=True, seed=1)
    assert mixed.around(template.encode_safe) is None
