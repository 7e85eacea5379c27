"""The emulator as a program: `python -m wps_load.emulator`, `wps-load emulator`."""

from __future__ import annotations

import argparse
import asyncio
import ipaddress
import os
import ssl
import sys
from collections.abc import Sequence

from aiohttp import web

from wps_load.auth import DEFAULT_EMULATOR_KEY
from wps_load.emulator.event_handlers import HttpEventHandlers
from wps_load.emulator.event_loop import calm_the_collector, use_uvloop, wait_for_the_end
from wps_load.emulator.hub_settings import ConfiguredHub, HubSettings, SettingsError, for_all_hubs
from wps_load.emulator.limits import Tier
from wps_load.emulator.server import build_app
from wps_load.emulator.service import EmulatorConfig, Service
from wps_load.emulator.settings_file import SettingsFile
from wps_load.emulator.webhook import TOTAL_TIMEOUT_S, Webhooks
from wps_load.errors import ExitCode
from wps_load.posix import raise_open_files
from wps_load.workload.faults import FaultSyntaxError, parse_faults
from wps_load.workload.values import duration_ns

_BACKLOG = 4096
_ABOUT_THE_KEY = (
    "wps-load emulator: warning: other hosts reach this emulator, and its access key is the public one, which "
    "everybody knows: give it a key of its own (--access-key KEY)\n"
)
_ABOUT_TLS = """\
App servers on the npm package @azure/web-pubsub refuse an endpoint of http:// unless they pass
{ allowInsecureConnection: true } to WebPubSubServiceClient. For TLS instead, two lines (and for Node.js
NODE_EXTRA_CA_CERTS=cert.pem):
  openssl req -x509 -newkey rsa:2048 -nodes -days 30 -subj /CN=localhost \\
    -addext subjectAltName=DNS:localhost,IP:127.0.0.1 -keyout key.pem -out cert.pem
  wps-load emulator --host localhost --tls-cert cert.pem --tls-key key.pem
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The emulator's options, for its own parser or a subcommand's."""
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (default %(default)s)")
    parser.add_argument("--port", type=int, default=8080, help="0: any free one (default %(default)s)")
    parser.add_argument(
        "--access-key",
        metavar="KEY",
        help="default: the one in --hub-settings, else the official emulator's public key",
    )
    parser.add_argument("--faults", default="", metavar="SPEC", help="for example delay=20ms,drop=1/100,seed=7")
    parser.add_argument("--units", metavar="N", help="enforce the limits of N units, or of the tier 'free'")
    parser.add_argument(
        "--spent-quota",
        choices=("refuse", "close"),
        default="refuse",
        help="when the free tier's messages are used up: refuse new connections, or close all (default %(default)s)",
    )
    parser.add_argument(
        "--event-handler",
        metavar="echo|none|URL",
        help="what answers user events: echo, built in; none: they fail as without a handler; or an app server's URL, "
        "in which {hub} and {event} are filled in (default: echo; with --hub-settings: none)",
    )
    parser.add_argument(
        "--system-events",
        default="",
        metavar="LIST",
        help="which of connect,connected,disconnected go to that URL (default: none)",
    )
    parser.add_argument(
        "--hub-settings",
        metavar="FILE",
        help="event handlers by hub: JSON as the settings of Microsoft's emulator, read again when it changes",
    )
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
        help="what a PubSub client gets when its event failed (default %(default)s)",
    )
    parser.add_argument(
        "--recovery-window",
        default="30s",
        metavar="TIME",
        help="how long a lost reliable connection may be recovered (default %(default)s)",
    )
    parser.add_argument(
        "--entra-issuer",
        metavar="URL",
        help="accept REST calls with tokens of this made-up Entra ID: `iss` is URL, `aud` the service's; not verified",
    )
    parser.add_argument(
        "--disable-local-auth", action="store_true", help="refuse tokens that are signed with the access key (401)"
    )
    parser.add_argument("--allow-anonymous", action="store_true", help="let clients connect without a token")
    parser.add_argument("--tls-cert", metavar="FILE", help="serve TLS with this certificate chain (PEM)")
    parser.add_argument("--tls-key", metavar="FILE", help="the certificate's private key (PEM)")
    parser.add_argument("--exit-with-stdin", action="store_true", help="end when standard input does")


def run(argv: Sequence[str]) -> int:
    """Parses and serves until a signal ends it; returns the exit code."""
    parser = argparse.ArgumentParser(prog="wps-load emulator", description="A local Azure Web PubSub.")
    add_arguments(parser)
    return serve(parser.parse_args(argv))


def serve(arguments: argparse.Namespace) -> int:
    """Serves as the options say: 0 when a signal ends it; 2, with one sentence on stderr, if it cannot start."""
    try:
        settings = _settings(arguments)
        config = _config(arguments, settings)
        tls = _tls(arguments)
    except FaultSyntaxError as error:
        return _usage(f"--faults: {error}")
    except (ValueError, OSError) as error:
        return _usage(str(error))
    raise_open_files()
    use_uvloop()
    calm_the_collector()
    return asyncio.run(_serve(arguments, config, settings, tls))


def _settings(arguments: argparse.Namespace) -> SettingsFile | HubSettings | None:
    """Where events go; None: to the built-in echo."""
    handler, system_events, path = arguments.event_handler, arguments.system_events, arguments.hub_settings
    to_url = handler not in (None, "echo", "none")
    if system_events and not to_url:
        raise ValueError("--system-events needs --event-handler with a URL")
    if to_url:
        default = for_all_hubs(handler, system_events)
    elif path is not None or handler == "none":
        default = ConfiguredHub(echoes=handler == "echo")
    else:
        return None
    if path is None:
        return HubSettings(default=default)
    try:
        return SettingsFile(path, default, _say)
    except OSError as error:
        raise ValueError(f"--hub-settings {path}: {os.strerror(error.errno or 0)}") from None
    except SettingsError as error:
        raise ValueError(f"--hub-settings {error}") from None


def _config(arguments: argparse.Namespace, settings: SettingsFile | HubSettings | None) -> EmulatorConfig:
    faults = parse_faults(arguments.faults)
    if not 0 <= arguments.port <= 65535:
        raise ValueError(f"--port {arguments.port}: a number from 0 to 65535 is needed")
    if arguments.access_key == "":
        raise ValueError("--access-key: a key is needed")
    if not arguments.event_handler_timeout > 0:
        raise ValueError("--event-handler-timeout: seconds above 0 are needed")
    try:
        recovery_window_ns = duration_ns(arguments.recovery_window)
    except ValueError as error:
        raise ValueError(f"--recovery-window {arguments.recovery_window}: {error}") from None
    from_file = settings.current if isinstance(settings, SettingsFile) else HubSettings()
    return EmulatorConfig(
        arguments.access_key or from_file.access_key or DEFAULT_EMULATOR_KEY,
        faults,
        _tier(arguments.units),
        arguments.allow_anonymous,
        arguments.failed_event == "close",
        arguments.spent_quota == "close",
        recovery_window_ns,
        from_file.unvalidated_entra_tokens,
        arguments.entra_issuer,
        not arguments.disable_local_auth,
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
    _say(sentence)
    return ExitCode.USAGE


def _say(sentence: str) -> None:
    sys.stderr.write(f"wps-load emulator: {sentence}\n")
    sys.stderr.flush()


async def _serve(
    arguments: argparse.Namespace,
    config: EmulatorConfig,
    settings: SettingsFile | HubSettings | None,
    tls: ssl.SSLContext | None,
) -> int:
    ended = wait_for_the_end(with_stdin=arguments.exit_with_stdin)
    service = Service(config)
    handlers = _event_handlers(config, arguments, settings, service)
    service.handlers = handlers
    follower = asyncio.create_task(settings.follow()) if isinstance(settings, SettingsFile) else None
    runner = web.AppRunner(build_app(service), access_log=None, handle_signals=False)
    await runner.setup()
    try:
        site = web.TCPSite(runner, arguments.host, arguments.port, ssl_context=tls, backlog=_BACKLOG)
        try:
            await site.start()
        except OSError as error:
            return _usage(f"cannot listen on {arguments.host}:{arguments.port}: {os.strerror(error.errno or 0)}")
        scheme = "http" if tls is None else "https"
        authority = _authority(arguments.host, runner.addresses[0][1])
        if tls is None and not arguments.exit_with_stdin:
            sys.stderr.write(_ABOUT_TLS)
        if config.access_key == DEFAULT_EMULATOR_KEY and any(is_open(address[0]) for address in runner.addresses):
            sys.stderr.write(_ABOUT_THE_KEY)
        sys.stdout.write(
            f"Connection string: Endpoint={scheme}://{authority};AccessKey={config.access_key};Version=1.0;\n"
        )  # with --disable-local-auth only the endpoint matters, but readers of the line need one form
        sys.stdout.flush()
        await ended.wait()
        return ExitCode.PASSED
    finally:
        if follower is not None:
            follower.cancel()
        service.close()
        await runner.cleanup()
        if handlers is not None:
            await handlers.close()


def is_open(address: str) -> bool:
    """Whether other hosts can reach what listens on this address."""
    return not ipaddress.ip_address(address.partition("%")[0]).is_loopback


def _authority(host: str, port: int) -> str:
    """Host and port as in a URL."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _event_handlers(
    config: EmulatorConfig,
    arguments: argparse.Namespace,
    settings: SettingsFile | HubSettings | None,
    service: Service,
) -> HttpEventHandlers | None:
    if settings is None:
        return None
    current = (lambda: settings.current) if isinstance(settings, SettingsFile) else (lambda: settings)
    webhooks = Webhooks(timeout_s=arguments.event_handler_timeout)
    return HttpEventHandlers(current, config.access_key, service.stats, webhooks, _say)
