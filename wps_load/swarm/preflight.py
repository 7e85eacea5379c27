"""One connection before a headless run: a target that can never work ends it in seconds, not after `-t`.

The run begins all the same and ends soon, so that its report tells a pipeline about every connection that was refused.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import replace
from typing import Any, Final, Protocol

from wps_load.client.checks import Check, Level
from wps_load.client.way import Way
from wps_load.clock import NS_PER_S
from wps_load.settings.options import OptionValues
from wps_load.swarm.console import Console
from wps_load.swarm.engines import make_network
from wps_load.swarm.reporter import Reporter

LIMIT_S: Final = 5
"""The time limit of each step: the run itself judges a target that answers later."""
LAST_S: Final = 3.0
"""The run time after the target has refused the first connection for a lasting reason."""
_LASTING: Final = re.compile(
    r"((negotiate_|token_)?http_|rest_)(401|403|404)(_network|_role)?|dns_failed|tls_certificate|subprotocol_refused"
    r"|token_credential_\w+"
)


class CheckedProcess(Protocol):
    """The part of a process's lifecycle that is needed here."""

    reporter: Reporter | None
    console: Console
    environment: Any
    """Locust's."""

    @property
    def parsed(self) -> OptionValues: ...

    @property
    def plays_scenario(self) -> bool: ...


def look_first(process: CheckedProcess) -> None:
    """Checks a prepared run's target, and shortens the run if it refuses the first connection for a lasting reason.

    The embedded emulator, which has just reported that it listens, is not checked.
    """
    reporter = process.reporter
    if reporter is None or reporter.config.target.is_emulator:
        return
    if not process.parsed.get("headless") or not process.plays_scenario:
        return
    config = reporter.config
    limited = replace(config, connect_timeout_ns=min(config.connect_timeout_ns, LIMIT_S * NS_PER_S))
    way = Way(limited, make_network(config), config.run_time_s, say=lambda _, said: process.console.say(said))
    hopeless, sentences = judge(way.quick())
    for sentence in sentences:
        process.console.say(f"wps-load: {sentence}" if hopeless else f"Before the run: {sentence}")
    if hopeless:
        run_time_s = min(config.run_time_s or LAST_S, LAST_S)
        process.console.say(f"wps-load: the target cannot be used, so the run ends after {run_time_s:g} s")
        process.environment.parsed_options.run_time = run_time_s  # Locust looks at it next
        reporter.config = replace(config, run_time_s=run_time_s)


def judge(checks: Iterable[Check]) -> tuple[bool, list[str]]:
    """Whether the run cannot succeed, and a sentence for each check that failed."""
    failed = [check for check in checks if check.level is Level.FAIL]
    hopeless = any(_LASTING.fullmatch(check.label) for check in failed)
    return hopeless, [f"{check.found}{check.advice and f': {check.advice}'}" for check in failed]
