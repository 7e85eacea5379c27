"""The data plane over HTTP: pages, names, sizes and contents that a simpler server would get wrong."""

from __future__ import annotations

import asyncio
from typing import Any
from urllib.parse import parse_qs, quote

from tests.emulator.fakes import FakeLink
from tests.emulator.live import RELIABLE, VERSION, Live, read, serve
from wps_load.emulator.json_wire import JSON as JSON_WIRE

TEXT_BODY: dict[str, Any] = {"data": b"hi", "headers": {"Content-Type": "text/plain"}}


def with_emulator(scenario: Any) -> None:
    async def run() -> None:
        async with serve() as live:
            await asyncio.wait_for(scenario(live), 20)

    asyncio.run(run())


def test_who_leaves_between_two_pages_hides_nobody() -> None:
    async def scenario(live: Live) -> None:
        hub = live.service.hub("bench")
        for number in range(6):
            hub.connect(f"c{number}", JSON_WIRE, FakeLink(), None, (), ("g",))
        version = f"api-version={VERSION}"
        _, first, _ = await live.rest("GET", "/groups/g/connections", f"{version}&maxpagesize=2&top=5")
        for gone in ("c0", "c1", "c2"):
            hub.remove(hub.connections[gone], "")
        hub.connect("c1b", JSON_WIRE, FakeLink(), None, (), ("g",))
        following = parse_qs(first["nextLink"].partition("?")[2])
        assert {name: following[name] for name in ("maxpagesize", "top", "api-version")} == {
            "maxpagesize": ["2"],
            "top": ["3"],
            "api-version": [VERSION],
        }
        _, second, _ = await live.rest("GET", "/groups/g/connections", first["nextLink"].partition("?")[2])
        _, third, _ = await live.rest("GET", "/groups/g/connections", second["nextLink"].partition("?")[2])
        found = [member["connectionId"] for page in (first, second, third) for member in page["value"]]
        assert found == ["c0", "c1", "c1b", "c3", "c4"]
        token = following["continuationToken"][0]
        for path, query in (
            ("/groups/other/connections", f"continuationToken={quote(token, safe='')}"),
            ("/groups/g/connections", "continuationToken="),
            ("/groups/g/connections", "continuationToken=e30"),
            ("/groups/g/connections", "maxpagesize=1&maxpagesize=2"),
            ("/groups/g/connections", "top="),
        ):
            assert (await live.rest("GET", path, f"{version}&{query}"))[0] == 400, query

    with_emulator(scenario)


def test_names_may_have_any_character() -> None:
    async def scenario(live: Live) -> None:
        names = ("{0f8fad5b-d9cb-469f-a165-70867728950e}", "a b+c", "ü/%", "[x]?#&=")
        for name in names:
            path = quote(name, safe="")
            async with live.connect(None, user=name) as client:
                assert (await live.rest("PUT", f"/users/{path}/groups/{path}"))[0] == 200
                assert (await live.rest("POST", f"/groups/{path}/:send", **TEXT_BODY))[0] == 202
                assert (await live.rest("POST", f"/users/{path}/:send", **TEXT_BODY))[0] == 202
                assert [await client.recv(), await client.recv()] == ["hi", "hi"]
                assert (await live.rest("HEAD", f"/groups/{path}/"))[0] == 200

    with_emulator(scenario)


def test_headers_may_have_32_kib_and_a_request_line_8() -> None:
    async def scenario(live: Live) -> None:
        version = f"api-version={VERSION}"
        excluded = "".join(f"&excluded={'x' * 24}" for _ in range(190))
        assert (await live.rest("POST", "/:send", version + excluded, **TEXT_BODY))[0] == 202
        assert (await live.rest("POST", "/:send", version + 2 * excluded, **TEXT_BODY))[0] == 414
        roles = [f"webpubsub.sendToGroup.{'g' * 80}{number}" for number in range(140)]
        bearer = {"Authorization": f"Bearer {live.token(roles=roles)}"}
        async with live.open(live.url(None), additional_headers=bearer) as client:
            assert (await read(client))["event"] == "connected"
        async with live.session.get(live.connection_string.endpoint, headers={"X": "x" * 33_000}) as response:
            assert response.status == 431

    with_emulator(scenario)


def test_what_is_requested_in_another_case_or_with_a_wrong_method() -> None:
    async def scenario(live: Live) -> None:
        base = live.connection_string.endpoint
        async with live.session.request("HEAD", f"{base}/API/Health/") as response:
            assert (response.status, response.headers["api-supported-versions"][:10]) == (200, "2021-10-01")
        async with live.session.request("PATCH", f"{base}/api/health") as response:
            assert (response.status, response.headers["Allow"]) == (405, "GET, HEAD")
        async with live.session.get(f"{base}/api/hubs/bench/fly") as response:
            assert response.status == 404

    with_emulator(scenario)


def test_json_and_metadata_reach_clients_as_they_came() -> None:
    async def scenario(live: Live) -> None:
        async with live.connect(RELIABLE) as client:
            hello = await read(client)
            text = b'{"b":1.50, "a":12345678901234567890123, "b":1e400}'
            headers = {"Content-Type": "application/json", "X-WebPubSub-Metadata-Trace": "first, last"}
            assert (await live.rest("POST", "/:send", data=text, headers=headers))[0] == 202
            expected = f'"data":{text.decode()},"metadata":{{"trace":"last"}},"sequenceId":1}}'
            assert str(await client.recv()).endswith(expected)
            client.transport.abort()
            again = {"awps_connection_id": hello["connectionId"], "awps_reconnection_token": hello["reconnectionToken"]}
            async with live.open(live.url(None, **again), RELIABLE) as back:
                assert str(await back.recv()).endswith(expected)
        bad = {"Content-Type": "text/plain", "X-WebPubSub-Metadata-Trace": "x" * 1025}
        assert (await live.rest("POST", "/:send", data=b"x", headers=bad))[0] == 400

    with_emulator(scenario)
