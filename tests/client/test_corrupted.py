"""Messages that are altered on the way: counted as corrupted, and not delivered."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from typing import Any

import pytest

from tests.client.connection_peer import Peer
from tests.client.engine_runs import Run, until
from tests.client.json_service import JsonService, ack, say
from wps_load.workload.payload import PayloadPart, PayloadPlan


def damaging(damage: Callable[[Any], Any], each: int = 1) -> Callable[[Peer, dict[str, Any]], None]:
    """A service that brings every publication back to its sender, one of `each` of them damaged."""
    count = 0

    def on_message(peer: Peer, message: dict[str, Any]) -> None:
        nonlocal count
        if message["type"] == "sendToGroup":
            count += 1
            fields = {name: message[name] for name in ("group", "dataType", "data")}
            if count % each == 0:
                fields["data"] = damage(fields["data"])
            say(peer, type="message", **{"from": "group"}, fromUserId="u", **fields)
        ack(peer, message)

    return on_message


def flip(at: int) -> Callable[[str], str]:
    """Another character of the same alphabet at this place."""
    return lambda text: text[:at] + ("A" if text[at] != "A" else "B") + text[at + 1 :]


def flip_bytes(at: int) -> Callable[[str], str]:
    def damage(text: str) -> str:
        raw = bytearray(base64.b64decode(text))
        raw[at] ^= 1
        return base64.b64encode(raw).decode()

    return damage


STAMPS = [("text", flip(at)) for at in (0, 5, 13, 20, 39)] + [("binary", flip_bytes(at)) for at in (0, 4, 15, 29)]
LENGTHS: list[tuple[str, Callable[[Any], Any]]] = [
    ("text", lambda text: text[:-1]),
    ("text", lambda text: text + "x"),
    ("binary", lambda text: base64.b64encode(base64.b64decode(text)[:-1]).decode()),
    ("json", lambda value: {**value, "more": 1}),
]


@pytest.mark.parametrize(("data_type", "damage"), STAMPS + LENGTHS)
def test_a_damaged_stamp_and_another_length_are_always_seen(data_type: str, damage: Callable[[Any], Any]) -> None:
    with JsonService(damaging(damage, each=2)) as service:
        run = Run(service.connection_string, 1, rate="50", data_type=data_type, payload="100B").settle().measure(160)
        now = run.engines[0].run.ledger.running
        until(lambda: now().delivered + now().corrupted == now().published, "all are back")
        engine = run.engines[0]
        totals = engine.totals()
        assert totals.corrupted == totals.published // 2 > 0
        assert totals.delivered == totals.published - totals.corrupted
        assert totals.foreign == 0
        run.close()


@pytest.mark.parametrize("payload", ["100B", "100B*2,200B*1"])
def test_altered_text_is_always_seen(payload: str) -> None:
    with JsonService(damaging(flip(-1), each=3)) as service:
        run = Run(service.connection_string, 1, rate="50", payload=payload).settle().measure(200)
        now = run.engines[0].run.ledger.running
        until(lambda: now().delivered + now().corrupted == now().published, "all are back")
        assert now().corrupted == now().published // 3 > 0
        run.close()


@pytest.mark.parametrize("envelope", [True, False])
@pytest.mark.parametrize(
    ("data_type", "samples", "data", "altered"),
    [
        ("text", ["Grüße " * 20], "x" * 40, "Y"),
        ("binary", [bytes(range(200))], b"x" * 30, b"Y"),
        (
            "json",
            ['{"a": [1, 2.5], "b": "Grüße"}'],
            {"wps": "any", "a": [1, 2.5], "b": "Grüße"},
            {"wps": "any", "a": 1},
        ),
    ],
)
def test_a_sample_is_compared_as_its_receiver_sees_it(
    envelope: bool, data_type: str, samples: list[Any], data: Any, altered: Any
) -> None:
    content = [each if isinstance(each, bytes) else each.encode() for each in samples]
    plan = PayloadPlan.from_samples(content, data_type, envelope=envelope, seed=1)
    whole = data
    if data_type == "text":
        whole = data + _rest(samples[0])
    elif data_type == "binary":
        whole = data + samples[0][30:]
    assert plan.intact(0, 0, whole)
    assert not plan.intact(0, 0, altered if data_type == "json" else whole[:-1] + altered)
    assert not plan.intact(0, 0, None)
    assert len(whole) == plan.usual_length
    if data_type == "json":
        assert plan.intact(0, 0, json.dumps(whole)), "protobuf and simple clients get JSON as its text"


def _rest(sample: str) -> str:
    """What a stamp of 40 bytes leaves of a text, spaces for the bytes of a character that it cuts."""
    raw = sample.encode()
    cut = 40
    while raw[cut] & 0xC0 == 0x80:
        cut += 1
    return " " * (cut - 40) + raw[cut:].decode()


def test_contents_of_several_sizes_have_no_usual_length() -> None:
    plan = PayloadPlan.generated([PayloadPart(64), PayloadPart(128)], "text", envelope=True, seed=1)
    assert plan.usual_length == -1
    assert len(plan.endings()) == 2
