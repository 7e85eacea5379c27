"""App servers as people write them: which events they get, under which names, and what stays with a connection."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import jwt
import orjson
import pytest
from aiohttp import web

from tests.emulator.app_server import Event, Handler, by_event, with_handler
from tests.emulator.live import JSON, Live, ask, read, serve, serve_app
from tests.emulator.live_ends import close_code_of, status_of
from wps_load.auth import DEFAULT_EMULATOR_KEY, ConnectionString, client_url_with_token, mint_client_token
from wps_load.clock import unix_time_s
from wps_load.emulator.hub_settings import Choice, ConfiguredHub, HubSettings, for_all_hubs
from wps_load.emulator.webhook import allows


@pytest.mark.parametrize(
    ("allowed", "authority", "accepted"),
    [
        (["*"], "h:1", True),
        (["H"], "h:1", True),
        (["h:1"], "h:1", True),
        (["h:2"], "h:1", False),
        (["other", "x, h:1 "], "H:1", True),
        (["h"], "h", True),
        (["[::1]"], "[::1]:80", True),
        ([""], "h:1", False),
        ([], "h:1", False),
    ],
)
def test_whom_an_app_server_allows(allowed: list[str], authority: str, accepted: bool) -> None:
    assert allows(allowed, authority) is accepted


def some_of(base: str, system_events: str = "") -> HubSettings:
    return HubSettings(default=for_all_hubs(f"{base}/hubs/{{hub}}/{{event}}", system_events))


async def lived(live: Live, handler: Handler, *, reason: str = "") -> None:
    """A client comes, sends an event and goes; and another one, so that whatever the first led to has arrived."""
    for number in range(2):
        async with live.connect(user=f"u{number}") as client:
            await read(client)
            assert (await ask(client, type="event", event="e", data=1, ackId=1))["success"]
            await client.close(1000, reason)


@pytest.mark.parametrize(
    ("system_events", "told"),
    [("", ["e"]), ("connected", ["connected", "e"]), ("connect,disconnected", ["connect", "e", "disconnected"])],
)
def test_a_url_gets_user_events_and_the_system_events_that_are_named(system_events: str, told: list[str]) -> None:
    async def run() -> None:
        handler = Handler()
        async with serve_app(handler.app()) as base, serve(handler=some_of(base, system_events)) as live:
            await lived(live, handler, reason="bye now")
            async with handler.arrived:
                await handler.arrived.wait_for(lambda: len(handler.events) == 2 * len(told))
        of_first = [event for event in handler.events if event.headers["ce-userid"] == "u0"]
        assert [event.name for event in of_first] == told
        numbers = [int(event.headers["ce-id"]) for event in of_first]
        assert numbers == sorted(set(numbers))
        if "disconnected" in told:
            assert orjson.loads(of_first[-1].body) == {"reason": "bye now"}

    asyncio.run(asyncio.wait_for(run(), 20))


def test_without_a_handler_events_fail_and_nobody_is_asked_at_connect() -> None:
    async def run() -> None:
        async with serve(handler=HubSettings()) as live:
            async with live.connect() as client:
                await read(client)
                ack = await ask(client, type="event", event="e", data=1, ackId=1)
                assert (ack["success"], ack["error"]["name"]) == (False, "InternalServerError")
                await client.send('{"type":"event","event":"e","data":1}')
                assert await ask(client, type="ping") == {"type": "pong"}
            for message in ("text", b"\0"):
                async with live.connect(None) as simple:
                    await simple.send(message)
                    assert await close_code_of(simple) == (1011, "Internal server error")
            assert live.service.stats.upstream_calls == 0

    asyncio.run(asyncio.wait_for(run(), 20))


def test_hubs_have_handlers_of_their_own_or_an_echo_or_a_listener() -> None:
    async def run() -> None:
        handler = Handler(lambda event: web.Response(text="handled"))
        async with serve_app(handler.app()) as base:
            listener = Choice(user=frozenset({"heard"}))
            hubs = {"bench": for_all_hubs(base), "heard": ConfiguredHub(listeners=(listener,))}
            async with serve(handler=HubSettings(hubs, ConfiguredHub(echoes=True))) as live:
                for hub, event, data in (("Bench", "e", "handled"), ("other", "e", "mine"), ("heard", "HEARD", None)):
                    async with live.open(live.url(live.token(hub=hub), hub)) as client:
                        await read(client)
                        answer = await ask(client, type="event", event=event, dataType="text", data="mine", ackId=1)
                        assert answer.get("data") == data
                        assert (answer if data is None else await read(client))["success"]
            assert [event.headers["ce-hub"] for event in handler.events] == ["bench"]

    asyncio.run(asyncio.wait_for(run(), 20))


def test_the_origin_is_the_host_that_the_client_requested_as_the_middleware_of_dotnet_looks_it_up() -> None:
    """It compares with `new Uri(endpoint).Host`, which has no port, and answers 400 to a name that it does not know."""

    async def run() -> None:
        asked: list[tuple[str, str]] = []
        known = {"localhost"}

        async def answer(request: web.Request) -> web.Response:
            origin = request.headers["WebHook-Request-Origin"]
            asked.append((request.method, origin))
            if origin not in known:
                return web.Response(status=400)
            return web.Response(headers={"WebHook-Allowed-Origin": origin})

        app = web.Application()
        app.router.add_route("*", "/{path:.*}", answer)
        async with serve_app(app) as base, serve(handler=some_of(base, "connect")) as live:
            port = live.connection_string.endpoint.rpartition(":")[2]
            for host, status in (("localhost", 101), ("127.0.0.1", 500), ("localhost", 101)):
                endpoint = ConnectionString(f"http://{host}:{port}", DEFAULT_EMULATOR_KEY)
                url = client_url_with_token(
                    endpoint, "bench", mint_client_token(endpoint, "bench", now_s=unix_time_s())
                )
                if status == 101:
                    async with live.open(url) as client:
                        await read(client)
                else:
                    assert await status_of(live, url) == status
        # validated once for a URL and a host; what was refused is asked again
        assert asked == [
            ("OPTIONS", "localhost"),
            ("POST", "localhost"),
            ("OPTIONS", "127.0.0.1"),
            ("POST", "localhost"),
        ]

    asyncio.run(asyncio.wait_for(run(), 20))


def test_what_connect_tells_of_the_client() -> None:
    async def scenario(live: Live, handler: Handler) -> None:
        claims = {"aud": live.connection_string.client_url("bench").replace("ws:", "http:"), "exp": unix_time_s() + 60}
        token = jwt.encode({**claims, "n": 5, "yes": True, "list": ["a", 1]}, DEFAULT_EMULATOR_KEY)
        headers = {"Authorization": f"Bearer {token}", "X-Custom": "v"}
        url = live.url(None, tag="1", TAG="2", Access_Token="")
        async with live.open(url, additional_headers=headers) as client:
            await read(client)
            [connect] = await handler.wait_for("connect")
        body = orjson.loads(connect.body)
        assert {name: body["claims"][name] for name in ("n", "yes", "list")} == {
            "n": ["5"],
            "yes": ["true"],
            "list": ["a", "1"],
        }
        assert body["query"] == {"tag": ["1", "2"]}
        assert body["headers"]["X-Custom"] == ["v"]
        assert not any(name.lower() == "authorization" for name in body["headers"])

    with_handler(Handler, scenario)


def test_cookies_states_and_custom_subprotocols_stay_with_their_connection() -> None:
    long_state = "s" * 64_000

    def connect(event: Event) -> web.Response:
        if event.headers["ce-userid"] != "u":
            return web.Response(status=204)
        answer = web.json_response({"subprotocol": "mine"}, headers={"ce-connectionState": long_state})
        answer.set_cookie("a", "1")
        return answer

    async def scenario(live: Live, handler: Handler) -> None:
        async with live.connect("mine", user="u") as simple:
            assert simple.subprotocol == "mine"
            await simple.send("x")
            connected, message = await handler.wait_for("connected", "message")
        handler.events.clear()
        async with live.connect(user="other") as client:
            await read(client)
            [other] = await handler.wait_for("connected")
        for event in (connected, message):
            assert event.headers["cookie"] == "a=1"
            assert event.headers["ce-connectionstate"] == long_state
            assert event.headers["ce-subprotocol"] == "mine"
        assert "cookie" not in other.headers
        assert other.headers["ce-subprotocol"] == JSON

    with_handler(lambda: Handler(by_event(connect=connect)), scenario)


def test_metadata_go_to_the_handler_and_come_back() -> None:
    def answer(event: Event) -> web.Response:
        return web.Response(headers={"X-WebPubSub-Metadata-Seen": f"no, {event.headers['x-webpubsub-metadata-trace']}"})

    async def scenario(live: Live, handler: Handler) -> None:
        async with live.connect() as client:
            await read(client)
            message = await ask(client, type="event", event="e", metadata={"Trace": "t1"}, ackId=1)
            assert (message["dataType"], message["data"], message["metadata"]) == ("text", "", {"seen": "t1"})
            assert (await read(client))["success"]
        [event] = await handler.wait_for("e")
        assert (event.body, event.headers["content-type"]) == (b"", "text/plain; charset=utf-8")

    with_handler(lambda: Handler(by_event(e=answer)), scenario)


def test_json_goes_to_the_handler_and_back_byte_for_byte() -> None:
    text = '{"b":1.50, "a":12345678901234567890123, "b":1e400}'

    def answer(event: Event) -> web.Response:
        return web.Response(body=event.body, content_type="application/json")

    async def scenario(live: Live, handler: Handler) -> None:
        async with live.connect() as client:
            await read(client)
            await client.send('{"type":"event","event":"e","data":%s}' % text)  # noqa: UP031
            assert str(await client.recv()).endswith(f'"data":{text}}}')

    with_handler(lambda: Handler(by_event(e=answer)), scenario)


@pytest.mark.parametrize(
    ("end", "reason"),
    [
        (lambda live, client: client.close(1000, "bye"), "bye"),
        (lambda live, client: client.close(1001), ""),
        (lambda live, client: client.send("{"), "The client message is not a valid JSON protocol message."),
        (lambda live, client: client.send(b"x"), "The JSON subprotocol requires text messages."),
        (lambda live, client: asyncio.sleep(0, client.transport.abort()), "The connection ended."),
        (lambda live, client: live.rest("POST", "/:closeConnections"), "Application server closed the connection."),
    ],
)
def test_disconnected_says_why(end: Callable[[Live, Any], Any], reason: str) -> None:
    async def scenario(live: Live, handler: Handler) -> None:
        async with live.connect() as client:
            await read(client)
            await end(live, client)
            [disconnected] = await handler.wait_for("disconnected")
        assert orjson.loads(disconnected.body) == {"reason": reason}

    with_handler(Handler, scenario)
