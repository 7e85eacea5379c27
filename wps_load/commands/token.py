"""`wps-load token`: a Client URL for other tools, or for `--wps-client-url`."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from wps_load.auth import DEFAULT_EMULATOR_KEY, ConnectionString, client_url, client_url_with_token, mint_client_token
from wps_load.client.access import judge_way
from wps_load.client.entra_access import token_store
from wps_load.client.generate_token import Wanted
from wps_load.client.stream import Network
from wps_load.clock import NS_PER_S, unix_time_s
from wps_load.commands.parsing import parse_run, run_parser
from wps_load.errors import ConfigError, ConnectFailure, ExitCode, Fault, WrongValue
from wps_load.protocol.names import group_name, user_id
from wps_load.settings.options import BY_FLAG
from wps_load.settings.run_config import RunConfig
from wps_load.settings.target import TargetKind

EMULATOR = ConnectionString("http://127.0.0.1:8080", DEFAULT_EMULATOR_KEY)
"""The default address of `wps-load emulator`, with the official emulator's public key."""

_EXAMPLE = """\
stdout carries the URL and nothing else. The URL is a secret: it holds the token. Without a target (a connection string
by flag, file or variable, or WebPubSubConnectionString) it is for `wps-load emulator` at http://127.0.0.1:8080.
With --wps-endpoint and --wps-credential the service makes the token.
MQTT clients have an endpoint of their own: give --wps-protocol mqtt or mqtt5 for its URL.
Roles and lifetime default to a run's: --wps-roles (what --wps-scenario needs) and --wps-token-lifetime.

example:
  wps-load token --hub chat --user alice --role webpubsub.joinLeaveGroup --group lobby --expires 60m
  wps-load token --hub devices --wps-protocol mqtt5
"""


def run(argv: Sequence[str]) -> int:
    """Prints the URL. Raises ConfigError, also for a target that has no key to sign with."""
    parser = run_parser("token", "Prints a Client URL with a fresh token.", _EXAMPLE)
    parser.add_argument("--hub", metavar="H", help="hub (default: that of --wps-hub)")
    parser.add_argument("--user", metavar="U", help="user id; not given: the token names no user")
    parser.add_argument("--role", action="append", default=[], metavar="R", help="a role; may be repeated")
    parser.add_argument("--group", action="append", default=[], metavar="G", help="a group to be in from the start")
    parser.add_argument("--expires", metavar="TIME", help="lifetime, such as 60m (default: --wps-token-lifetime)")
    arguments, config = parse_run(parser, argv)
    target = config.target
    if not target.makes_tokens:
        flag = "--wps-client-url" if target.kind is TargetKind.CLIENT_URL else "--wps-negotiate-url"
        raise ConfigError([Fault(flag, None, "it has no key to sign with: give a connection string")])
    own = _own_options(vars(arguments))
    hub = own.get("hub", config.population.hub)
    lifetime_ns = own.get("expires", config.token_lifetime_ns)
    roles = own.get("role", config.population.roles)
    source, traits = target.connection or EMULATOR, config.population.traits
    _judge_names(arguments.user, arguments.group)
    if target.identity is not None:
        wanted = Wanted(
            hub, arguments.user, tuple(roles), tuple(arguments.group), lifetime_ns // NS_PER_S, traits.client_type
        )
        url = client_url(target.url, hub, traits.client_path)
        sys.stdout.write(f"{url}?access_token={_made_by_service(config, wanted)}\n")
        return ExitCode.PASSED
    token = mint_client_token(
        source, hub, arguments.user, roles, arguments.group, lifetime_ns // NS_PER_S, unix_time_s(), traits.client_path
    )
    sys.stdout.write(client_url_with_token(source, hub, token, traits.client_path) + "\n")
    return ExitCode.PASSED


def _made_by_service(config: RunConfig, wanted: Wanted) -> str:
    """A token from Entra ID. Raises ConfigError."""
    network = Network.create(
        ca_file=config.ca_file, insecure=config.insecure, environ=os.environ, connect_host=config.connect_host
    )
    judge_way(config, network)
    try:
        return token_store(config, network).get(wanted)
    except ConnectFailure as failure:
        raise ConfigError([Fault("--wps-endpoint", None, f"{failure.message}; {failure.advice}")]) from None


_LIKE = (
    ("hub", "--hub", "--wps-hub"),
    ("expires", "--expires", "--wps-token-lifetime"),
    ("role", "--role", "--wps-roles"),
)


def _judge_names(user: str | None, groups: Sequence[str]) -> None:
    """Raises ConfigError for a user id or groups that the service would refuse."""
    faults = []
    judged: list[tuple[str, Callable[..., object], str | None]] = [("--user", user_id, user)]
    for flag, judge, value in [*judged, *(("--group", group_name, group) for group in groups)]:
        try:
            judge(value, "it")
        except WrongValue as error:
            faults.append(Fault(flag, None, str(error)))
    if faults:
        raise ConfigError(faults)


def _own_options(given: Mapping[str, Any]) -> dict[str, Any]:
    """The command's own options that were given, read by the rules of a run's options; reports all faults at once."""
    found: dict[str, Any] = {}
    faults: list[Fault] = []
    for name, flag, like in _LIKE:
        value = given[name]
        if not value:
            continue
        text = ",".join(value) if isinstance(value, list) else str(value)
        try:
            found[name] = BY_FLAG[like].read(text)
        except ValueError as error:
            faults.append(Fault(flag, text, str(error)))
    if faults:
        raise ConfigError(faults)
    return found
