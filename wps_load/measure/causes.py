"""Why a message that was due was never sent: a closed list of causes, and the cause of each failure."""

from __future__ import annotations

from enum import StrEnum
from typing import Final


class Cause(StrEnum):
    """Every message that was due but not sent has exactly one cause."""

    SERVICE = "service"
    """The service, or the path to it, ended the connection, refused it, did not answer it or read nothing from it."""
    PLAN = "plan"
    """The run's own plan had ended the connection (a cut, a lifetime, a leave), or it was not due to connect yet."""
    GENERATOR = "generator"
    """This program was too late, or its machine had no file, port or memory left."""


_OWN_LIMITS: Final = (
    "_files_exhausted",
    "_ports_exhausted",
    "_memory_exhausted",
    "_conntrack_exhausted",
    "_source_unavailable",
)


def is_own_limit(label: str) -> bool:
    """Whether a failure with this label is a limit of the generator's own machine, whatever failed."""
    return label.endswith(_OWN_LIMITS)


def cause_of(label: str) -> Cause:
    """The cause of a failure to connect or to send."""
    return Cause.GENERATOR if is_own_limit(label) else Cause.SERVICE
