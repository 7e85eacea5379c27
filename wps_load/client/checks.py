"""The checks of `doctor`, and those that need no network: pure functions of what they judge."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

from wps_load.errors import ExitCode, Finding
from wps_load.machine import RESERVED_FILES
from wps_load.plurals import counted
from wps_load.protocol.traits import TRAITS
from wps_load.workload.scenarios import JOIN_AND_PUBLISH, default_roles

CLOCK_WARN_S: Final = 10
CLOCK_FAIL_S: Final = 300
"""Validators of tokens commonly allow for five minutes between clocks."""
CERTIFICATE_WARN_S: Final = 14 * 86_400

_JOIN: Final = JOIN_AND_PUBLISH[0]


class Level(StrEnum):
    PASS = "pass"
    WARN = "warn"
    FAIL = "fail"
    SKIP = "skip"


@dataclass(frozen=True, slots=True)
class Check:
    """One result: what was found, and what to do about it if it did not pass.

    `label`: the label of a failure; `way`: in a mix, the path to the target that it is about.
    """

    name: str
    level: Level
    found: str
    advice: str = ""
    label: str = ""
    way: str = ""


def exit_code(checks: Iterable[Check]) -> ExitCode:
    """1 if a check failed; warnings and skipped checks do not count."""
    failed = any(check.level is Level.FAIL for check in checks)
    return ExitCode.REQUEST_FAILURES if failed else ExitCode.PASSED


def failed(name: str, finding: Finding) -> Check:
    return Check(name, Level.FAIL, f"{finding.message} [{finding.label}]", finding.advice, finding.label)


def skipped(name: str, why: str) -> Check:
    return Check(name, Level.SKIP, why)


# -- this machine --------------------------------------------------------------------------------------------


def open_files(hard_limit: int, users: int | None, processes: int) -> Check:
    """Each connection is a descriptor of its worker; a run raises the soft limit to the hard one itself."""
    name, room = "open files", max(0, hard_limit - RESERVED_FILES)
    kept = f" (its limit of {hard_limit:,} less {RESERVED_FILES} for other files)"
    if users is None:
        return Check(
            name, Level.PASS, f"room for {room:,} connections per process{kept}; give -u to see whether that is enough"
        )
    each = math.ceil(users / processes)
    found = f"{each:,} connections per process, room for {room:,}{kept}"
    if each <= room:
        return Check(name, Level.PASS, found)
    advice = "raise the hard limit (ulimit -Hn, LimitNOFILE=)"
    if room:
        advice += f", or run {math.ceil(users / room)} workers (--processes)"
    return Check(name, Level.FAIL, found, advice)


def local_ports(
    range_: tuple[int, int] | None, users: int | None, addresses: int, reopened_per_s: float = 0.0
) -> Check:
    """`addresses`: of the target, multiplied by those that connections come from.

    A connection needs a local port of its own for each such pair; a closed one keeps its port for a minute if this side
    closed it (TIME_WAIT).
    """
    name = "local ports"
    if range_ is None:
        return Check(name, Level.SKIP, "this system does not report its range of local ports")
    room = (range_[1] - range_[0] + 1) * max(1, addresses)
    if users is None:
        return Check(name, Level.PASS, f"{room:,} to this target")
    needed = users + math.ceil(reopened_per_s * 60)
    found = f"{needed:,} needed, {room:,} to this target"
    advice = "widen net.ipv4.ip_local_port_range, add source addresses (--wps-bind), or use more machines"
    if needed > room:
        return Check(name, Level.FAIL, found, advice)
    if needed > 0.8 * room:
        return Check(name, Level.WARN, found, advice)
    return Check(name, Level.PASS, found)


def processors(cpus: int, processes: int, load_average: float, *, emulator: bool) -> Check:
    """Workers need a core each, and the embedded emulator one more."""
    name = "processors"
    busy = processes + (1 if emulator else 0)
    found = f"{cpus} for {counted(processes, 'process')}"
    found += " and the emulator" if emulator else ""
    if busy > cpus:
        return Check(
            name,
            Level.WARN,
            found,
            "they will compete for CPU, which adds to latencies: use fewer processes or a larger machine",
        )
    if load_average > 0.5 * cpus:
        return Check(
            name,
            Level.WARN,
            f"{found}; the machine is busy (load average {load_average:.1f})",
            "stop other programs: they add to latencies",
        )
    return Check(name, Level.PASS, found)


def precise_timer(available: bool) -> Check:
    """Due times are kept within 0.1 ms by timerfd; elsewhere the event loop sleeps in whole milliseconds."""
    if available:
        return Check("timer", Level.PASS, "messages are sent within 0.1 ms of their due time")
    return Check("timer", Level.WARN, "this system has no timerfd: messages may be up to 1 ms late", "run on Linux")


def clock(offset_s: float | None) -> Check:
    """`offset_s`: this machine's clock minus the target's, to the second; None: the target sent no time."""
    name = "clock"
    if offset_s is None:
        return Check(name, Level.SKIP, "the target does not report its time")
    found = f"{abs(offset_s):.0f} s {'ahead of' if offset_s > 0 else 'behind'} the target's"
    advice = "set the clock (NTP): a token's validity depends on it"
    if abs(offset_s) > CLOCK_FAIL_S:
        return Check(name, Level.FAIL, found, advice)
    if abs(offset_s) > CLOCK_WARN_S:
        return Check(name, Level.WARN, found, advice)
    return Check(name, Level.PASS, "within a few seconds of the target's")


# -- certificate and token -------------------------------------------------------------------------------------


def certificate(expires_s: int | None, now_s: int, protocol: str, *, verified: bool) -> Check:
    """Judges a successful handshake.

    `expires_s`: seconds since the epoch; None: unknown, because it was not verified.
    """
    name = "TLS"
    if not verified or expires_s is None:
        return Check(name, Level.WARN, f"{protocol}; the certificate is not verified", "leave out --wps-insecure")
    days = (expires_s - now_s) // 86_400
    found = f"{protocol}; the certificate is trusted and expires in {days} days"
    if expires_s - now_s < CERTIFICATE_WARN_S:
        return Check(name, Level.WARN, found, "renew the certificate soon")
    return Check(name, Level.PASS, found)


def token(
    claims: Mapping[str, Any] | None,
    *,
    path: str,
    scenario: str,
    protocol: str,
    now_s: int,
    run_s: float | None,
    minted: bool,
) -> Check:
    """Whether the Client URL's token opens this path, for long enough, with the roles that the scenario needs.

    `path`: the URL's. `run_s`: the length of the run, if known. Only claims are read: signatures are the service's
    business.
    """
    name = "token"
    if claims is None:
        return Check(name, Level.FAIL, "the URL's access_token is not a JWT", "ask for a new Client URL")
    fault = _token_fault(claims, path, now_s, run_s, minted)
    if fault is not None:
        return fault
    lacking = lacking_roles(roles_of(claims), scenario, protocol, minted=minted)
    if lacking is not None:
        return lacking
    return Check(name, Level.PASS, f"valid for {_left(claims, now_s)}; {_shown(roles_of(claims))}")


def roles_of(claims: Mapping[str, Any]) -> tuple[str, ...]:
    """The roles in a token."""
    return _texts(claims.get("role"))


def lacking_roles(
    roles: Sequence[str], scenario: str, protocol: str, *, minted: bool, listens: bool = False
) -> Check | None:
    """The missing roles; None: these roles are enough for the scenario.

    `listens`: its users join the groups of others; a raw client's groups are in its token.
    """
    joins = [_JOIN] if listens and TRAITS[protocol].enveloped else []
    needed = dict.fromkeys((*default_roles(scenario, protocol), *joins))
    missing = [role for role in needed if not _grants(roles, role)]
    if not missing:
        return None
    advice = "give the token these roles" + (" (--wps-roles)" if minted else " where it is made")
    return Check("token", Level.FAIL, f"{scenario} needs {' and '.join(missing)}; {_shown(roles)}", advice)


def _shown(roles: Sequence[str]) -> str:
    return f"roles: {', '.join(roles) or 'none'}"


def _token_fault(claims: Mapping[str, Any], path: str, now_s: int, run_s: float | None, minted: bool) -> Check | None:
    name = "token"
    how = "raise --wps-token-lifetime" if minted else "ask for a Client URL that is valid longer"
    expires = claims.get("exp")
    if isinstance(expires, int | float):
        if expires <= now_s:
            return Check(name, Level.FAIL, "it has expired", "ask for a new Client URL")
        if run_s is not None and expires - now_s < run_s:
            return Check(name, Level.WARN, f"it is valid for {_left(claims, now_s)}, the run lasts {run_s:g} s", how)
    audiences = _texts(claims.get("aud"))
    if audiences and not any(audience.rstrip("/").endswith(path.rstrip("/")) for audience in audiences):
        return Check(name, Level.FAIL, "its audience is not the hub in the URL", "ask for a new Client URL")
    return None


def _left(claims: Mapping[str, Any], now_s: int) -> str:
    expires = claims.get("exp")
    return f"{expires - now_s:.0f} s" if isinstance(expires, int | float) else "ever"


def _texts(value: Any) -> tuple[str, ...]:
    if isinstance(value, str):
        return (value,)
    return tuple(str(each) for each in value) if isinstance(value, Sequence) else ()


def _grants(roles: Sequence[str], needed: str) -> bool:
    """Whether a role for single groups or patterns might be enough for the groups in use: the echo check decides."""
    return any(role == needed or role.startswith((f"{needed}.", f"{needed}s.")) for role in roles)
