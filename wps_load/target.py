"""What is tested: a service (by connection string, Client URL or negotiate endpoint) or the emulator."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from wps_load.auth import ConnectionString
from wps_load.errors import Fault
from wps_load.options import BY_FLAG
from wps_load.urls import without_secrets

AZURE_VARIABLE = "WebPubSubConnectionString"
"""What Azure's samples use; read only when no target option is given."""

_TARGET_FLAGS = ("--wps-connection-string", "--wps-client-url", "--wps-negotiate-url")
_LEVELS = ("flag", "file", "environment")


class TargetKind(StrEnum):
    CONNECTION_STRING = "connection-string"
    CLIENT_URL = "client-url"
    NEGOTIATE = "negotiate"
    EMULATOR = "emulator"


@dataclass(frozen=True, slots=True)
class Target:
    """What is tested. `connection` is set for a connection string, and for the emulator once it runs
    (`RunConfig.with_emulator`); `url` is the Client URL or negotiate URL, a secret."""

    kind: TargetKind
    connection: ConnectionString | None = field(default=None, repr=False)
    url: str = field(default="", repr=False)

    @property
    def is_emulator(self) -> bool:
        return self.kind is TargetKind.EMULATOR

    @property
    def has_key(self) -> bool:
        """Whether tokens and REST calls can be signed."""
        return self.kind in (TargetKind.CONNECTION_STRING, TargetKind.EMULATOR)

    def describe(self) -> str:
        """For a person, without secrets: scheme, host and path at most."""
        if self.is_emulator:
            return "embedded emulator" + (f" at {self.connection.endpoint}" if self.connection else "")
        if self.connection:
            return self.connection.endpoint
        return without_secrets(self.url) + (" (negotiated)" if self.kind is TargetKind.NEGOTIATE else "")


def choose_target(
    found: Mapping[str, Any], environ: Mapping[str, str], sources: Mapping[str, str], faults: list[Fault]
) -> Target:
    """The one target given at the best level (`sources`, by dest); the embedded emulator where none is.

    Faults, such as two targets at one level, are appended to `faults`.
    """
    given = [BY_FLAG[flag] for flag in _TARGET_FLAGS if found[BY_FLAG[flag].field] is not None]
    if any(fault.option in _TARGET_FLAGS for fault in faults):
        given = []  # already refused; which it was to be does not matter
    elif not given and (text := environ.get(AZURE_VARIABLE, "").strip()):
        try:
            return Target(TargetKind.CONNECTION_STRING, ConnectionString.parse(text))
        except ValueError as error:
            faults.append(Fault(AZURE_VARIABLE, None, str(error)))
    if not given:
        return Target(TargetKind.EMULATOR)
    levels = {option.flag: _LEVELS.index(sources.get(option.dest, "flag")) for option in given}
    best = [option for option in given if levels[option.flag] == min(levels.values())]
    if len(best) > 1:
        faults.append(Fault(" and ".join(option.flag for option in best), None, "only one target may be given"))
    option = best[0]
    if option.flag == "--wps-connection-string":
        return Target(TargetKind.CONNECTION_STRING, found[option.field])
    kind = TargetKind.CLIENT_URL if option.flag == "--wps-client-url" else TargetKind.NEGOTIATE
    return Target(kind, url=found[option.field])
