"""How a scenario, a client and an upgrade end."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Any

import pytest
from live import Live
from websockets.asyncio.client import ClientConnection
from websockets.exceptions import ConnectionClosed, InvalidStatus

PATIENCE_S = 20


def in_time(scenario: Any) -> None:
    asyncio.run(asyncio.wait_for(scenario, PATIENCE_S))


async def end_of(client: ClientConnection) -> int | None:
    with contextlib.suppress(ConnectionClosed):
        while True:
            await client.recv()
    return client.close_code


async def status_of(live: Live, token: str | None) -> int:
    with pytest.raises(InvalidStatus) as caught:
        await live.open(live.url(token))
    return caught.value.response.status_code
