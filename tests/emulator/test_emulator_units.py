"""What a unit or a heartbeat does not allow: who is over it hears so, and the others stay."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Any

import pytest
from websockets.frames import Opcode

from tests.emulator.live import ask, read, serve
from tests.emulator.live_ends import end_of, in_time, slow_reader, status_of
from wps_load.emulator.limits import BILLED_MESSAGE_BYTES, Tier
from wps_load.emulator.websocket import SILENT_PINGS


def test_a_day_s_messages_spent_keep_newcomers_out_and_let_the_others_stay() -> None:
    async def scenario() -> None:
        quota = 3
        async with serve(tier=Tier(10, 100, 100, quota)) as live, live.connect(None) as client:
            for _ in range(quota + 1):
                await client.send("x" * BILLED_MESSAGE_BYTES)
                await client.recv()
            assert await status_of(live, live.url(live.token())) == 429
            assert live.service.stats.upgrades_throttled == 1
            await client.send("still here")
            assert await client.recv() == "still here"

    in_time(scenario())


def test_a_day_s_messages_spent_may_end_everybody() -> None:
    async def scenario() -> None:
        tier = Tier(10, 100, 100, 1)
        async with serve(tier=tier, spent_quota_closes=True) as live, live.connect(None) as a, live.connect() as b:
            await read(b)
            await a.send("x" * BILLED_MESSAGE_BYTES)
            assert await end_of(a) == 1000
            assert (await read(b))["message"] == "Message count reaches limit."
            assert await end_of(b) == 1000
            assert live.service.stats.connections == 0

    in_time(scenario())


def test_a_place_that_became_free_is_given_away_again() -> None:
    async def scenario() -> None:
        async with serve(tier=Tier(1, 100, 100, None)) as live:
            async with live.connect(None):
                assert await status_of(live, live.url(live.token())) == 429
            async with live.connect() as client:
                assert (await read(client))["event"] == "connected"

    in_time(scenario())


def test_the_free_tier_has_room_for_twenty() -> None:
    async def scenario() -> None:
        async with serve(tier=Tier.free()) as live, contextlib.AsyncExitStack() as clients:
            for _ in range(20):
                await clients.enter_async_context(live.connect(None))
            assert await status_of(live, live.url(live.token())) == 429
            assert live.service.stats.connections == 20

    in_time(scenario())


def test_connects_beyond_the_unit_s_rate_are_429() -> None:
    async def scenario() -> None:
        async with serve(tier=Tier(1000, 1, 100, None)) as live, live.connect(None):
            assert await status_of(live, live.url(live.token())) == 429

    in_time(scenario())


def test_the_service_pings_by_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each client once an interval; one that answers stays."""
    monkeypatch.setattr("wps_load.emulator.service.PING_INTERVAL_S", 0.02)
    monkeypatch.setattr("wps_load.emulator.service._PING_SLOTS", 2)

    async def scenario() -> None:
        pings: asyncio.Queue[bytes] = asyncio.Queue()
        async with serve() as live, live.connect(None) as client:
            take = client.protocol.recv_frame

            def watch(frame: Any) -> None:
                if frame.opcode is Opcode.PING:
                    pings.put_nowait(frame.data)
                take(frame)

            monkeypatch.setattr(client.protocol, "recv_frame", watch)
            for _ in range(SILENT_PINGS + 1):
                await pings.get()
            await client.send("x")
            assert await client.recv() == "x"

    in_time(scenario())


def test_a_full_buffer_for_longer_than_the_grace_is_a_slow_client(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("wps_load.emulator.websocket.SLOW_CLIENT_GRACE_S", 0.05)

    async def scenario() -> None:
        async with slow_reader() as (live, slow, fast):
            data = "x" * 1_000_000
            for number in range(1, 21):  # 20 MB: beyond the kernel's buffers and the soft limit, not the hard one
                ack = await ask(fast, type="sendToGroup", group="g", dataType="text", data=data, ackId=number)
                assert ack["success"]
            while not live.service.stats.slow_clients:
                await asyncio.sleep(0.005)
            slow.transport.resume_reading()
            assert await end_of(slow) == 1006
            assert live.service.stats.connections == 1

    in_time(scenario())
