"""Invocations in the emulator: the echo that is built in, event handlers, ids, cancels, and sockets that end."""

from __future__ import annotations

import asyncio
from typing import Any, ClassVar

import orjson
import pytest
from aiohttp import web
from websockets.exceptions import ConnectionClosed

from tests.emulator.app_server import Event, Handler, by_event, with_handler
from tests.emulator.live import JSON, RELIABLE, Live, serve
from wps_load.emulator.event_contract import ConnectAnswer, ConnectRequest
from wps_load.emulator.hub_connection import HubConnection
from wps_load.emulator.hub_settings import HubSettings
from wps_load.emulator.invoke_calls import event_of
from wps_load.emulator.json_reader import MALFORMED, read
from wps_load.emulator.json_wire import JSON as JSON_WIRE
from wps_load.emulator.wires import Reply
from wps_load.errors import RemoteProtocolError
from wps_load.protocol.messages import Invoke, SendEvent


def invoke(number: str = "1", event: str = "e", **fields: Any) -> str:
    return orjson.dumps(
        {"type": "invoke", "invocationId": number, "target": "event", "event": event, **fields}
    ).decode()


async def answer(client: Any) -> dict[str, Any]:
    async with asyncio.timeout(5):
        while True:
            message: dict[str, Any] = orjson.loads(await client.recv())
            if message["type"] != "system":
                return message


@pytest.mark.parametrize("subprotocol", [JSON, RELIABLE])
@pytest.mark.parametrize(
    "content",
    [
        {"dataType": "text", "data": "x"},
        {"dataType": "json", "data": {"a": [1, None]}},
        {"dataType": "binary", "data": "AAE="},
    ],
)
def test_the_built_in_handler_echoes(subprotocol: str, content: dict[str, Any]) -> None:
    async def scenario() -> None:
        async with serve() as live, live.connect(subprotocol, roles=()) as client:
            await client.send(invoke(**content))
            expected = {"type": "invokeResponse", "invocationId": "1", "success": True, **content}
            assert await answer(client) == expected
            assert live.service.stats.messages_in == 1
            assert live.service.stats.upstream_calls == 1
            assert live.service.stats.deliveries == 1

    asyncio.run(scenario())


@pytest.mark.parametrize(
    "message",
    [
        {"type": "invoke", "invocationId": "1", "event": "e"},
        {"type": "invoke", "invocationId": "1", "target": "group", "event": "e"},
        {"type": "invoke", "invocationId": "", "target": "event", "event": "e"},
        {"type": "invoke", "target": "event", "event": "e"},
        {"type": "invoke", "invocationId": "1", "target": "event", "event": "a b"},
        {"type": "invoke", "invocationId": "1", "target": "event", "event": "e", "dataType": "text"},
        {"type": "cancelInvocation"},
    ],
)
def test_malformed_ones_end_the_connection(message: dict[str, Any]) -> None:
    with pytest.raises(RemoteProtocolError, match=MALFORMED) as caught:
        read(1, orjson.dumps(message))
    assert caught.value.close_code == 1007


def test_the_handler_decides() -> None:
    def said(event: Event) -> web.Response:
        return web.Response(body=b'{"answer":42}', content_type="application/json")

    async def scenario(live: Live, handler: Handler) -> None:
        async with live.connect() as client:
            await client.send(invoke("1", "said", dataType="text", data="question"))
            assert await answer(client) == {
                "type": "invokeResponse", "invocationId": "1", "success": True,
                "dataType": "json", "data": {"answer": 42},
            }  # fmt: skip
            await client.send(invoke("2", "nothing"))
            assert await answer(client) == {"type": "invokeResponse", "invocationId": "2", "success": True}
            await client.send(invoke("3", "no"))
            refused = await answer(client)
            assert (refused["success"], refused["error"]["name"]) == (False, "InternalServerError")
        asked = next(event for event in handler.events if event.name == "said")
        assert asked.body == b"question"
        assert asked.headers["ce-type"] == "azure.webpubsub.user.said"

    with_handler(lambda: Handler(by_event(said=said, no=lambda event: web.Response(status=400))), scenario)


class _Slow:
    """An event handler that answers when it is let go; everything else is accepted."""

    def __init__(self) -> None:
        self.asked, self.go = asyncio.Event(), asyncio.Event()

    async def connect(self, request: ConnectRequest) -> ConnectAnswer:
        return ConnectAnswer()

    def forget(self, connection_id: str) -> None: ...

    async def connected(self, connection: HubConnection) -> None: ...

    async def disconnected(self, connection: HubConnection, reason: str) -> None: ...

    def invokes(self, hub: str) -> bool:
        return True

    async def user_event(self, connection: HubConnection, event: SendEvent) -> Reply | None:
        self.asked.set()
        await self.go.wait()
        assert isinstance(event.data, bytes)
        return event.data_type, event.data, ()


def test_ids_are_refused_while_they_are_pending_and_cancelled_ones_are_not_answered() -> None:
    async def scenario() -> None:
        async with serve() as live:
            slow = live.service.handlers = _Slow()
            async with live.connect() as client:
                await client.send(invoke("1", dataType="text", data="a"))
                await client.send(invoke("2", dataType="text", data="b"))
                await client.send(invoke("2", dataType="text", data="c"))
                await slow.asked.wait()
                await client.send('{"type":"cancelInvocation","invocationId":"1"}')
                connection = next(iter(live.service.hub("bench").connections.values()))
                async with asyncio.timeout(5):
                    while connection.invocations:
                        await asyncio.sleep(0.005)
                slow.go.set()
                second, again = await answer(client), await answer(client)
                assert (second["invocationId"], second["data"]) == ("2", "b")
                assert again == {
                    "type": "invokeResponse", "invocationId": "2", "success": True, "dataType": "text", "data": "c"
                }, "the first was answered by then"  # fmt: skip

    asyncio.run(scenario())


def test_an_id_that_is_pending_is_refused() -> None:
    sent: list[bytes] = []

    class Link:
        open = True
        due_ns = waiting = 0
        write = staticmethod(sent.append)

    class Invoker:
        id, wire, link = "c", JSON_WIRE, Link()
        invocations: ClassVar[set[str]] = {"1"}

    assert event_of(Invoker(), Invoke("1", "e")) is None
    assert b'"BadRequest"' in sent[0]
    assert Invoker.invocations == {"1"}, "the first one goes on"


def test_a_hub_without_an_event_handler_is_one_without_the_feature() -> None:
    async def scenario() -> None:
        async with serve(handler=HubSettings()) as live, live.connect() as client:
            await client.send(invoke(dataType="text", data="x"))
            with pytest.raises(ConnectionClosed):
                await answer(client)
            assert client.close_code == 1007

    asyncio.run(scenario())


def test_faults_touch_responses_as_they_touch_deliveries() -> None:
    async def scenario() -> None:
        async with serve("drop=1/1") as live, live.connect() as client:
            await client.send(invoke(dataType="text", data="x"))
            await client.send('{"type":"ping"}')
            assert (await answer(client))["type"] == "pong"
            assert live.service.stats.dropped == 1

    asyncio.run(scenario())
