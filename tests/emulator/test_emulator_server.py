"""The client endpoint over real sockets, with `websockets` on the other side."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable, Coroutine
from functools import wraps
from typing import Any

import jwt
import pytest

from tests.emulator.live import JSON, PROTOBUF, RELIABLE, Live, ask, read, serve
from tests.emulator.live_ends import close_code_of, in_time, slow_reader, status_of
from wps_load.auth import DEFAULT_EMULATOR_KEY, ConnectionString, mint_client_token
from wps_load.clock import NS_PER_MS, now_ns, unix_time_s
from wps_load.emulator.limits import Tier


def run(test: Callable[..., Coroutine[Any, Any, None]]) -> Callable[..., None]:
    @wraps(test)
    def synchronous(*args: Any, **kwargs: Any) -> None:
        in_time(test(*args, **kwargs))

    return synchronous


@run
async def test_a_group_message_reaches_all_kinds_of_clients() -> None:
    async with (
        serve() as live,
        live.connect(None, groups=["g"]) as simple,
        live.connect(PROTOBUF, groups=["g"]) as proto,
        live.connect(groups=["g"]) as client,
    ):
        assert (await read(client))["event"] == "connected"
        await proto.recv()
        echo = await ask(client, type="sendToGroup", group="g", dataType="text", data="hé", ackId=1)
        assert (echo["data"], echo["fromUserId"]) == ("hé", "u")
        assert await read(client) == {"type": "ack", "ackId": 1, "success": True}
        assert await simple.recv() == "hé"
        assert "hé".encode() in await proto.recv()


@run
async def test_the_built_in_handler_echoes() -> None:
    async with serve() as live, live.connect(None, roles=()) as simple, live.connect(roles=()) as client:
        await simple.send("text")
        await simple.send(b"\x00\xff")
        assert [await simple.recv(), await simple.recv()] == ["text", b"\x00\xff"]
        await read(client)
        answer = await ask(client, type="event", event="e", dataType="json", data={"a": 1})
        assert answer == {"type": "message", "from": "server", "dataType": "json", "data": {"a": 1}}
        assert live.service.stats.upstream_calls == 3


@run
async def test_both_forms_of_the_url_and_both_places_of_the_token() -> None:
    async with serve() as live:
        host = live.connection_string.client_url("bench").removesuffix("/hubs/bench")
        token = live.token()
        for url in (f"{host}/?hub=bench&access_token={token}", f"{host}?hub=bench&access_token={token}"):
            async with live.open(url) as client:
                assert (await read(client))["event"] == "connected"
        headers = {"Authorization": f"Bearer {token}"}
        async with live.open(live.url(None), additional_headers=headers) as client:
            assert (await read(client))["userId"] == "u"


def forged(live: Live, **changes: Any) -> str:
    claims = {
        "aud": f"{live.connection_string.endpoint}/client/hubs/bench",
        "exp": unix_time_s() + 60,
        **changes,
    }
    return jwt.encode({k: v for k, v in claims.items() if v is not None}, DEFAULT_EMULATOR_KEY, "HS256")


@run
async def test_tokens_that_do_not_open_the_door() -> None:
    async with serve() as live:
        other_key = ConnectionString(live.connection_string.endpoint, "another key, long enough for HMAC-SHA256")
        for token in (
            None,
            "nonsense",
            mint_client_token(other_key, "bench", now_s=unix_time_s()),
            live.token(hub="other"),
            forged(live, exp=unix_time_s() - 301),
            forged(live, exp=None),
            forged(live, aud=None),
            forged(live, aud="http://elsewhere/client/hubs/bench"),
            forged(live, aud=f"{live.connection_string.endpoint}/client/hubs/bench/"),
            jwt.encode({"aud": "x", "exp": unix_time_s() + 60}, "", "none"),
        ):
            assert await status_of(live, live.url(token)) == 401
        for token in (
            forged(live),
            forged(live, exp=unix_time_s() - 200),  # the clocks may differ by five minutes
            forged(
                live,
                aud=f"wss://127.0.0.1:{live.connection_string.endpoint.rsplit(':')[-1]}/client/hubs/bench",
            ),
        ):
            async with live.open(live.url(token)) as client:
                await read(client)


@run
async def test_anonymous_clients_only_where_they_are_allowed() -> None:
    async with serve(anonymous=True) as live, live.open(live.url(None)) as client:
        assert (await read(client))["userId"] is None


@run
async def test_other_refusals_of_the_handshake() -> None:
    async with serve() as live:
        assert await status_of(live, live.url(live.token(hub="1bad"), hub="1bad")) == 400
        assert await status_of(live, live.url(live.token(groups=[" "]))) == 400
        assert await status_of(live, live.url(live.token(), webpubsub_mode="sendToGroup")) == 400
        assert await status_of(live, live.url(live.token()).replace("/client/", "/nowhere/")) == 404
        endpoint = f"{live.connection_string.endpoint}/client/hubs/bench"
        async with live.session.get(endpoint) as response:
            assert response.status == 400


@run
async def test_an_unknown_subprotocol_is_not_echoed() -> None:
    async with serve() as live:
        reader, writer = await asyncio.open_connection("127.0.0.1", int(live.connection_string.endpoint.split(":")[-1]))
        writer.write(
            f"GET /client/hubs/bench?access_token={live.token()} HTTP/1.1\r\n"
            f"Host: {live.connection_string.endpoint[7:]}\r\n"
            "Upgrade: websocket\r\nConnection: keep-alive, Upgrade\r\nSec-WebSocket-Version: 13\r\n"
            "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Protocol: custom\r\n\r\n".encode()
        )
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        writer.close()
        assert head.startswith("HTTP/1.1 101 ")
        assert "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=" in head  # RFC 6455 section 1.3
        assert "Protocol" not in head.replace("Switching Protocols", "")


@run
async def test_raw_clients_may_publish_to_a_group() -> None:
    async with serve() as live, live.connect(groups=["g"]) as member:
        await read(member)
        async with live.connect(None, webpubsub_mode="SendToGroup", group="g", noEcho="true") as raw:
            await raw.send("raw")
            assert (await read(member))["data"] == "raw"


@pytest.mark.parametrize(
    ("subprotocol", "message", "code", "reason"),
    [
        (JSON, "{", 1007, "The client message is not a valid JSON protocol message."),
        (JSON, b"{}", 1003, "The JSON subprotocol requires text messages."),
        (PROTOBUF, b"\xff", 1007, f"The client message is not a valid {PROTOBUF} protocol message."),
        (None, "x" * ((1 << 20) + 1), 1009, "The client message is too large."),
    ],
)
@run
async def test_bad_messages_close_with_the_right_code_and_only_their_sender(
    subprotocol: str | None, message: str | bytes, code: int, reason: str
) -> None:
    async with serve() as live, live.connect(None) as bystander, live.connect(subprotocol) as client:
        await client.send(message)
        assert await close_code_of(client) == (code, reason)
        await bystander.send("still here")
        assert await bystander.recv() == "still here"


@run
async def test_a_message_of_exactly_one_megabyte_passes() -> None:
    async with serve() as live, live.connect(None) as client:
        await client.send("x" * (1 << 20))
        assert len(await client.recv()) == 1 << 20


@run
async def test_text_that_is_not_utf8_is_closed_with_1007() -> None:
    async with serve() as live, live.connect(None) as client:
        client.transport.write(b"\x81\x81\0\0\0\0\xff")
        assert (await close_code_of(client))[0] == 1007


@run
async def test_a_clean_close_is_answered_and_leaves_nothing() -> None:
    async with serve() as live:
        async with live.connect(RELIABLE) as client:
            await read(client)
            assert live.service.stats.connections == 1
            await client.close(1000, "done")
            assert client.close_code == 1000
        assert live.service.hub("bench").connections == {}
        assert (live.service.stats.connections, live.service.stats.connections_opened) == (0, 1)


def cut(client: Any) -> None:
    client.transport.abort()


@run
async def test_recovery_on_a_new_socket() -> None:
    async with serve() as live, live.connect(groups=["g"]) as publisher:
        await read(publisher)
        async with live.connect(RELIABLE, groups=["g"]) as client:
            hello = await read(client)
            await ask(publisher, type="sendToGroup", group="g", data=1)
            assert (await read(client))["sequenceId"] == 1
            cut(client)
        await ask(publisher, type="sendToGroup", group="g", data=2)
        query = {
            "awps_connection_id": hello["connectionId"],
            "awps_reconnection_token": hello["reconnectionToken"],
        }
        async with live.open(live.url(None, **query), RELIABLE) as client:
            assert [(await read(client))["sequenceId"] for _ in range(2)] == [1, 2]
        async with live.open(live.url(None, **query), RELIABLE) as client:
            assert (await close_code_of(client))[0] == 1008  # the clean close above was for good


@run
async def test_pings_are_answered() -> None:
    async with serve() as live, live.connect() as client:
        await (await client.ping(b"x"))


@run
async def test_a_client_that_never_answers_pings_is_given_up() -> None:
    async with serve() as live, live.connect() as client:
        await read(client)
        [link] = [link for slot in live.service._slots for link in slot]
        client.transport.pause_reading()
        for _ in range(4):
            link.ping()
        client.transport.resume_reading()
        assert (await close_code_of(client))[0] == 1006


@run
async def test_a_client_that_reads_too_slowly_is_aborted_and_its_buffer_is_bounded() -> None:
    async with slow_reader() as (live, slow, fast):
        stats = live.service.stats
        data = "x" * 1_000_000
        for number in range(1, 100):
            ack = await ask(fast, type="sendToGroup", group="g", dataType="text", data=data, ackId=number)
            assert ack["success"]
            if stats.slow_clients:
                break
        assert stats.slow_clients == 1
        slow.transport.resume_reading()
        assert (await close_code_of(slow))[0] == 1006


@run
async def test_a_delay_is_accurate() -> None:
    async with serve("delay=20ms") as live, live.connect(None) as client:
        took = []
        for _ in range(21):
            start = now_ns()
            await client.send("x")
            await client.recv()
            took.append(now_ns() - start)
        assert 20 * NS_PER_MS <= min(took) < 23 * NS_PER_MS  # the others may have waited for a busy machine


@run
async def test_upgrades_are_refused_as_the_faults_say() -> None:
    async with serve("refuse=1/1") as live:
        assert await status_of(live, live.url(live.token())) == 503
        assert live.service.stats.upgrades_refused == 1
    async with serve("throttle=1/1") as live:
        assert await status_of(live, live.url(live.token())) == 429


@run
async def test_a_sender_is_cut_after_its_message_was_taken() -> None:
    async with (
        serve("disconnect=1/1") as live,
        live.connect(groups=["g"]) as other,
        live.connect(None) as client,
    ):
        await read(other)
        async with live.connect() as sender:
            await read(sender)
            await sender.send('{"type":"sendToGroup","group":"g","data":1}')
            assert (await close_code_of(sender))[0] == 1006
        assert (await read(other))["data"] == 1
        assert client.close_code is None
        assert live.service.stats.disconnected == 1


@run
async def test_units_limit_connections() -> None:
    async with serve(tier=Tier(1, 100, 100, None)) as live, live.connect() as client:
        await read(client)
        assert await status_of(live, live.url(live.token())) == 429


@run
async def test_a_peer_that_speaks_nonsense_disturbs_nobody() -> None:
    async with serve() as live:
        port = int(live.connection_string.endpoint.split(":")[-1])
        with socket.create_connection(("127.0.0.1", port)) as raw:
            raw.sendall(b"\x16\x03\x01 nonsense\r\n\r\n")
            async with live.connect() as client:
                assert (await read(client))["event"] == "connected"


@run
async def test_health_and_stats_need_no_token() -> None:
    async with serve() as live:
        endpoint = live.connection_string.endpoint
        async with live.session.head(f"{endpoint}/api/health") as response:
            assert response.status == 200
        async with live.session.get(f"{endpoint}/emulator/stats") as response:
            stats = await response.json()
        names = {
            "connections",
            "messages_in",
            "deliveries",
            "dropped",
            "duplicated",
            "reordered",
            "disconnected",
        }
        assert names | {"upstream_calls"} <= stats.keys()
