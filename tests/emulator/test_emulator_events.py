"""CloudEvents over HTTP, with an aiohttp application as the event handler."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
from typing import Any

import orjson
import pytest
from aiohttp import web
from websockets.exceptions import ConnectionClosed, InvalidStatus

from tests.emulator.app_server import ALLOW_ALL, Answer, Event, Handler, by_event, with_handler
from tests.emulator.live import JSON, Live, ask, read, serve, serve_app, to_url
from wps_load.auth import DEFAULT_EMULATOR_KEY, ConnectionString
from wps_load.emulator.delivery import Stats
from wps_load.emulator.event_contract import ConnectAnswer, ConnectRequest, HandlerFailed
from wps_load.emulator.event_handlers import HttpEventHandlers
from wps_load.emulator.limits import Tier
from wps_load.emulator.upstream import build_upstream
from wps_load.emulator.webhook import Webhooks


def test_the_life_of_a_connection_as_its_handler_sees_it() -> None:
    async def scenario(live: Live, handler: Handler) -> None:
        async with live.connect(user="ü", x="1") as client:
            identity = (await read(client))["connectionId"]
            assert await ask(client, type="event", event="hello", dataType="text", data="hé", ackId=1) == {
                "type": "ack",
                "ackId": 1,
                "success": True,
            }
        connect, connected, hello, disconnected = await handler.wait_for(
            "connect", "connected", "hello", "disconnected"
        )
        body = orjson.loads(connect.body)
        assert body["query"] == {"x": ["1"]}
        assert body["claims"]["role"] == ["webpubsub.joinLeaveGroup", "webpubsub.sendToGroup"]
        assert body["subprotocols"] == [JSON]
        assert b"access_token" not in connect.body
        assert "authorization" not in body["headers"]
        assert "ce-subprotocol" not in connect.headers
        assert (connected.body, hello.body) == (b"{}", "hé".encode())
        assert "reason" in orjson.loads(disconnected.body)
        assert hello.path == "/hubs/bench/hello"
        signature = hmac.new(DEFAULT_EMULATOR_KEY.encode(), identity.encode(), hashlib.sha256).hexdigest()
        expected = {
            "content-type": "text/plain; charset=utf-8",
            "webhook-request-origin": "127.0.0.1",
            "ce-specversion": "1.0",
            "ce-awpsversion": "1.0",
            "ce-type": "azure.webpubsub.user.hello",
            "ce-source": f"/hubs/bench/client/{identity}",
            "ce-hub": "bench",
            "ce-eventname": "hello",
            "ce-connectionid": identity,
            "ce-userid": "ü",
            "ce-subprotocol": JSON,
            "ce-signature": f"sha256={signature}",
        }
        assert expected.items() <= hello.headers.items()
        assert connect.headers["ce-type"] == "azure.webpubsub.sys.connect"
        assert len({event.headers["ce-id"] for event in handler.events}) == 4

    with_handler(Handler, scenario)


def test_a_connect_answer_sets_user_groups_roles_and_state() -> None:
    def answer(event: Event) -> web.Response:
        body = {"userId": "other", "groups": ["g"], "roles": [], "subprotocol": JSON}
        return web.json_response(body, headers={"ce-connectionState": "first"})

    def next_state(event: Event) -> web.Response:
        return web.Response(status=204, headers={"ce-connectionState": "second"})

    async def scenario(live: Live, handler: Handler) -> None:
        async with live.connect(user="u") as client:
            assert (await read(client))["userId"] == "other"
            assert (await ask(client, type="joinGroup", group="x", ackId=1))["error"]["name"] == "Forbidden"
            assert list(live.service.hub("bench").groups) == ["g"]
            await ask(client, type="event", event="one", data=1, ackId=2)
            await ask(client, type="event", event="two", data=1, ackId=3)
        one, two = await handler.wait_for("one", "two")
        assert (one.headers["ce-connectionstate"], two.headers["ce-connectionstate"]) == ("first", "second")

    with_handler(lambda: Handler(by_event(connect=answer, one=next_state)), scenario)


@pytest.mark.parametrize(
    ("answer", "status"),
    [
        (lambda event: web.Response(status=403), 403),
        (lambda event: web.Response(status=503), 500),
        (lambda event: web.Response(text="not JSON"), 500),
        (lambda event: web.json_response({"userId": 1}), 500),
        (lambda event: web.json_response({"groups": [" "]}), 500),
        (lambda event: web.json_response({"subprotocol": "not offered"}), 500),
    ],
)
def test_a_connect_answer_may_refuse(answer: Answer, status: int) -> None:
    async def scenario(live: Live, handler: Handler) -> None:
        with pytest.raises(InvalidStatus) as caught:
            await live.connect()
        assert caught.value.response.status_code == status
        assert live.service.hub("bench").connections == {}

    with_handler(lambda: Handler(by_event(connect=answer)), scenario)


@pytest.mark.parametrize(
    ("content_type", "body", "data_type", "data"),
    [
        ("text/plain", b"x", "text", "x"),
        ("application/json", b'{"a":1}', "json", {"a": 1}),
        ("application/octet-stream", b"\0", "binary", "AA=="),
    ],
)
def test_an_answer_comes_before_its_ack(content_type: str, body: bytes, data_type: str, data: Any) -> None:
    def answer(event: Event) -> web.Response:
        return web.Response(body=body, content_type=content_type)

    async def scenario(live: Live, handler: Handler) -> None:
        async with live.connect() as client:
            await read(client)
            message = await ask(client, type="event", event="e", data=1, ackId=1)
            assert message == {"type": "message", "from": "server", "dataType": data_type, "data": data}
            assert (await read(client))["success"]

    with_handler(lambda: Handler(by_event(e=answer)), scenario)


def test_a_failing_handler_is_an_error_ack_and_the_end_of_a_simple_client() -> None:
    def answer(event: Event) -> web.Response:
        return web.Response(status=400)

    async def scenario(live: Live, handler: Handler) -> None:
        async with live.connect() as client:
            await read(client)
            ack = await ask(client, type="event", event="e", data=1, ackId=1)
            assert ack["error"]["name"] == "InternalServerError"
        async with live.connect(None) as simple:
            await simple.send("x")
            with pytest.raises(ConnectionClosed):
                await simple.recv()
            assert simple.close_code == 1011

    with_handler(lambda: Handler(by_event(e=answer, message=answer)), scenario)


def test_transient_failures_are_tried_again() -> None:
    statuses = iter((503, 408, 204))

    def answer(event: Event) -> web.Response:
        return web.Response(status=next(statuses))

    async def scenario(live: Live, handler: Handler) -> None:
        async with live.connect() as client:
            await read(client)
            assert (await ask(client, type="event", event="e", data=1, ackId=1))["success"]
        assert [event.name for event in handler.events].count("e") == 3
        assert live.service.stats.upstream_calls == 1

    with_handler(lambda: Handler(by_event(e=answer)), scenario)


def test_a_handler_that_takes_too_long_has_failed() -> None:
    async def run() -> None:
        over = asyncio.Event()

        async def never(request: web.Request) -> web.Response:
            if request.method == "OPTIONS":
                return web.Response(headers={"WebHook-Allowed-Origin": "*"})
            await over.wait()
            return web.Response()

        app = web.Application()
        app.router.add_route("*", "/", never)
        async with serve_app(app) as base:
            webhooks = Webhooks(timeout_s=0.05)
            handlers = HttpEventHandlers(lambda: to_url(f"{base}/"), DEFAULT_EMULATOR_KEY, Stats(), webhooks)
            with pytest.raises(HandlerFailed) as caught:
                await handlers.connect(ConnectRequest("bench", "c", "127.0.0.1:1", None, {}, {}, {}, ()))
            assert caught.value.status == 500
            over.set()
            await handlers.close()

    asyncio.run(asyncio.wait_for(run(), 20))


@pytest.mark.parametrize(
    ("allowed", "status", "said"),
    [
        ("elsewhere", 200, "abuse protection: WebHook-Allowed-Origin has elsewhere, and neither * nor 127.0.0.1"),
        ("*", 200, "its answer to connect is not JSON"),
        ("*", 418, "it answered 418"),
        (None, 200, "abuse protection (OPTIONS, then GET): no connection: Connection refused"),
    ],
)
def test_why_a_handler_failed_is_reported_once_and_without_the_key_in_its_url(
    allowed: str | None, status: int, said: str
) -> None:
    async def answer(request: web.Request) -> web.Response:
        if request.method == "OPTIONS":
            return web.Response(headers={"WebHook-Allowed-Origin": allowed or ""})
        return web.Response(body=b"x", status=status)

    async def run() -> None:
        app = web.Application()
        app.router.add_route("*", "/", answer)
        async with serve_app(app) as base:
            url = base if allowed is not None else "http://127.0.0.1:1"
            told: list[str] = []
            settings = to_url(f"{url}/?code=secret")
            handlers = HttpEventHandlers(lambda: settings, "key", Stats(), Webhooks(()), told.append)
            request = ConnectRequest("bench", "c", "127.0.0.1:1", None, {}, {}, {}, ())
            for _ in range(2):
                with pytest.raises(HandlerFailed):
                    await handlers.connect(request)
            assert len(told) == 1
            assert told[0].startswith(f"event connect to {url}/ failed: {said}")
            assert "secret" not in told[0]
            await handlers.close()

    asyncio.run(asyncio.wait_for(run(), 20))


def test_the_messages_of_one_connection_wait_for_each_other() -> None:
    async def scenario(live: Live, handler: Handler) -> None:
        async with live.connect(groups=["g"]) as client:
            await read(client)
            for number in range(300):  # more than may wait: reading is paused in between
                await client.send(f'{{"type":"event","event":"e","data":{number},"ackId":{number + 1}}}')
            await client.send('{"type":"sendToGroup","group":"g","data":"last"}')
            answers = [await read(client) for _ in range(301)]
            assert [answer["ackId"] for answer in answers[:-1]] == list(range(1, 301))
            assert answers[-1]["data"] == "last"
        bodies = [event.body for event in handler.events if event.name == "e"]
        assert bodies == [str(number).encode() for number in range(300)]

    with_handler(Handler, scenario)


@pytest.mark.parametrize(
    ("allowed", "options_status", "accepted"),
    [
        ("*", 200, True),
        ("other, 127.0.0.1", 200, True),
        ("other", 200, False),
        ("", 200, False),
        ("*", 500, False),
        ("*", 404, True),
    ],
)
def test_abuse_protection(allowed: str, options_status: int, accepted: bool) -> None:
    async def scenario(live: Live, handler: Handler) -> None:
        if accepted:
            async with live.connect() as client:
                await read(client)
        else:
            with pytest.raises(InvalidStatus) as caught:
                await live.connect()
            assert caught.value.response.status_code == 500
            assert handler.events == []

    with_handler(lambda: Handler(allowed=allowed, options_status=options_status), scenario)


@pytest.mark.parametrize("allowed", [["elsewhere:80", "127.0.0.1:8080"], ["127.0.0.1", "elsewhere"]])
def test_each_allowed_origin_may_have_a_line_of_its_own(allowed: list[str]) -> None:
    """Node writes an array so; and a handler may name the service with its port or without."""

    async def allow(request: web.Request) -> web.Response:
        return web.Response(headers=[("WebHook-Allowed-Origin", origin) for origin in allowed])

    async def run() -> None:
        app = web.Application()
        app.router.add_route("OPTIONS", "/", allow)
        app.router.add_post("/", lambda request: asyncio.sleep(0, web.Response()))
        async with serve_app(app) as base:
            handlers = HttpEventHandlers(lambda: to_url(base), "key", Stats(), Webhooks(()))
            request = ConnectRequest("h", "c", "127.0.0.1:8080", None, {}, {}, {}, ())
            assert await handlers.connect(request) == ConnectAnswer()
            await handlers.close()

    asyncio.run(asyncio.wait_for(run(), 20))


def test_the_last_place_is_given_once_however_many_wait_for_the_handler() -> None:
    async def run() -> None:
        asked = 0
        all_asked = asyncio.Event()

        async def take(request: web.Request) -> web.Response:
            nonlocal asked
            if request.headers["ce-eventName"] == "connect":
                asked += 1
                if asked == 3:
                    all_asked.set()
                await all_asked.wait()
            return web.Response(status=204)

        app = web.Application()
        app.router.add_route("OPTIONS", "/", lambda r: asyncio.sleep(0, web.Response(headers=ALLOW_ALL)))
        app.router.add_post("/", take)
        async with serve_app(app) as base, serve(handler=base, tier=Tier(1, 100, 100, None)) as live:
            outcomes = await asyncio.gather(*(live.connect() for _ in range(3)), return_exceptions=True)
            statuses = [outcome.response.status_code for outcome in outcomes if isinstance(outcome, InvalidStatus)]
            assert statuses == [429, 429]
            assert live.service.stats.connections == 1
            assert live.service.stats.upgrades_throttled == 2

    asyncio.run(asyncio.wait_for(run(), 20))


def test_the_upstream_server_echoes_and_negotiates() -> None:
    async def run() -> None:
        upstream = build_upstream(ConnectionString("http://127.0.0.1:1", DEFAULT_EMULATOR_KEY))
        async with serve_app(upstream) as base, serve(handler=f"{base}/api/webpubsub/hubs/{{hub}}/") as live:
            async with live.session.get(f"{base}/negotiate?hub=chat&id=me") as response:
                url = (await response.json())["url"]
            assert url.startswith("ws://127.0.0.1:1/client/hubs/chat?access_token=")
            async with live.session.get(f"{base}/negotiate?hub=1") as response:
                assert response.status == 400
            async with live.connect(None) as simple, live.connect() as client:
                for message in ("text", b"\0\xff"):
                    await simple.send(message)
                    assert await simple.recv() == message
                await read(client)
                answer = await ask(client, type="event", event="e", dataType="json", data=[1])
                assert (answer["from"], answer["dataType"], answer["data"]) == ("server", "json", [1])

    asyncio.run(asyncio.wait_for(run(), 20))
