"""How a scenario, a client and an upgrade end."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any

import pytest
from websockets.asyncio.client import ClientConnection
from websockets.exceptions import ConnectionClosed, InvalidStatus

from tests.emulator.live import Live, read, serve

PATIENCE_S = 20


def in_time(scenario: Any) -> None:
    asyncio.run(asyncio.wait_for(scenario, PATIENCE_S))


async def close_code_of(client: ClientConnection) -> tuple[int | None, str | None]:
    """How the other side ended it; what still came before is read away."""
    with contextlib.suppress(ConnectionClosed):
        while True:
            await client.recv()
    return client.close_code, client.close_reason


async def end_of(client: ClientConnection) -> int | None:
    return (await close_code_of(client))[0]


async def status_of(live: Live, url: str, **options: Any) -> int:
    with pytest.raises(InvalidStatus) as caught:
        await live.open(url, **options)
    return caught.value.response.status_code


@contextlib.asynccontextmanager
async def slow_reader() -> AsyncIterator[tuple[Live, ClientConnection, ClientConnection]]:
    """The emulator, a client that has stopped to read, and one that may publish to its group."""
    async with (
        serve() as live,
        live.connect(None, groups=["g"]) as slow,
        live.connect(roles=["webpubsub.sendToGroup"]) as fast,
    ):
        await read(fast)
        slow.transport.pause_reading()
        yield live, slow, fast
