"""A resource without keys, rehearsed: Entra ID's bearer tokens, tokens of the service's own, 403 in both forms."""

from __future__ import annotations

import asyncio
import ssl
from pathlib import Path
from typing import Any

import jwt
import pytest
import trustme
from aiohttp.test_utils import TestServer
from azure.core.credentials import AccessToken
from azure.messaging.webpubsubservice import WebPubSubServiceClient
from websockets.exceptions import InvalidStatus

from tests.emulator.live import VERSION, Live, read, serve
from wps_load.auth import DEFAULT_EMULATOR_KEY
from wps_load.clock import unix_time_s
from wps_load.emulator.forbidden import data_action
from wps_load.emulator.server import build_app
from wps_load.emulator.service import EmulatorConfig, Service
from wps_load.workload.faults import FaultSyntaxError, parse_faults

ISSUER = "https://sts.example/tenant/"
QUERY = f"api-version={VERSION}&userId=u"


def entra_token(issuer: str = ISSUER, audience: str = "https://webpubsub.azure.com", lives_s: int = 600) -> str:
    claims = {"aud": audience, "iss": issuer, "exp": unix_time_s() + lives_s}
    return jwt.encode(claims, "k" * 32, algorithm="HS256")


def with_emulator(scenario: Any, **options: Any) -> None:
    async def run() -> None:
        async with serve(**options) as live:
            await asyncio.wait_for(scenario(live), 20)

    asyncio.run(run())


def test_a_bearer_of_the_named_issuer_makes_client_tokens() -> None:
    async def scenario(live: Live) -> None:
        status, body, _ = await live.rest("POST", "/:generateToken", QUERY, token=entra_token())
        assert status == 200
        assert jwt.get_unverified_header(body["token"])["kid"].startswith("s-")
        claims = jwt.decode(body["token"], options={"verify_signature": False})
        assert claims["iss"] == "https://webpubsub.azure.com"
        assert claims["exp"] - claims["iat"] == 3600
        async with live.open(live.url(body["token"])) as socket:
            assert (await read(socket))["userId"] == "u"

    with_emulator(scenario, entra_issuer=ISSUER, local_auth=False)


@pytest.mark.parametrize(
    "token",
    [
        entra_token("https://elsewhere/"),
        entra_token(audience="https://management.azure.com"),
        entra_token(lives_s=-900),
    ],
)
def test_other_bearers_are_refused(token: str) -> None:
    async def scenario(live: Live) -> None:
        assert (await live.rest("POST", "/:generateToken", QUERY, token=token))[0] == 401

    with_emulator(scenario, entra_issuer=ISSUER)


def test_without_an_issuer_nobody_comes_in_by_entra_id() -> None:
    async def scenario(live: Live) -> None:
        assert (await live.rest("POST", "/:generateToken", QUERY, token=entra_token()))[0] == 401

    with_emulator(scenario)


def test_local_authentication_switched_off_voids_the_key() -> None:
    async def scenario(live: Live) -> None:
        assert (await live.rest("POST", "/:generateToken", QUERY))[0] == 401
        with pytest.raises(InvalidStatus) as caught:
            await live.open(live.url(live.token()))
        assert caught.value.response.status_code == 401

    with_emulator(scenario, entra_issuer=ISSUER, local_auth=False)


def test_a_token_with_a_forged_key_id_is_judged_by_the_key() -> None:
    async def scenario(live: Live) -> None:
        forged = jwt.encode({"aud": "x", "exp": 2**33}, "k" * 32, algorithm="HS256", headers={"kid": "s-1"})
        with pytest.raises(InvalidStatus):
            await live.open(live.url(forged))

    with_emulator(scenario)


def test_a_network_rule_speaks_before_the_service_does() -> None:
    async def scenario(live: Live) -> None:
        async with live.session.get(f"{live.connection_string.endpoint}/api/health") as response:
            page = await response.text()
            assert (response.status, response.content_type) == (403, "text/html")
            assert response.headers["Server"] == "nginx"
            assert "x-ms-error-code" not in response.headers
            assert "<h1>403 Forbidden</h1>" in page
        with pytest.raises(InvalidStatus) as caught:
            await live.open(live.url("nonsense"))
        assert caught.value.response.status_code == 403
        async with live.session.get(f"{live.connection_string.endpoint}/emulator/stats") as response:
            assert response.status == 200

    with_emulator(scenario, faults="forbid=network")


def test_a_missing_role_is_named() -> None:
    async def scenario(live: Live) -> None:
        status, body, code = await live.rest("POST", "/groups/g/:send", QUERY, token=entra_token())
        assert (status, code) == (403, "Error.Forbidden")
        assert body["message"].startswith("Microsoft.SignalRService/WebPubSub/group/send/action permission is required")
        assert (await live.rest("POST", "/:generateToken", QUERY))[0] == 200  # a key needs no role

    with_emulator(scenario, faults="forbid=role", entra_issuer=ISSUER)


def test_a_role_comes_in_time() -> None:
    async def scenario(live: Live) -> None:
        assert (await live.rest("POST", "/:generateToken", QUERY, token=entra_token()))[0] == 200

    with_emulator(scenario, faults="forbid=role:1us", entra_issuer=ISSUER)


@pytest.mark.parametrize(
    ("method", "path", "action"),
    [
        ("POST", "/api/hubs/h/:send", "hub/send/action"),
        ("POST", "/api/hubs/h/users/u/:send", "user/send/action"),
        ("POST", "/api/hubs/h/connections/c/:send", "clientConnection/send/action"),
        ("POST", "/api/hubs/h/:generateToken", "clientConnection/generateToken/action"),
        ("HEAD", "/api/hubs/h/users/u", "user/read"),
        ("HEAD", "/api/hubs/h/connections/c", "clientConnection/read"),
        ("PUT", "/api/hubs/h/groups/g/connections/c", "group/write"),
        ("DELETE", "/api/hubs/h/users/u/groups", "group/write"),
        ("POST", "/api/hubs/h/:addToGroups", "group/write"),
        ("POST", "/api/hubs/h/groups/g/:closeConnections", "clientConnection/write"),
        ("DELETE", "/api/hubs/h/connections/c", "clientConnection/write"),
    ],
)
def test_data_actions(method: str, path: str, action: str) -> None:
    assert data_action(method, path) == action


def test_what_may_be_forbidden() -> None:
    with pytest.raises(FaultSyntaxError, match="network or role"):
        parse_faults("forbid=everything")


class Static:
    """A credential of the SDK's kind, with one token."""

    def get_token(self, *scopes: str, **_: Any) -> AccessToken:
        assert scopes == ("https://webpubsub.azure.com/.default",)
        return AccessToken(entra_token(), unix_time_s() + 600)


@pytest.mark.program  # azure-core asks uname what machine this is
def test_the_official_sdk_gets_in_with_a_credential(tmp_path: Path) -> None:
    """By TLS, as it sends bearer tokens over nothing else."""
    authority = trustme.CA()
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)

    async def scenario() -> None:
        config = EmulatorConfig(DEFAULT_EMULATOR_KEY, entra_issuer=ISSUER, local_auth=False)
        service = Service(config)
        server = TestServer(build_app(service), scheme="https")
        await server.start_server(ssl=context)
        try:
            trust = str(tmp_path / "ca.pem")
            await asyncio.to_thread(use_the_sdk, f"https://127.0.0.1:{server.port}", trust)
        finally:
            service.close()
            await server.close()

    asyncio.run(scenario())


def use_the_sdk(endpoint: str, trust: str) -> None:
    with WebPubSubServiceClient(endpoint=endpoint, hub="bench", credential=Static(), connection_verify=trust) as client:
        made = client.get_client_access_token(user_id="u", roles=["webpubsub.sendToGroup"])
        claims = jwt.decode(made["token"], options={"verify_signature": False})
        assert (claims["sub"], claims["role"]) == ("u", ["webpubsub.sendToGroup"])
        client.send_to_all("hello", content_type="text/plain")
        assert not client.user_exists("nobody")
