"""An app server for `wps-load upstream`: a negotiate endpoint and an event handler that echoes.

The handler answers as Microsoft's own benchmark's does: the same body with the same Content-Type.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import sys

from aiohttp import web

from wps_load.auth import (
    DEFAULT_EMULATOR_KEY,
    ConnectionString,
    client_url_with_token,
    mint_client_token,
    valid_hub,
)
from wps_load.clock import unix_time_s
from wps_load.emulator.event_loop import use_uvloop, wait_for_the_end
from wps_load.errors import ExitCode

_ROLES = ("webpubsub.joinLeaveGroup", "webpubsub.sendToGroup")
_TOKEN_LIFETIME_S = 3600
_CONNECTION_STRING: web.AppKey[ConnectionString] = web.AppKey("connection_string", ConnectionString)
_HANDLER_PATH = "/api/webpubsub/hubs/{hub}"


def build_upstream(connection_string: ConnectionString) -> web.Application:
    """`GET /negotiate?hub=H&id=USER`, and the event handler below `/api/webpubsub/hubs/{hub}`, like Azure's samples."""
    app = web.Application(client_max_size=2 * 1024 * 1024)
    app[_CONNECTION_STRING] = connection_string
    app.router.add_get("/negotiate", _negotiate)
    for path in (_HANDLER_PATH, f"{_HANDLER_PATH}/", f"{_HANDLER_PATH}/{{event}}", "/eventhandler"):
        app.router.add_route("OPTIONS", path, _allow)
        app.router.add_post(path, _echo)
    return app


async def _negotiate(request: web.Request) -> web.Response:
    """A fresh Client URL. A real app server would first check who is calling."""
    hub = request.query.get("hub", "bench")
    if not valid_hub(hub):
        return web.json_response({"error": "the hub's name is malformed"}, status=400)
    connection = request.app[_CONNECTION_STRING]
    user_id = request.query.get("id") or None
    token = mint_client_token(connection, hub, user_id, _ROLES, (), _TOKEN_LIFETIME_S, unix_time_s())
    return web.json_response({"url": client_url_with_token(connection, hub, token)})


async def _allow(request: web.Request) -> web.Response:
    """The abuse protection's request: may this origin send events here?"""
    return web.Response(headers={"WebHook-Allowed-Origin": request.headers.get("WebHook-Request-Origin", "*")})


async def _echo(request: web.Request) -> web.Response:
    if not request.headers.get("ce-type", "").startswith("azure.webpubsub.user."):
        return web.Response(status=204)
    body = await request.read()
    if not body:
        return web.Response(status=204)
    return web.Response(body=body, headers={"Content-Type": request.headers.get("Content-Type", "text/plain")})


def add_upstream_arguments(parser: argparse.ArgumentParser) -> None:
    """The app server's options, for its own parser or a subcommand's."""
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (default %(default)s)")
    parser.add_argument("--port", type=int, default=8081, help="0: any free one (default %(default)s)")
    parser.add_argument(
        "--connection-string",
        default=None,
        metavar="STRING",
        help="whose URLs /negotiate makes; default: WebPubSubConnectionString, else the emulator on 8080",
    )


def run_upstream(arguments: argparse.Namespace) -> int:
    """Serves as the options say: 0 when a signal ends it; 2, with one sentence on stderr, if it cannot start."""
    text = arguments.connection_string or os.environ.get("WebPubSubConnectionString")  # noqa: SIM112  # Azure's own name
    try:
        connection_string = ConnectionString.parse(
            text or f"Endpoint=http://127.0.0.1:8080;AccessKey={DEFAULT_EMULATOR_KEY};"
        )
    except ValueError as error:
        return _usage(f"--connection-string: {error}")
    if not 0 <= arguments.port <= 65535:
        return _usage(f"--port {arguments.port}: a number from 0 to 65535 is needed")
    use_uvloop()
    return asyncio.run(_serve(arguments, connection_string))


def _usage(sentence: str) -> int:
    sys.stderr.write(f"wps-load upstream: {sentence}\n")
    return ExitCode.USAGE


async def _serve(arguments: argparse.Namespace, connection_string: ConnectionString) -> int:
    ended = wait_for_the_end(with_stdin=False)
    runner = web.AppRunner(build_upstream(connection_string), access_log=None, handle_signals=False)
    await runner.setup()
    try:
        try:
            await web.TCPSite(runner, arguments.host, arguments.port).start()
        except OSError as error:
            why = os.strerror(error.errno or 0)
            return _usage(f"cannot listen on {arguments.host}:{arguments.port}: {why}")
        base = f"http://{arguments.host}:{runner.addresses[0][1]}"
        sys.stdout.write(f"Negotiate: {base}/negotiate\nEvent handler: {base}{_HANDLER_PATH}\n")
        sys.stdout.flush()
        await ended.wait()
        return ExitCode.PASSED
    finally:
        await runner.cleanup()
