"""Secrets stay in the process that received them. Decisions only: `asked.py` and `gate.py` apply them.

Locust's master sends all its parsed options to any process that registers as a worker. So the master removes the texts
that hold secrets before anybody can ask; each worker uses its own flags, variables or files or, if it is a fork of the
master, those that it inherited.
"""

from __future__ import annotations

import os
import platform
from argparse import Namespace
from collections.abc import Mapping
from pathlib import Path

from wps_load.auth import DEFAULT_EMULATOR_KEY
from wps_load.errors import ConfigError, Fault
from wps_load.settings.options import BY_FLAG, OPTIONS, Option, PageAccess
from wps_load.settings.run_config import RunConfig
from wps_load.settings.target import AZURE_VARIABLE, Target, TargetKind
from wps_load.swarm.orders import TargetOrder
from wps_load.urls import without_secrets

_CONNECTION_STRING = BY_FLAG["--wps-connection-string"]
_BY_DEST = {option.dest: option for option in OPTIONS}
_NEEDED = {
    TargetKind.CONNECTION_STRING: _CONNECTION_STRING,
    TargetKind.CLIENT_URL: BY_FLAG["--wps-client-url"],
    TargetKind.NEGOTIATE: BY_FLAG["--wps-negotiate-url"],
}


def holds_secret(option: Option, text: str) -> bool:
    """Whether a text of this option stays in its process: a negotiate URL may have a key in its query (`?code=...`).

    Options about one host mean nothing to another.
    """
    if option.secret or option.local:
        return bool(text)
    return option.on_page is PageAccess.TARGET and "://" in text and without_secrets(text) != text


def secrets_of(values: Mapping[str, object]) -> dict[str, str]:
    """The texts that hold secrets, by dest."""
    texts = {option.dest: str(values.get(option.dest) or "") for option in OPTIONS if not option.is_switch}
    return {dest: text for dest, text in texts.items() if holds_secret(_BY_DEST[dest], text)}


def take(options: Namespace) -> dict[str, str]:
    """Removes the secrets from Locust's parsed options, as if there were no such options.

    No text of the master, not even an empty one, may replace a worker's own.
    """
    found = secrets_of(vars(options))
    for option in OPTIONS:
        if option.secret or option.local or option.dest in found:
            vars(options).pop(option.dest, None)
    return found


def shareable(values: Mapping[str, object]) -> dict[str, object]:
    """The options that may be sent."""
    hidden = secrets_of(values)
    return {
        option.dest: values[option.dest]
        for option in OPTIONS
        if not (option.secret or option.local) and option.dest in values and option.dest not in hidden
    }


def order(config: RunConfig) -> TargetOrder:
    """What a master sends its workers about the target: which one it is, and which secret each needs for it."""
    target = config.target
    option = _NEEDED.get(target.kind)
    needs = option is not None and (option.secret or holds_secret(option, target.url))
    # the emulator's key is public, but nothing that looks like a key is sent, only where it applies
    connection = target.connection
    public = connection is not None and not target.is_emulator and connection.access_key == DEFAULT_EMULATOR_KEY
    needs = needs and not public
    return {
        "target": str(target.kind),
        "shown": target.describe(),
        "needs": option.dest if needs and option is not None else "",
        "emulator": connection.endpoint if target.is_emulator and connection is not None else "",
        "public": connection.endpoint if public and connection is not None else "",
        "endpoint": target.url if target.identity is not None else "",
        "credential": target.identity.credential if target.identity is not None else "",
        "network": network_identity(),
    }


def judge_target(own: Target, order: TargetOrder) -> None:
    """Raises ConfigError if a worker has no secret of its own for the master's target, or one for another target."""
    if not order["needs"]:
        return
    option = _BY_DEST[order["needs"]]
    if own.kind != order["target"]:
        also = f" or {AZURE_VARIABLE}" if option is _CONNECTION_STRING else ""
        raise ConfigError([Fault(
            option.flag, None,
            f"this worker has none, and a master sends no secrets: give the worker that of {order['shown']}, as the "
            f"flag, as {option.env_var}{also}, or in a --config file of its own",
        )])  # fmt: skip
    if own.describe() != order["shown"]:
        raise ConfigError([Fault(option.flag, own.describe(), f"that of the master's target, {order['shown']}")])


def judge_emulator(order: TargetOrder) -> None:
    """Raises ConfigError on a host other than that of the embedded emulator, which listens on loopback."""
    if order["emulator"] and order["network"] != network_identity():
        raise ConfigError([Fault(
            "embedded emulator", None,
            "it serves the master's host only, and this worker is on another host: give a target that both reach, such "
            "as one made by `wps-load emulator --host ADDRESS`",
        )])  # fmt: skip


def network_identity() -> str:
    """The same for all processes that share a loopback address: those of one kernel in one network namespace."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        return f"{boot}/{os.readlink('/proc/self/ns/net')}"
    except OSError:
        return platform.node()


def emulator_connection_string(endpoint: str) -> str:
    """The connection string of an emulator whose key is the public one."""
    return f"Endpoint={endpoint};AccessKey={DEFAULT_EMULATOR_KEY};Version=1.0;"
