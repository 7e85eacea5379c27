"""What a broken or hostile peer sends: it hears the close code or status of the reference, and nobody else notices."""

from __future__ import annotations

from typing import Any

import jwt
import orjson
import pytest
from websockets.asyncio.client import ClientConnection

from tests.emulator.live import ALL_ROLES, JSON, PROTOBUF, RELIABLE, VERSION, Live, ask, read, serve
from tests.emulator.live_ends import close_code_of, end_of, in_time, status_of
from wps_load.auth import DEFAULT_EMULATOR_KEY, ConnectionString, mint_client_token
from wps_load.clock import unix_time_s
from wps_load.protocol.webpubsub_pb2 import UpstreamMessage

PROTOBUF_RELIABLE = "protobuf.reliable.webpubsub.azure.v1"
MEGABYTE = 1 << 20


async def serves(live: Live, bystander: ClientConnection) -> None:
    """Those who were there are still served, and so is who comes."""
    await bystander.send("still here")
    assert await bystander.recv() == "still here"
    async with live.connect() as newcomer:
        assert (await read(newcomer))["event"] == "connected"
        assert (await ask(newcomer, type="joinGroup", group="g", ackId=1))["success"]


# -- messages ------------------------------------------------------------------------------------------------


def big_protobuf() -> bytes:
    message = UpstreamMessage()
    message.send_to_group_message.group = "g"
    message.send_to_group_message.data.binary_data = bytes(MEGABYTE)
    return bytes(message.SerializeToString())


MALFORMED = {
    "no JSON": "{",
    "no object": "[1]",
    "nothing": "",
    "no type": "{}",
    "a type that is no text": '{"type":1}',
    "an unknown type": '{"type":"fly","group":"g"}',
    "one of the service's types": '{"type":"message","data":1}',
    "no group": '{"type":"joinGroup"}',
    "an empty group": '{"type":"joinGroup","group":""}',
    "a group that is no text": '{"type":"joinGroup","group":{}}',
    "a negative ack id": '{"type":"joinGroup","group":"g","ackId":-1}',
    "an ack id beyond 64 bits": '{"type":"joinGroup","group":"g","ackId":18446744073709551616}',
    "an ack id that is text": '{"type":"joinGroup","group":"g","ackId":"1"}',
    "an unknown data type": '{"type":"sendToGroup","group":"g","dataType":"xml","data":"x"}',
    "no data": '{"type":"sendToGroup","group":"g","dataType":"text"}',
    "text that is no text": '{"type":"sendToGroup","group":"g","dataType":"text","data":1}',
    "binary that is no base64": '{"type":"sendToGroup","group":"g","dataType":"binary","data":"%"}',
    "no event name": '{"type":"event","data":1}',
    "a sequence id that is text": '{"type":"sequenceAck","sequenceId":"1"}',
    "nested beyond any reader": "[" * 100_000,
}


@pytest.mark.parametrize("subprotocol", [JSON, RELIABLE])
def test_malformed_json_is_1007(subprotocol: str) -> None:
    async def scenario() -> None:
        async with serve() as live, live.connect(None) as bystander:
            for what, text in MALFORMED.items():
                async with live.connect(subprotocol) as client:
                    await read(client)
                    await client.send(text)
                    assert await end_of(client) == 1007, what
            await serves(live, bystander)
            assert live.service.stats.connections == 1

    in_time(scenario())


@pytest.mark.parametrize("subprotocol", [PROTOBUF, PROTOBUF_RELIABLE])
def test_malformed_protobuf_is_1007(subprotocol: str) -> None:
    nothing = b""
    unknown_kind = b"\xba\x06\x00"  # field 103
    no_group = UpstreamMessage(join_group_message=UpstreamMessage.JoinGroupMessage(ack_id=1)).SerializeToString()
    no_data = UpstreamMessage(send_to_group_message=UpstreamMessage.SendToGroupMessage(group="g")).SerializeToString()

    async def scenario() -> None:
        async with serve() as live, live.connect(None) as bystander:
            for payload in (nothing, b"\xff", b"\x0a\x7f", unknown_kind, no_group, no_data):
                async with live.connect(subprotocol) as client:
                    await client.recv()
                    await client.send(payload)
                    assert await end_of(client) == 1007, payload
            await serves(live, bystander)

    in_time(scenario())


@pytest.mark.parametrize(
    ("subprotocol", "message", "code"),
    [
        (JSON, b"{}", 1003),
        (RELIABLE, b"{}", 1003),
        (PROTOBUF, "{}", 1003),
        (PROTOBUF_RELIABLE, "{}", 1003),
        (None, bytes(MEGABYTE + 1), 1009),
        (JSON, orjson.dumps({"type": "sendToGroup", "group": "g", "data": "x" * MEGABYTE}).decode(), 1009),
        (PROTOBUF, big_protobuf(), 1009),
    ],
)
def test_wrong_frame_types_and_sizes(subprotocol: str | None, message: str | bytes, code: int) -> None:
    async def scenario() -> None:
        async with serve() as live, live.connect(None) as bystander, live.connect(subprotocol) as client:
            await client.send(message)
            assert await end_of(client) == code
            await serves(live, bystander)

    in_time(scenario())


@pytest.mark.parametrize(
    ("frame", "code"),
    [
        pytest.param(b"\x81\x02hi", 1002, id="not masked"),
        pytest.param(b"\xc1\x80\0\0\0\0", 1002, id="a reserved bit"),
        pytest.param(b"\x83\x80\0\0\0\0", 1002, id="a reserved opcode"),
        pytest.param(b"\x80\x80\0\0\0\0", 1002, id="a continuation of nothing"),
        pytest.param(b"\x01\x80\0\0\0\0\x01\x80\0\0\0\0", 1002, id="a message within a message"),
        pytest.param(b"\x09\x80\0\0\0\0", 1002, id="a ping in fragments"),
        pytest.param(b"\x89\xfe\0\x7e\0\0\0\0" + bytes(126), 1002, id="a long ping"),
        pytest.param(b"\x88\x81\0\0\0\0\x03", 1002, id="half a close code"),
        pytest.param(b"\x81\x81\0\0\0\0\xff", 1007, id="text that is not UTF-8"),
        pytest.param(b"\x82\xff\x7f" + b"\xff" * 7 + b"\0\0\0\0", 1009, id="more than there is memory"),
    ],
)
def test_frames_that_the_rfc_forbids(frame: bytes, code: int) -> None:
    async def scenario() -> None:
        async with serve() as live, live.connect(None) as bystander, live.connect(None) as client:
            client.transport.write(frame)
            assert await end_of(client) == code
            await serves(live, bystander)

    in_time(scenario())


# -- tokens --------------------------------------------------------------------------------------------------


def signed(live: Live, key: str = DEFAULT_EMULATOR_KEY, algorithm: str = "HS256", **changes: Any) -> str:
    """A good token with some claims changed; None leaves one out."""
    audience = f"{live.connection_string.endpoint}/client/hubs/bench"
    claims = {"aud": audience, "exp": unix_time_s() + 60, "sub": "u", "role": list(ALL_ROLES), **changes}
    return jwt.encode({name: value for name, value in claims.items() if value is not None}, key, algorithm)


@pytest.mark.filterwarnings("ignore::jwt.warnings.InsecureKeyLengthWarning")
def test_tokens_wrong_in_each_way_are_401() -> None:
    async def scenario() -> None:
        async with serve() as live, live.connect(None) as bystander:
            good = signed(live)
            head, body, signature = good.split(".")
            stranger = ConnectionString(live.connection_string.endpoint, "another key, long enough for HMAC-SHA256")
            host = live.connection_string.endpoint.removeprefix("http://")
            wrong = {
                "none": None,
                "empty": "",
                "no JWT": "a.b",
                "not ASCII": "é.é.é",
                "very long": "x" * 7000,
                "cut": good[:-1],
                "no signature": f"{head}.{body}.",
                "another's body": f"{head}.{signed(live, sub='admin').split('.')[1]}.{signature}",
                "another key": mint_client_token(stranger, "bench", now_s=unix_time_s()),
                "another algorithm": signed(live, algorithm="HS512", key=DEFAULT_EMULATOR_KEY),
                "no algorithm": signed(live, key="", algorithm="none"),
                "expired": signed(live, exp=unix_time_s() - 301),
                "no exp": signed(live, exp=None),
                "exp that is no number": signed(live, exp="soon"),
                "not valid yet": signed(live, nbf=unix_time_s() + 400),
                "no audience": signed(live, aud=None),
                "an audience that is no text": signed(live, aud=[5]),
                "another hub": signed(live, aud=f"http://{host}/client/hubs/other"),
                "another host": signed(live, aud="http://elsewhere/client/hubs/bench"),
                "another port": signed(live, aud="http://127.0.0.1:1/client/hubs/bench"),
                "a REST audience": signed(live, aud=f"http://{host}/api/hubs/bench/:send"),
            }
            for what, token in wrong.items():
                assert await status_of(live, live.url(token)) == 401, what
            fine = {
                "good": good,
                "from the future": signed(live, iat=unix_time_s() + 3600),
                "expired a moment ago": signed(live, exp=unix_time_s() - 120),
                "the hub's name in another case": signed(live, aud=f"http://{host}/client/hubs/BENCH"),
                "one of several audiences": signed(live, aud=["x", f"wss://{host}/client/hubs/bench"]),
            }
            for token in fine.values():
                async with live.open(live.url(token)) as client:
                    assert (await read(client))["userId"] == "u"
            await serves(live, bystander)
            assert live.service.stats.connections_opened == 2 + len(fine)

    in_time(scenario())


def test_claims_of_another_kind_are_not_read() -> None:
    """A number where a name is expected is not a name: neither an error nor a right."""

    async def scenario() -> None:
        async with serve() as live, live.open(live.url(signed(live, sub=None, nameid=5, role=7))) as client:
            assert (await read(client))["userId"] is None
            assert (await ask(client, type="joinGroup", group="g", ackId=1))["error"]["name"] == "Forbidden"

    in_time(scenario())


def test_a_client_token_does_not_open_the_data_plane() -> None:
    async def scenario() -> None:
        async with serve() as live, live.connect(None) as bystander:
            for token in (None, "nonsense", "é", live.token(), signed(live, exp=None)):
                status, body, code = await live.rest("POST", "/:send", token=token, json=1)
                assert (status, code, body["code"]) == (401, "Error.Unauthorized", "Error.Unauthorized")
            await serves(live, bystander)

    in_time(scenario())


@pytest.mark.parametrize(
    "query", [{"awps_connection_id": "nobody", "awps_reconnection_token": "x"}, {"awps_connection_id": "nobody"}]
)
def test_a_recovery_of_nobody_is_1008(query: dict[str, str]) -> None:
    async def scenario() -> None:
        async with serve() as live, live.open(live.url(None, **query), RELIABLE) as client:
            assert await close_code_of(client) == (1008, "The connection could not be recovered.")

    in_time(scenario())


def test_what_names_no_connection_is_not_a_recovery() -> None:
    async def scenario() -> None:
        async with serve() as live:
            for query in ({"awps_connection_id": "", "awps_reconnection_token": "x"}, {"awps_reconnection_token": "x"}):
                async with live.connect(**query) as client:
                    assert (await read(client))["event"] == "connected"

    in_time(scenario())


def test_a_recovery_with_another_s_token_is_1008_and_takes_nothing() -> None:
    async def scenario() -> None:
        async with serve() as live, live.connect(RELIABLE) as victim, live.connect(RELIABLE) as other:
            hello, mine = await read(victim), await read(other)
            stolen = {
                "awps_connection_id": hello["connectionId"],
                "awps_reconnection_token": mine["reconnectionToken"],
            }
            async with live.open(live.url(None, **stolen), RELIABLE) as thief:
                assert await end_of(thief) == 1008
            assert (await ask(victim, type="joinGroup", group="g", ackId=1))["success"]

    in_time(scenario())


# -- requests ------------------------------------------------------------------------------------------------


def test_any_method_and_path_is_answered_and_never_by_500() -> None:
    async def scenario() -> None:
        async with serve() as live, live.connect(None) as bystander:
            endpoint = live.connection_string.endpoint
            for method, path in (
                ("GET", "/"),
                ("PATCH", f"/api/hubs/bench/:send?api-version={VERSION}"),
                ("POST", "/client/hubs/bench"),
                ("GET", "/client/hubs/%00"),
                ("GET", "/client/hubs/bench?access_token=%ff%fe"),
                ("GET", "/client/hubs/" + "x" * 4000),
                ("HEAD", f"/api/hubs/bench/groups/%ff?api-version={VERSION}"),
            ):
                async with live.session.request(method, f"{endpoint}{path}") as response:
                    assert 400 <= response.status < 500, (method, path)
            await serves(live, bystander)

    in_time(scenario())
