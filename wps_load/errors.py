"""Every error of wps-load, and whose fault it is.

    WpsLoadError
    ├── ConfigError            the user's settings (exit code 2); lists every fault at once
    ├── LocalProtocolError     wps-load, or a locustfile, broke the protocol: never a finding
    │   ├── WrongType            an argument's type (a TypeError too)
    │   └── WrongValue           an argument's value (a ValueError too)
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
from enum import IntEnum, StrEnum


class ExitCode(IntEnum):
    """What the process tells a pipeline. Which of several wins: see `worst`."""

    PASSED = 0
    REQUEST_FAILURES = 1
    USAGE = 2
    SLO_FAILED = 3
    INVALID = 4
    REGRESSION = 5
    STOPPED = 6


_SEVERITY = (
    ExitCode.USAGE,
    ExitCode.INVALID,
    ExitCode.SLO_FAILED,
    ExitCode.REGRESSION,
    ExitCode.STOPPED,
    ExitCode.REQUEST_FAILURES,
    ExitCode.PASSED,
)


def severity(code: ExitCode) -> int:
    """The rank of a code: when several apply, the first of 2, 4, 3, 5, 6, 1, 0 wins."""
    return _SEVERITY.index(code)


def worst(codes: Sequence[ExitCode]) -> ExitCode:
    """The code that wins when several apply."""
    return min(codes, key=severity, default=ExitCode.PASSED)


class WpsLoadError(Exception):
    """Base of every error that this package raises on purpose."""


@dataclass(frozen=True, slots=True)
class Fault:
    """One wrong setting. `option` as the user knows it, `value` as given (never a secret), and what is allowed."""

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
    """wps-load, or a locustfile, tried something that the protocol forbids in this state."""


class WrongType(LocalProtocolError, TypeError):
    """An argument's type cannot be sent. The text names the argument, its type and the type that is needed."""


class WrongValue(LocalProtocolError, ValueError):
    """The service would refuse an argument's value. The text names the value and what is allowed."""


class Finding(WpsLoadError):
    """An outcome on the other side.

    `label` is from a fixed vocabulary; `message` and `advice` are for the log, secret-free.
    """

    def __init__(self, label: str, message: str, advice: str = "") -> None:
        self.label = label
        self.message = message
        self.advice = advice
        super().__init__(message)


class ConnectFailure(Finding):
    """A connection that did not become usable.

    `retry_after_s`: the server's Retry-After. `permanent`: trying again cannot help (a wrong key, a wrong URL).
    `unanswered`: an HTTP request was sent and got no answer, so the server may have carried it out.
    """

    unanswered = False

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
    """Bytes from the peer broke the protocol. `close_code` is the answer that RFC 6455 section 7.4.1 demands."""

    def __init__(self, close_code: int, message: str) -> None:
        super().__init__(f"protocol_error_{close_code}", message)
        self.close_code = close_code


class EndedBy(StrEnum):
    """Who ended an established connection. Each has its own sentence and label."""

    SERVICE = "service"
    """The peer sent a close frame: `closed_NNNN`, by its code (1005: it named none)."""
    NETWORK = "network"
    """TCP ended without a close frame, and nobody knows who ended it: `closed_1006` (RFC 6455 section 7.1.5)."""
    PROTOCOL = "protocol"
    """wps-load did, because the peer broke the protocol: `protocol_error_NNNN`, by the code that it answered with."""
    SILENCE = "silence"
    """wps-load did, because nothing arrived any more, not even an answer to a ping: `keepalive_timeout`."""
    CONNACK = "connack"
    """The service refused MQTT's CONNECT: `connack_0xNN`, by its code, verbatim."""
    DISCONNECT = "disconnect"
    """The service sent MQTT's DISCONNECT: `disconnect_0xNN`, by its code, verbatim."""
    SESSION = "session"
    """The service had no MQTT session to continue."""
    BUG = "bug"
    """wps-load did, because its own code failed: `client_error`."""


_NO_STATUS = 1005
_ABNORMAL = 1006


class ConnectionLost(Finding):
    """An established connection that ended.

    `code`: the close code, the peer's or ours (1005: none was named; 1006: no close frame came). `reason`: short text
    that may be shown; the code that takes it from the peer has sanitised it.
    """

    def __init__(self, code: int, reason: str = "", ended_by: EndedBy | None = None) -> None:
        self.code = code
        self.reason = reason
        self.ended_by = ended_by or (EndedBy.NETWORK if code == _ABNORMAL else EndedBy.SERVICE)
        what, label, advice = self._told()
        super().__init__(label, f"{what}: {reason}" if reason else what, advice)

    def after(self, farewell: str) -> ConnectionLost:
        """The same end, with the service's message before it (`disconnected`), if that adds something."""
        if not farewell or farewell in self.reason:
            return self
        told = ConnectionLost(self.code, f"{self.reason}; {farewell}" if self.reason else farewell, self.ended_by)
        told.__cause__ = self.__cause__
        return told

    def _told(self) -> tuple[str, str, str]:
        """What happened, without the reason; its label; and the advice."""
        code = self.code
        if self.ended_by is EndedBy.PROTOCOL:
            what = f"wps-load ended the connection (code {code}), because the peer broke the protocol"
            return what, f"protocol_error_{code}", "check that the target is Web PubSub and speaks --wps-protocol"
        if self.ended_by is EndedBy.SILENCE:
            advice = "the service has stopped, or a NAT or load balancer on the way has forgotten the connection"
            return "the service went silent, and wps-load gave the connection up", "keepalive_timeout", advice
        if self.ended_by is EndedBy.CONNACK:
            what = f"the service refused the connection (CONNACK 0x{code:02x})"
            return what, f"connack_0x{code:02x}", "check the token, and the hub's connect event handler"
        if self.ended_by is EndedBy.DISCONNECT:
            what = f"the service ended the connection (DISCONNECT 0x{code:02x})"
            return what, f"disconnect_0x{code:02x}", "check the token's roles, and the state of the resource"
        if self.ended_by is EndedBy.SESSION:
            return "the service did not continue the session", "session_absent", "it keeps one for 30 s"
        if self.ended_by is EndedBy.BUG:
            return "wps-load ended the connection, by a bug of its own", "client_error", "the log has its traceback"
        if self.ended_by is EndedBy.NETWORK:
            what = "the connection broke without a close frame (code 1006)"
            return what, "closed_1006", "check the network, and proxies or load balancers on the way"
        named = "without naming a code (1005)" if code == _NO_STATUS else f"with code {code}"
        advice = "check the hub's settings and event handlers, and the state of the resource"
        return f"the service closed the connection {named}", f"closed_{code}", advice
