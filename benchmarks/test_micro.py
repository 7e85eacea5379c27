"""The steps of a message's way, each alone: `python -m pytest benchmarks`. Not part of the suite of tests.

A round trip of the echo is `publish` and `receive one a read`; what it costs beyond them is the kernel's and the
event loop's. The numbers are for a batch; `extra_info` has the cost of one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from benchmarks.in_memory import Client
from wps_load.clock import now_ns
from wps_load.measure.histogram import Histogram
from wps_load.measure.ledger import Ledger
from wps_load.measure.stamp import pack_text, read_text
from wps_load.protocol.codecs import CODECS
from wps_load.protocol.frames import FrameReader, FrameWriter
from wps_load.protocol.messages import DataType

BATCH = 1000
PROTOCOLS = ("json", "protobuf", "mqtt5")


@pytest.fixture(params=[*PROTOCOLS, *(f"{protocol}, mix" for protocol in PROTOCOLS)])
def client(request: pytest.FixtureRequest) -> Iterator[Client]:
    """Alone, and as one of four populations: a mix may cost no more for each message."""
    protocol, _, mixed = request.param.partition(", ")
    made = Client(protocol, mixed=bool(mixed))
    yield made
    made.close()


def measure(benchmark: Any, batch: Callable[..., object], setup: Callable[[], Any] | None = None) -> None:
    benchmark.pedantic(batch, setup=setup, rounds=50, warmup_rounds=3)
    benchmark.extra_info["each_us"] = round(benchmark.stats.stats.median / BATCH * 1e6, 3)


# -- the whole way -------------------------------------------------------------------------------------------


def test_publish(benchmark: Any, client: Client) -> None:
    """Due time, stamp, payload, envelope, frame, and the hand-over to the socket."""

    def batch() -> None:
        publish = client.publish
        for _ in range(BATCH):
            publish()

    measure(benchmark, batch, client.sent.clear)
    assert len(client.sent) == BATCH


@pytest.mark.parametrize("per_read", [1, 8])
def test_receive(benchmark: Any, client: Client, per_read: int) -> None:
    """Read, arrival time, frames, session, stamp, ledger, recorder. Each message is new to the ledger."""

    def deliveries() -> tuple[tuple[list[bytes]], dict[str, Any]]:
        frames = client.deliveries(BATCH)
        return ([b"".join(frames[at : at + per_read]) for at in range(0, BATCH, per_read)],), {}

    def batch(reads: list[bytes]) -> None:
        receive = client.receive
        for data in reads:
            receive(data)

    measure(benchmark, batch, deliveries)
    totals = client.engine.run.ledger.totals()
    assert (totals.delivered, totals.duplicated, totals.foreign) == (totals.published, 0, 0)
    assert len(client.engine.populations[0].context.rtt) == totals.delivered


# -- its steps -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_encode(benchmark: Any, protocol: str) -> None:
    template = CODECS[protocol].publish_template("group", "wps-bench-0", DataType.TEXT)
    data = b"x" * 128

    def batch() -> None:
        encode = template.encode_safe
        for _ in range(BATCH):
            encode(data)

    measure(benchmark, batch)


def test_decode(benchmark: Any, client: Client) -> None:
    ((opcode, payload),) = FrameReader().feed(client.deliveries(1)[0])
    decode = client.engine.populations[0].context.codec.decoders[opcode]

    def batch() -> None:
        for _ in range(BATCH):
            decode(payload)

    measure(benchmark, batch)


def test_frame_out(benchmark: Any) -> None:
    frame = FrameWriter().frame
    payload = b"x" * 200

    def batch() -> None:
        for _ in range(BATCH):
            frame(0x1, payload)

    measure(benchmark, batch)


def test_frame_in(benchmark: Any, client: Client) -> None:
    data = client.deliveries(1)[0]
    reader = FrameReader()

    def batch() -> None:
        feed = reader.feed
        for _ in range(BATCH):
            feed(data)

    measure(benchmark, batch)


def test_stamp(benchmark: Any) -> None:
    def batch() -> None:
        for seq in range(BATCH):
            read_text(pack_text(1, (1 << 32) + 2 ^ 3, 3, seq, 4, 5).decode())

    measure(benchmark, batch)


def test_ledger(benchmark: Any) -> None:
    ledger = Ledger(1)
    arrive = ledger.receiver(0).arrive
    streams = range(0, 10_000_000, 1)
    at = iter(streams)

    def batch() -> None:
        for _ in range(BATCH):
            arrive(7, next(at))

    measure(benchmark, batch)


def test_record(benchmark: Any) -> None:
    """Folding a batch into a histogram, as it is done once a second."""
    histogram = Histogram()
    started = now_ns()
    values = [(started * at) % 50_000_000 for at in range(BATCH)]
    measure(benchmark, lambda: histogram.record_many(values))
