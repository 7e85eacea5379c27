"""Every error of ours, and whose fault each is.

    WpsLoadError
    ├── ConfigError            the user's settings (exit code 2); lists every fault at once
    ├── LocalProtocolError     we broke the protocol: a bug of ours, never a finding
    └── Finding                what the service, the network or the peer did: counted, labelled
        ├── ConnectFailure     a connection that did not become usable
        ├── RemoteProtocolError  bytes that break RFC 6455 or a subprotocol; carries the close code
        └── ConnectionLost     an established connection that ended

A `Finding` carries a *label* from a closed vocabulary (`connect_refused`, `http_401`, `closed_1008`, ...):
labels reach statistics and reports, so no free text, URL, id or token may be in one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum


class ExitCode(IntEnum):
    """What the process tells a pipeline. Which of several wins: see `worst`."""

    PASSED = 0
    REQUEST_FAILURES = 1
    USAGE = 2
    SLO_FAILED = 3
    INVALID = 4
    REGRESSION = 5


_SEVERITY = (
    ExitCode.USAGE,
    ExitCode.INVALID,
    ExitCode.SLO_FAILED,
    ExitCode.REGRESSION,
    ExitCode.REQUEST_FAILURES,
    ExitCode.PASSED,
)


def worst(codes: Sequence[ExitCode]) -> ExitCode:
    """The code that wins when several apply: 2, 4, 3, 5, 1, 0."""
    return min(codes, key=_SEVERITY.index, default=ExitCode.PASSED)


class WpsLoadError(Exception):
    """Base of every error that this package raises on purpose."""


@dataclass(frozen=True, slots=True)
class Fault:
    """One wrong setting: `option` as the user knows it, `value` as given (never a secret), what is allowed."""

    option: str
    value: str | None
    allowed: str

    def __str__(self) -> str:
        shown = "" if self.value is None else f" {self.value!r}"
        return f"{self.option}{shown}: {self.allowed}"


class ConfigError(WpsLoadError):
    """Settings that cannot work. `faults` lists all of them."""

    def __init__(self, faults: Sequence[Fault]) -> None:
        self.faults = tuple(faults)
        super().__init__("\n".join(str(fault) for fault in self.faults))


class LocalProtocolError(WpsLoadError):
    """We tried something that the protocol forbids in this state."""


class Finding(WpsLoadError):
    """What the other side did. `label` is fixed vocabulary; `message` and `advice` are for the log, secret-free."""

    def __init__(self, label: str, message: str, advice: str = "") -> None:
        self.label = label
        self.message = message
        self.advice = advice
        super().__init__(message)


class ConnectFailure(Finding):
    """A connection that did not become usable.

    `retry_after_s`: what the server asked for. `permanent`: trying again cannot help (a wrong key, a wrong URL).
    """

    def __init__(
        self,
        label: str,
        message: str,
        advice: str = "",
        *,
        permanent: bool = False,
        retry_after_s: float | None = None,
    ) -> None:
        super().__init__(label, message, advice)
        self.permanent = permanent
        self.retry_after_s = retry_after_s


class RemoteProtocolError(Finding):
    """Bytes from the peer that break the protocol. `close_code` is what RFC 6455 section 7.4.1 says to answer with."""

    def __init__(self, close_code: int, message: str) -> None:
        super().__init__(f"protocol_error_{close_code}", message)
        self.close_code = close_code


class ConnectionLost(Finding):
    """An established connection that ended: `code` is the close code (1006 when no close frame came)."""

    def __init__(self, code: int, reason: str = "") -> None:
        super().__init__(f"closed_{code}", f"connection closed with code {code}")
        self.code = code
        self.reason = reason
