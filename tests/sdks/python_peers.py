"""aiohttp and websockets as tiny services: echo to simple clients; JSON clients join and publish.

`python python_peers.py aiohttp|websockets` prints its port, and runs until its standard input ends.
"""

from __future__ import annotations

import asyncio
import json
import sys
from collections import defaultdict
from collections.abc import Awaitable, Callable
from itertools import count
from typing import Any

import aiohttp
from aiohttp import web
from websockets.asyncio.server import ServerConnection, serve
from websockets.typing import Subprotocol

SUBPROTOCOL = "json.webpubsub.azure.v1"
Say = Callable[[str | bytes], Awaitable[Any]]


class Room:
    """Who is in which group, and what each message brings about."""

    def __init__(self) -> None:
        self._groups: dict[str, dict[int, Say]] = defaultdict(dict)
        self._numbers = count()

    async def enter(self, say: Say) -> int:
        number = next(self._numbers)
        await say(json.dumps({"type": "system", "event": "connected", "connectionId": f"c{number}", "userId": None}))
        return number

    async def take(self, number: int, say: Say, message: dict[str, Any]) -> None:
        data = {key: message.get(key) for key in ("dataType", "data")}
        if "ackId" in message:  # before the echo: the other order than the emulator's
            await say(json.dumps({"type": "ack", "ackId": message["ackId"], "success": True}))
        match message["type"]:
            case "joinGroup":
                self._groups[message["group"]][number] = say
            case "sendToGroup":
                group = message["group"]
                text = json.dumps({"type": "message", "from": "group", "group": group, **data})
                for member in tuple(self._groups[group].values()):
                    await member(text)
            case "event":
                await say(json.dumps({"type": "message", "from": "server", **data}))

    def leave(self, number: int) -> None:
        for members in self._groups.values():
            members.pop(number, None)


async def with_websockets(ended: Callable[[], Awaitable[Any]]) -> None:
    room = Room()

    async def talk(socket: ServerConnection) -> None:
        if socket.subprotocol is None:
            async for message in socket:
                await socket.send(message)
            return
        number = await room.enter(socket.send)
        async for message in socket:
            await room.take(number, socket.send, json.loads(message))
        room.leave(number)

    async with serve(talk, "127.0.0.1", 0, select_subprotocol=_first_known) as server:
        _tell(next(iter(server.sockets)).getsockname()[1])
        await ended()


def _first_known(_: ServerConnection, offered: Any) -> Subprotocol | None:
    return Subprotocol(SUBPROTOCOL) if SUBPROTOCOL in offered else None


async def with_aiohttp(ended: Callable[[], Awaitable[Any]]) -> None:
    room = Room()

    async def talk(request: web.Request) -> web.WebSocketResponse:
        socket = web.WebSocketResponse(protocols=(SUBPROTOCOL,))
        await socket.prepare(request)
        number = None if socket.ws_protocol is None else await room.enter(_speaker(socket))
        async for message in socket:
            if number is not None:
                await room.take(number, _speaker(socket), json.loads(message.data))
            elif message.type is aiohttp.WSMsgType.TEXT:
                await socket.send_str(message.data)
            else:
                await socket.send_bytes(message.data)
        if number is not None:
            room.leave(number)
        return socket

    app = web.Application()
    app.router.add_get("/client/hubs/{hub}", talk)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    _tell(runner.addresses[0][1])
    await ended()
    await runner.cleanup()


def _speaker(socket: web.WebSocketResponse) -> Say:
    async def say(text: str | bytes) -> None:
        assert isinstance(text, str)
        await socket.send_str(text)

    return say


def _tell(port: int) -> None:
    sys.stdout.write(f"{port}\n")
    sys.stdout.flush()


async def _main(name: str) -> None:
    loop = asyncio.get_running_loop()

    def ended() -> Awaitable[Any]:
        return loop.run_in_executor(None, sys.stdin.read)

    await {"aiohttp": with_aiohttp, "websockets": with_websockets}[name](ended)


if __name__ == "__main__":
    asyncio.run(_main(sys.argv[1]))
