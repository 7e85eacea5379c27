"""The data plane over HTTP: every operation, and every way to be refused."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from tests.emulator.live import RELIABLE, VERSION, Live, ask, read, serve
from wps_load.auth import mint_rest_token
from wps_load.clock import unix_time_s
from wps_load.emulator.limits import Tier
from wps_load.emulator.tokens import check_client_token

JSON_BODY: dict[str, Any] = {"data": b'{"a":1}', "headers": {"Content-Type": "application/json"}}
TEXT_BODY: dict[str, Any] = {"data": b"hi", "headers": {"Content-Type": "text/plain"}}


def with_emulator(scenario: Any, **options: Any) -> None:
    async def run() -> None:
        async with serve(**options) as live:
            await asyncio.wait_for(scenario(live), 20)

    asyncio.run(run())


def test_sends_reach_whom_they_are_for() -> None:
    async def scenario(live: Live) -> None:
        async with live.connect(user="a", groups=["g/1"]) as a, live.connect(user="b", groups=["g/1"]) as b:
            id_a, _ = (await read(a))["connectionId"], (await read(b))["connectionId"]
            version = f"api-version={VERSION}"
            for path, query, readers in (
                ("/:send", version, [a, b]),
                ("/:send", f"{version}&excluded={id_a}&excluded=x", [b]),
                ("/:send", f"{version}&filter=userId%20eq%20'b'", [b]),
                ("/groups/g%2F1/:send", f"{version}&messageTtlSeconds=300", [a, b]),
                ("/users/a/:send", version, [a]),
                (f"/connections/{id_a}/:send", version, [a]),
                ("/users/nobody/:send", version, []),
                ("/groups/nobody/:send", version, []),
                ("/connections/nobody/:send", version, []),
            ):
                status, _, _ = await live.rest("POST", path, query, **JSON_BODY)
                assert status == 202
                for reader in readers:
                    message = await read(reader)
                    assert (message["dataType"], message["data"]) == ("json", {"a": 1})
                    assert message["from"] == ("group" if "groups" in path else "server")
                    assert message.get("group") == ("g/1" if "groups" in path else None)
            assert await ask(a, type="ping") == await ask(b, type="ping") == {"type": "pong"}

    with_emulator(scenario)


def test_the_content_type_decides_the_data_type() -> None:
    async def scenario(live: Live) -> None:
        async with live.connect(None) as simple, live.connect() as client:
            await read(client)
            for content_type, body, data_type, data, raw in (
                ("text/plain; charset=utf-8", "hé".encode(), "text", "hé", "hé"),
                ("application/json", b'"quoted"', "json", "quoted", '"quoted"'),
                ("application/octet-stream", b"\0\1", "binary", "AAE=", b"\0\1"),
            ):
                await live.rest("POST", "/:send", data=body, headers={"Content-Type": content_type})
                message = await read(client)
                assert (message["dataType"], message["data"]) == (data_type, data)
                assert await simple.recv() == raw

    with_emulator(scenario)


def test_groups_users_and_existence() -> None:
    async def scenario(live: Live) -> None:
        async with live.connect(user="a") as a, live.connect(user="b", groups=["h"]) as b:
            id_a, id_b = (await read(a))["connectionId"], (await read(b))["connectionId"]
            hub = live.service.hub("bench")

            def members(group: str) -> set[str]:
                return set(hub.groups.get(group, {}))

            async def call(method: str, path: str, expected: int, **options: Any) -> Any:
                status, body, _ = await live.rest(method, path, **options)
                assert status == expected, path
                return body

            await call("PUT", f"/groups/g/connections/{id_a}", 200)
            assert members("g") == {id_a}
            await call("HEAD", "/groups/g", 200)
            await call("HEAD", "/users/a", 200)
            await call("HEAD", f"/connections/{id_a}", 200)
            await call("DELETE", f"/groups/g/connections/{id_a}", 204)
            await call("HEAD", "/groups/g", 404)
            await call("PUT", "/users/a/groups/g", 200)
            await call("PUT", "/users/a/groups/g2", 200)
            await call("DELETE", "/users/a/groups/g", 204)
            assert (members("g"), members("g2")) == (set(), {id_a})
            await call("DELETE", "/users/a/groups", 204)
            await call("PUT", f"/groups/g/connections/{id_a}", 200)
            await call("DELETE", f"/connections/{id_a}/groups", 204)
            assert members("g") | members("g2") == set()
            body = {"groups": ["g", "g3"], "filter": "not ('h' in groups)"}
            await call("POST", "/:addToGroups", 200, json=body)
            assert members("g") == members("g3") == {id_a}
            await call("POST", "/:removeFromGroups", 200, json={"groups": ["g"], "filter": "userId eq 'a'"})
            assert (members("g"), members("h")) == (set(), {id_b})
            for method, path in (
                ("HEAD", "/users/nobody"),
                ("HEAD", "/connections/nobody"),
                ("PUT", "/groups/g/connections/nobody"),
                ("PUT", "/users/nobody/groups/g"),
            ):
                await call(method, path, 404)
            for path in ("/groups/g/connections/nobody", "/users/nobody/groups/g", "/users/nobody/groups"):
                await call("DELETE", path, 204)

    with_emulator(scenario)


def test_a_groups_connections_are_listed_page_by_page() -> None:
    async def scenario(live: Live) -> None:
        async with live.connect(user="a", groups=["g"]) as a, live.connect(user=None, groups=["g"]) as b:
            users = {(await read(client))["connectionId"]: user for client, user in ((a, "a"), (b, None))}
            ids = sorted(users)
            version = f"api-version={VERSION}"
            _, body, _ = await live.rest("GET", "/groups/g/connections", version)
            value = [{"connectionId": identity, "userId": users[identity]} for identity in ids]
            assert body == {"value": value, "nextLink": None}
            _, first, _ = await live.rest("GET", "/groups/g/connections", f"{version}&maxpagesize=1")
            query = first["nextLink"].partition("?")[2]
            _, second, _ = await live.rest("GET", "/groups/g/connections", query)
            assert [first["value"][0]["connectionId"], second["value"][0]["connectionId"]] == ids
            assert second["nextLink"] is None
            _, top, _ = await live.rest("GET", "/groups/g/connections", f"{version}&top=1")
            assert (len(top["value"]), top["nextLink"]) == (1, None)

    with_emulator(scenario)


def test_permissions_take_effect() -> None:
    async def scenario(live: Live) -> None:
        async with live.connect(roles=()) as client:
            path = f"/permissions/sendToGroup/connections/{(await read(client))['connectionId']}"
            target = f"api-version={VERSION}&targetName=g"
            publish = {"type": "sendToGroup", "group": "g", "data": 1}
            assert (await ask(client, **publish, ackId=1))["success"] is False
            assert (await live.rest("HEAD", path, target))[0] == 404
            assert (await live.rest("PUT", path, target))[0] == 200
            assert (await live.rest("HEAD", path, target))[0] == 200
            for method in ("HEAD", "PUT", "DELETE"):
                assert (await live.rest(method, path))[0] == 400
            assert (await ask(client, **publish, ackId=2))["success"] is True
            assert (await live.rest("DELETE", path, target))[0] == 204
            assert (await ask(client, **publish, ackId=3))["success"] is False
            for number in range(1000):
                await live.rest("PUT", path, f"api-version={VERSION}&targetName=g{number}")
            status, body, code = await live.rest("PUT", path, f"api-version={VERSION}&targetName=more")
            assert (status, code, body["code"]) == (409, *["Error.Connection.Conflict"] * 2)

    with_emulator(scenario)


def test_closing_says_why() -> None:
    async def scenario(live: Live) -> None:
        version = f"api-version={VERSION}&reason=maintenance"
        for method, path in (
            ("POST", "/:closeConnections"),
            ("POST", "/groups/g/:closeConnections"),
            ("POST", "/users/u/:closeConnections"),
            ("DELETE", "/connections/{id}"),
        ):
            async with live.connect(RELIABLE, groups=["g"]) as client:
                identity = (await read(client))["connectionId"]
                excluding = f"{version}&excluded={identity}"
                if method == "POST":
                    assert (await live.rest(method, path, excluding))[0] == 204
                assert (await live.rest(method, path.replace("{id}", identity), version))[0] == 204
                farewell = await read(client)
                assert farewell["message"] == "Application server closed the connection. Reason: maintenance"
                await client.wait_closed()
                assert (client.close_code, client.close_reason) == (1000, "")
        assert (await live.rest("DELETE", "/connections/nobody"))[0] == 204

    with_emulator(scenario)


def test_a_generated_token_opens_the_door() -> None:
    async def scenario(live: Live) -> None:
        query = f"api-version={VERSION}&userId=u&role=webpubsub.sendToGroup&group=g&group=h&minutesToExpire=5"
        status, body, _ = await live.rest("POST", "/:generateToken", query)
        assert status == 200
        host = live.connection_string.endpoint.removeprefix("http://")
        claims = check_client_token(body["token"], live.service.trust, host, "bench")
        assert (claims.user_id, claims.roles, claims.groups) == ("u", ("webpubsub.sendToGroup",), ("g", "h"))
        assert (await live.rest("POST", "/:generateToken", f"api-version={VERSION}&clientType=X"))[0] == 400
        assert (await live.rest("POST", "/:generateToken", f"api-version={VERSION}&minutesToExpire=0"))[0] == 400

    with_emulator(scenario)


@pytest.mark.parametrize(
    ("method", "path", "query", "options", "status", "code"),
    [
        ("POST", "/:send", "", TEXT_BODY, 400, "Error.BadRequest"),
        ("POST", "/:send", "api-version=2020-01-01", TEXT_BODY, 400, "Error.BadRequest"),
        (
            "POST",
            "/:send",
            f"api-version={VERSION}&api-version={VERSION}",
            TEXT_BODY,
            400,
            "Error.BadRequest",
        ),
        ("POST", "/:send", f"api-version={VERSION}&filter=nonsense", TEXT_BODY, 400, "Error.BadRequest"),
        (
            "POST",
            "/:send",
            f"api-version={VERSION}&messageTtlSeconds=301",
            TEXT_BODY,
            400,
            "Error.BadRequest",
        ),
        ("POST", "/:send", f"api-version={VERSION}", {**JSON_BODY, "data": b"{"}, 400, "Error.BadRequest"),
        (
            "PUT",
            "/permissions/sendToGroup/connections/nobody",
            f"api-version={VERSION}&targetName=g",
            {},
            404,
            "Info.Connection.NotExisted",
        ),
        ("DELETE", "/groups/%20/connections/nobody", f"api-version={VERSION}", {}, 400, "Error.BadRequest"),
        ("POST", "/:addToGroups", f"api-version={VERSION}", {"json": {"groups": []}}, 400, "Error.BadRequest"),
        ("POST", "/:addToGroups", f"api-version={VERSION}", TEXT_BODY, 415, "Error.UnsupportedMediaType"),
        (
            "POST",
            "/:send",
            f"api-version={VERSION}",
            {**TEXT_BODY, "data": bytes((1 << 20) + 1)},
            400,
            "Error.BadRequest",
        ),
        (
            "POST",
            "/:send",
            f"api-version={VERSION}",
            {"data": b"x", "headers": {"Content-Type": "text/html"}},
            415,
            "Error.UnsupportedMediaType",
        ),
        ("POST", "/groups/%20/:send", f"api-version={VERSION}", TEXT_BODY, 400, "Error.BadRequest"),
        (
            "POST",
            "/:addToGroups",
            f"api-version={VERSION}",
            {"json": {"groups": "g"}},
            400,
            "Error.BadRequest",
        ),
        (
            "GET",
            "/groups/g/connections",
            f"api-version={VERSION}&maxpagesize=201",
            {},
            400,
            "Error.BadRequest",
        ),
        (
            "GET",
            "/groups/g/connections",
            f"api-version={VERSION}&continuationToken=%3F",
            {},
            400,
            "Error.BadRequest",
        ),
        ("PUT", "/permissions/fly/connections/c", f"api-version={VERSION}", {}, 400, "Error.BadRequest"),
        ("PUT", "/groups/g/connections/c", f"api-version={VERSION}", {}, 404, "Error.Connection.NotExisted"),
    ],
)
def test_refusals(method: str, path: str, query: str, options: dict[str, Any], status: int, code: str) -> None:
    async def scenario(live: Live) -> None:
        answered, body, header = await live.rest(method, path, query, **dict(options))
        assert (answered, header) == (status, code)
        assert body["code"] == code
        assert body.keys() == {"code", "message", "target", "details", "inner"}

    with_emulator(scenario)


def test_tokens() -> None:
    async def scenario(live: Live) -> None:
        url = f"{live.connection_string.endpoint}/api/hubs/bench/:send?api-version={VERSION}"
        stale = mint_rest_token(live.connection_string, url, unix_time_s() - 400)
        elsewhere = mint_rest_token(live.connection_string, url.replace("bench", "other"), unix_time_s())
        by_ftp = mint_rest_token(live.connection_string, url.replace("http:", "ftp:"), unix_time_s())
        path_alone = mint_rest_token(live.connection_string, "/api/hubs/bench/:send", unix_time_s())
        for token in (None, "nonsense", stale, elsewhere, by_ftp, path_alone):
            status, _, code = await live.rest("POST", "/:send", token=token, **TEXT_BODY)
            assert (status, code) == (401, "Error.Unauthorized")
        proxied = mint_rest_token(live.connection_string, "https://other.host/api/hubs/bench/:send", unix_time_s())
        assert (await live.rest("POST", "/:send", token=proxied, **TEXT_BODY))[0] == 202

    with_emulator(scenario)


def test_units_limit_the_rate_of_calls() -> None:
    async def scenario(live: Live) -> None:
        statuses = [(await live.rest("POST", "/:send", **TEXT_BODY))[0] for _ in range(3)]
        assert statuses == [202, 202, 429]

    with_emulator(scenario, tier=Tier(10, 10, 2, None))
