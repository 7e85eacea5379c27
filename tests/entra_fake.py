"""A made-up Microsoft Entra ID and managed identity, on loopback: what azure-identity asks, as Microsoft documents it.

Sources: "Use managed identities for Azure resources on a virtual machine to acquire access token" (IMDS); "App Service
managed identity" (IDENTITY_ENDPOINT); "OAuth 2.0 client credentials flow"; `az account get-access-token`.
"""

from __future__ import annotations

import asyncio
import json
import ssl
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import jwt
import trustme
from aiohttp import web
from aiohttp.test_utils import TestServer

from wps_load.clock import unix_time_s

ISSUER = "https://sts.example/"
RESOURCE = "https://webpubsub.azure.com"
TENANT, CLIENT, SECRET = "11111111-2222-3333-4444-555555555555", "client-of-the-test", "VERYSECRETSECRET"
KEY = "k" * 32
FEDERATED = "federated-assertion"


class FakeEntra:
    """`asked`: who asked, by kind. `refuses`: the token endpoint knows no such client. `lives_s`: of its tokens."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.issued: list[str] = []
        self.refuses = False
        self.lives_s = 3600
        self.imds = self.authority = ""

    def token(self, resource: str = RESOURCE) -> str:
        claims = {"aud": resource, "iss": ISSUER, "exp": unix_time_s() + self.lives_s, "n": len(self.issued)}
        self.issued.append(jwt.encode(claims, KEY, algorithm="HS256"))
        return self.issued[-1]

    def environ(self, kind: str, folder: Path) -> dict[str, str]:
        """What the credential of this kind reads; `folder` holds its files."""
        trust = {"REQUESTS_CA_BUNDLE": str(folder / "ca.pem"), "AZURE_AUTHORITY_HOST": self.authority}
        who = {"AZURE_TENANT_ID": TENANT, "AZURE_CLIENT_ID": CLIENT}
        if kind == "managed-identity":
            return {"AZURE_POD_IDENTITY_AUTHORITY_HOST": self.imds}
        if kind == "app-service":
            return {"IDENTITY_ENDPOINT": f"{self.imds}/msi", "IDENTITY_HEADER": SECRET}
        if kind == "workload-identity":
            (folder / "assertion").write_text(FEDERATED)
            return {**trust, **who, "AZURE_FEDERATED_TOKEN_FILE": str(folder / "assertion")}
        if kind == "service-principal":
            return {**trust, **who, "AZURE_CLIENT_SECRET": SECRET}
        assert kind == "cli"
        write_az(folder / "bin", self.token())
        return {"PATH": f"{folder / 'bin'}:/usr/bin:/bin"}

    # -- the servers ---------------------------------------------------------------------------------------------

    def app(self) -> web.Application:
        app = web.Application()
        app.router.add_get("/metadata/identity/oauth2/token", self._imds)
        app.router.add_get("/msi", self._app_service)
        app.router.add_get("/{tenant}/v2.0/.well-known/openid-configuration", self._configuration)
        app.router.add_post("/{tenant}/oauth2/v2.0/token", self._token_endpoint)
        return app

    async def _imds(self, request: web.Request) -> web.Response:
        if request.headers.get("Metadata") != "true":
            return web.json_response({"error": "invalid_request"}, status=400)
        self.asked.append("imds")
        return self._managed(request)

    async def _app_service(self, request: web.Request) -> web.Response:
        if request.headers.get("X-IDENTITY-HEADER") != SECRET:
            return web.Response(status=403)
        self.asked.append("app-service")
        return self._managed(request)

    def _managed(self, request: web.Request) -> web.Response:
        resource = request.query["resource"]
        return web.json_response({
            "access_token": self.token(resource), "client_id": "c", "expires_in": str(self.lives_s),
            "expires_on": str(unix_time_s() + self.lives_s), "resource": resource, "token_type": "Bearer",
        })  # fmt: skip

    async def _configuration(self, request: web.Request) -> web.Response:
        base = f"{self.authority}/{request.match_info['tenant']}"
        return web.json_response({
            "token_endpoint": f"{base}/oauth2/v2.0/token", "authorization_endpoint": f"{base}/oauth2/v2.0/authorize",
            "issuer": f"{base}/v2.0", "device_authorization_endpoint": f"{base}/oauth2/v2.0/devicecode",
        })  # fmt: skip

    async def _token_endpoint(self, request: web.Request) -> web.Response:
        form = await request.post()
        assertion, secret = form.get("client_assertion"), form.get("client_secret")
        known = form.get("client_id") == CLIENT and (assertion == FEDERATED or secret == SECRET)
        if self.refuses or not known or form.get("scope") != f"{RESOURCE}/.default":
            said = "AADSTS7000215: Invalid client secret provided.\r\nTrace ID: 1"
            return web.json_response({"error": "invalid_client", "error_description": said}, status=401)
        self.asked.append("assertion" if assertion else "secret")
        return web.json_response({"token_type": "Bearer", "expires_in": self.lives_s, "access_token": self.token()})


def write_az(folder: Path, token: str) -> None:
    """The Azure CLI, as far as it is asked."""
    folder.mkdir(exist_ok=True)
    answer = {"accessToken": token, "expires_on": unix_time_s() + 3600, "tokenType": "Bearer"}
    script = folder / "az"
    script.write_text(
        f"#!{sys.executable}\nimport sys\nassert 'get-access-token' in sys.argv\nprint({json.dumps(answer)!r})\n"
    )
    script.chmod(0o755)


@contextmanager
def fake_entra(folder: Path) -> Iterator[FakeEntra]:
    """Served by a thread, in plain HTTP and in TLS, whose authority is in `folder`/ca.pem."""
    fake, ready, loop = FakeEntra(), threading.Event(), asyncio.new_event_loop()
    authority = trustme.CA()
    authority.cert_pem.write_to_path(folder / "ca.pem")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    servers = [TestServer(fake.app(), loop=loop), TestServer(fake.app(), scheme="https", loop=loop)]

    async def start() -> None:
        await servers[0].start_server()
        await servers[1].start_server(ssl=context)
        fake.imds = f"http://127.0.0.1:{servers[0].port}"
        fake.authority = f"https://127.0.0.1:{servers[1].port}"
        ready.set()

    def serve() -> None:
        asyncio.set_event_loop(loop)
        loop.run_until_complete(start())
        loop.run_forever()

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    assert ready.wait(10)
    try:
        yield fake
    finally:

        async def stop() -> None:
            for server in servers:
                await server.close()

        asyncio.run_coroutine_threadsafe(stop(), loop).result(10)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(10)


def quiet_environment(environ: Any) -> dict[str, str]:
    """Without what a machine may have of Azure's own."""
    own = ("AZURE_", "IDENTITY_", "MSI_", "IMDS_")
    return {name: value for name, value in environ.items() if not name.startswith(own)}
