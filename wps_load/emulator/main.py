"""The emulator as a program: `python -m wps_load.emulator`, `wps-load emulator`."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import os
import resource
import ssl
import sys
from collections.abc import Sequence

from aiohttp import web

from wps_load.auth import DEFAULT_EMULATOR_KEY
from wps_load.emulator.ending import calm_the_collector, use_uvloop, wait_for_the_end
from wps_load.emulator.event_handlers import TOTAL_TIMEOUT_S, HttpEventHandlers
from wps_load.emulator.faults import FaultSyntaxError, parse_faults
from wps_load.emulator.limits import Tier
from wps_load.emulator.server import build_app
from wps_load.emulator.service import EmulatorConfig, Service
from wps_load.errors import ExitCode

_BACKLOG = 4096


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The emulator's options, for its own parser or a subcommand's."""
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (default %(default)s)")
    parser.add_argument("--port", type=int, default=8080, help="0: any free one (default %(default)s)")
    parser.add_argument(
        "--access-key",
        default=DEFAULT_EMULATOR_KEY,
        metavar="KEY",
        help="default: the official emulator's public key",
    )
    parser.add_argument("--faults", default="", metavar="SPEC", help="for example delay=20ms,drop=1/100,seed=7")
    parser.add_argument("--units", metavar="N", help="enforce the limits of N units, or of the tier 'free'")
    parser.add_argument(
        "--spent-quota",
        choices=("refuse", "close"),
        default="refuse",
        help="when the free tier's messages are spent: no newcomers, or an end for all (default %(default)s)",
    )
    parser.add_argument("--event-handler", metavar="URL", help="CloudEvents handler; default: a built-in echo")
    parser.add_argument(
        "--event-handler-timeout",
        type=float,
        default=TOTAL_TIMEOUT_S,
        metavar="SECONDS",
        help="for one event, retries included (default %(default)g)",
    )
    parser.add_argument(
        "--failed-event",
        choices=("ack", "close"),
        default="ack",
        help="what a PubSub client gets (default %(default)s)",
    )
    parser.add_argument("--allow-anonymous", action="store_true", help="let clients connect without a token")
    parser.add_argument("--tls-cert", metavar="FILE", help="serve TLS with this certificate chain (PEM)")
    parser.add_argument("--tls-key", metavar="FILE", help="the certificate's private key (PEM)")
    parser.add_argument("--exit-with-stdin", action="store_true", help="end when standard input does")


def run(argv: Sequence[str]) -> int:
    """Parses and serves until it is told to end; returns the exit code."""
    parser = argparse.ArgumentParser(prog="wps-load emulator", description="A local Azure Web PubSub.")
    add_arguments(parser)
    return serve(parser.parse_args(argv))


def serve(arguments: argparse.Namespace) -> int:
    """Serves as the options say: 0 when told to end; 2, with one sentence on stderr, if it cannot start."""
    try:
        config = _config(arguments)
        tls = _tls(arguments)
    except FaultSyntaxError as error:
        return _usage(f"--faults: {error}")
    except (ValueError, OSError) as error:
        return _usage(str(error))
    _raise_open_files()
    use_uvloop()
    calm_the_collector()
    return asyncio.run(_serve(arguments, config, tls))


def _config(arguments: argparse.Namespace) -> EmulatorConfig:
    faults = parse_faults(arguments.faults)
    if not 0 <= arguments.port <= 65535:
        raise ValueError(f"--port {arguments.port}: a number from 0 to 65535 is needed")
    if not arguments.access_key:
        raise ValueError("--access-key: a key is needed")
    handler = arguments.event_handler
    if handler is not None and not handler.startswith(("http://", "https://")):
        raise ValueError("--event-handler: a URL that starts with http:// or https:// is needed")
    if not arguments.event_handler_timeout > 0:
        raise ValueError("--event-handler-timeout: seconds above 0 are needed")
    return EmulatorConfig(
        arguments.access_key,
        faults,
        _tier(arguments.units),
        handler,
        arguments.allow_anonymous,
        arguments.failed_event == "close",
        arguments.spent_quota == "close",
    )


def _tier(units: str | None) -> Tier | None:
    if units is None:
        return None
    if units == "free":
        return Tier.free()
    try:
        return Tier.standard(int(units))
    except ValueError:
        raise ValueError(f"--units {units}: a number from 1 to 1000, or 'free', is needed") from None


def _tls(arguments: argparse.Namespace) -> ssl.SSLContext | None:
    if arguments.tls_cert is None:
        if arguments.tls_key is not None:
            raise ValueError("--tls-key needs --tls-cert")
        return None
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    try:
        context.load_cert_chain(arguments.tls_cert, arguments.tls_key)
    except (OSError, ssl.SSLError) as error:
        raise ValueError(f"--tls-cert, --tls-key: cannot be used: {error}") from None
    return context


def _usage(sentence: str) -> int:
    sys.stderr.write(f"wps-load emulator: {sentence}\n")
    return ExitCode.USAGE


def _raise_open_files() -> None:
    """A socket a connection: the soft limit is often 1,024."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with contextlib.suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


async def _serve(arguments: argparse.Namespace, config: EmulatorConfig, tls: ssl.SSLContext | None) -> int:
    ended = wait_for_the_end(with_stdin=arguments.exit_with_stdin)
    service = Service(config)
    handlers = _event_handlers(config, arguments, service)
    service.handlers = handlers
    runner = web.AppRunner(build_app(service), access_log=None, handle_signals=False)
    await runner.setup()
    try:
        site = web.TCPSite(runner, arguments.host, arguments.port, ssl_context=tls, backlog=_BACKLOG)
        try:
            await site.start()
        except OSError as error:
            return _usage(f"cannot listen on {arguments.host}:{arguments.port}: {os.strerror(error.errno or 0)}")
        port = runner.addresses[0][1]
        scheme = "http" if tls is None else "https"
        authority = _authority(arguments.host, port)
        if handlers is not None:
            handlers.origin = authority  # port 0 has become one
        sys.stdout.write(
            f"Connection string: Endpoint={scheme}://{authority};AccessKey={config.access_key};Version=1.0;\n"
        )
        sys.stdout.flush()
        await ended.wait()
        return ExitCode.PASSED
    finally:
        service.close()
        await runner.cleanup()
        if handlers is not None:
            await handlers.close()


def _authority(host: str, port: int) -> str:
    """Host and port as they stand in a URL."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _event_handlers(
    config: EmulatorConfig, arguments: argparse.Namespace, service: Service
) -> HttpEventHandlers | None:
    if config.event_handler is None:
        return None
    return HttpEventHandlers(
        config.event_handler,
        config.access_key,
        _authority(arguments.host, arguments.port),
        service.stats,
        timeout_s=arguments.event_handler_timeout,
    )
