"""What is tested: a service (by connection string, Client URL, negotiate endpoint or Entra ID) or the emulator."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, NamedTuple

from wps_load.auth import ConnectionString
from wps_load.errors import Fault
from wps_load.settings.entra import CREDENTIALS, Identity, default_scope
from wps_load.settings.entra import endpoint as read_endpoint
from wps_load.settings.options import BY_FLAG, TARGET_FLAGS
from wps_load.settings.sources import Locustfile, SourceLevel, given_as
from wps_load.urls import HTTP, WEBSOCKET, Url, without_secrets

AZURE_VARIABLE = "WebPubSubConnectionString"
"""The variable of Azure's samples; read only if no target option is given."""

HOST = "host"
"""The name of Locust's `--host` in its parsed options and on its page."""

_WAYS = f"a connection string (--wps-connection-string, or the variable {AZURE_VARIABLE})"
_ENTRA = "--wps-endpoint with --wps-credential"
_EMULATOR = "--wps-target emulator tests the embedded emulator"
_HOST_ALLOWED = "an endpoint, https://NAME.webpubsub.azure.com, or a Client URL with its token, wss://..."


class TargetKind(StrEnum):
    CONNECTION_STRING = "connection-string"
    CLIENT_URL = "client-url"
    NEGOTIATE = "negotiate"
    ENTRA = "entra"
    EMULATOR = "emulator"


_KINDS = dict(zip(TARGET_FLAGS, TargetKind, strict=False))


@dataclass(frozen=True, slots=True)
class Target:
    """What is tested.

    `connection` is set for a connection string, and for the emulator once it runs (`RunConfig.with_emulator`); `url` is
    the Client URL or negotiate URL, a secret. With Entra ID it is the endpoint, and `identity` says who asks.
    """

    kind: TargetKind
    connection: ConnectionString | None = field(default=None, repr=False)
    url: str = field(default="", repr=False)
    identity: Identity | None = None

    @property
    def is_emulator(self) -> bool:
        return self.kind is TargetKind.EMULATOR

    @property
    def has_key(self) -> bool:
        """Whether tokens and REST calls can be signed."""
        return self.kind in (TargetKind.CONNECTION_STRING, TargetKind.EMULATOR)

    @property
    def makes_tokens(self) -> bool:
        """Whether client tokens can be made for the run, and REST can be called: with a key, or by Entra ID."""
        return self.has_key or self.identity is not None

    @property
    def place(self) -> tuple[str, int]:
        """Its host and port."""
        return _place(self.connection.endpoint if self.connection is not None else self.url)

    def describe(self) -> str:
        """A description for people, without secrets: scheme, host and path at most."""
        if self.is_emulator:
            return "embedded emulator" + (f" at {self.connection.endpoint}" if self.connection else "")
        if self.connection:
            return self.connection.endpoint
        if self.identity is not None:
            return f"{self.url} (Entra ID)"
        return without_secrets(self.url) + (" (negotiated)" if self.kind is TargetKind.NEGOTIATE else "")


class Candidate(NamedTuple):
    """A target, and where it was given: `name` as the user knows it."""

    level: SourceLevel
    name: str
    target: Target


class Host(NamedTuple):
    """Locust's host where it is an endpoint: it names the service but provides no key."""

    level: SourceLevel
    name: str
    address: str


@dataclass(frozen=True, slots=True)
class GivenTarget:
    """The target options that are not wps-load's own. `host`: Locust's."""

    sources: Mapping[str, SourceLevel] = field(default_factory=dict)
    environ: Mapping[str, str] = field(default_factory=dict)
    host: str | None = None
    locustfile: Locustfile = field(default_factory=Locustfile)

    def level(self, dest: str) -> SourceLevel:
        return self.sources.get(dest, SourceLevel.FLAG)


def choose_target(found: Mapping[str, Any], given: GivenTarget, faults: list[Fault], wrong: frozenset[str]) -> Target:
    """The one target given at the highest level of precedence; the embedded emulator if there is none.

    `found`: the options' values by field. `wrong`: flags refused already. Faults, such as two targets at one level, are
    appended to `faults`.
    """
    nothing = Target(TargetKind.EMULATOR)
    if found["target_mode"] == "emulator" or not wrong.isdisjoint((*TARGET_FLAGS, "--wps-target")):
        return nothing  # the fault that is refused already says enough
    before = len(faults)
    candidates = [*_options(found, given)]
    host: Host | None = None
    for each in _hosts(given, faults):
        if isinstance(each, Candidate):
            candidates.append(each)
        else:
            host = each
    if host is not None and found["credential"] is not None and not candidates:
        candidates, host = _by_host(host, found, faults), None
    candidates = candidates or [*_variable(given.environ, faults)]
    if len(faults) > before:
        return nothing
    best = [each for each in candidates if each.level == min(one.level for one in candidates)]
    if len(best) > 1:
        faults.append(Fault(" and ".join(each.name for each in best), None, "only one target may be given"))
    chosen = best[0] if best else None
    if (fault := _credential_fault(found, given, chosen)) is not None:
        faults.append(fault)
    if host is not None and (fault := _host_fault(host, chosen, given.locustfile)) is not None:
        faults.append(fault)
    elif chosen is None and found["target_mode"] == "azure":
        ways = f"{_WAYS}, {_ENTRA}, --wps-client-url or --wps-negotiate-url"
        faults.append(Fault("--wps-target", "azure", f"no target is given: give {ways}; {_EMULATOR}"))
    return nothing if chosen is None else chosen.target


def empty(name: str) -> Fault:
    """The fault of a target that is set to nothing, as in a pipeline that has lost its secret."""
    return Fault(name, "", f"it is set but empty: a secret is missing. Give it a value or unset it; {_EMULATOR}")


def _options(found: Mapping[str, Any], given: GivenTarget) -> Iterator[Candidate]:
    for flag in TARGET_FLAGS:
        option = BY_FLAG[flag]
        value = found[option.field]
        if value is None:
            continue
        level = given.level(option.dest)
        name = given_as(flag, option.env_var, level)
        if flag == "--wps-connection-string":
            yield Candidate(level, name, Target(TargetKind.CONNECTION_STRING, value))
        elif flag == "--wps-endpoint":
            yield Candidate(level, name, _with_entra(value, found))
        else:
            yield Candidate(level, name, Target(_KINDS[flag], url=value))


def _with_entra(endpoint: str, found: Mapping[str, Any]) -> Target:
    """The endpoint as a target. `_credential_fault` refuses a missing credential."""
    identity = Identity(
        found["credential"] or "default", found["token_scope"] or default_scope(endpoint), found["authority"]
    )
    return Target(TargetKind.ENTRA, url=endpoint, identity=identity)


def _credential_fault(found: Mapping[str, Any], given: GivenTarget, chosen: Candidate | None) -> Fault | None:
    """A credential must match the target. One from a lower level than the target's is ignored."""
    credential = found["credential"]
    if chosen is not None and chosen.target.identity is not None:
        names = ", ".join(CREDENTIALS)
        return None if credential else Fault(chosen.name, None, f"it needs --wps-credential: {names}; or give {_WAYS}")
    if credential is None or found["azure_resource"] is not None:
        return None
    option = BY_FLAG["--wps-credential"]
    level = given.level(option.dest)
    if chosen is not None and level > chosen.level:
        return None
    name = given_as(option.flag, option.env_var, level)
    return Fault(name, credential, "it needs --wps-endpoint, which is not the target")


def _variable(environ: Mapping[str, str], faults: list[Fault]) -> Iterator[Candidate]:
    """The variable of Azure's samples, which has the lowest precedence."""
    text = environ.get(AZURE_VARIABLE)
    if text is None:
        return
    if not text.strip():
        faults.append(empty(AZURE_VARIABLE))
        return
    try:
        connection = ConnectionString.parse(text.strip())
    except ValueError as error:
        faults.append(Fault(AZURE_VARIABLE, None, str(error)))
        return
    yield Candidate(SourceLevel.LOCUSTFILE, AZURE_VARIABLE, Target(TargetKind.CONNECTION_STRING, connection))


# -- Locust's host ---------------------------------------------------------------------------------------------


def _hosts(given: GivenTarget, faults: list[Fault]) -> Iterator[Candidate | Host]:
    """Locust's host, else that of one of wps-load's User classes: a Client URL, or the endpoint of a target."""
    if given.host is not None and (given.host.strip() or HOST in given.sources):
        level = given.level(HOST)
        name = "Host" if level is SourceLevel.PAGE else given_as("--host", "LOCUST_HOST", level)
        texts = [(level, name, given.host.strip())]
    else:
        texts = [
            (SourceLevel.LOCUSTFILE, f"host of the class {name}", text) for name, text in given.locustfile.hosts[:1]
        ]
    for level, name, text in texts:
        if not text:
            faults.append(empty(name))
            continue
        try:
            yield _read_host(level, name, text)
        except ValueError as error:
            faults.append(Fault(name, None, str(error)))


def _read_host(level: SourceLevel, name: str, text: str) -> Candidate | Host:
    """Reads Locust's host. Raises ValueError, which says what is allowed."""
    if text.lower().startswith(("ws://", "wss://")):
        return Candidate(level, name, Target(TargetKind.CLIENT_URL, url=BY_FLAG["--wps-client-url"].read(text)))
    if "accesskey=" in text.lower():
        raise ValueError("a connection string goes into --wps-connection-string")
    try:
        address = Url.parse(text if "://" in text else f"https://{text}")
    except ValueError as error:
        raise ValueError(f"{_HOST_ALLOWED}; {error}") from None
    return Host(level, name, address.text)


def _by_host(host: Host, found: Mapping[str, Any], faults: list[Fault]) -> list[Candidate]:
    """An endpoint is a target if Entra ID gives access to it."""
    try:
        return [Candidate(host.level, host.name, _with_entra(read_endpoint(host.address), found))]
    except ValueError as error:
        faults.append(Fault(host.name, without_secrets(host.address), str(error)))
        return []


def _host_fault(host: Host, chosen: Candidate | None, locustfile: Locustfile) -> Fault | None:
    """An endpoint beside a target of the same host is harmless, and other people's users may have another host.

    Without a target, an endpoint of the service (or any host, if all users are ours) shows that the emulator was not
    meant.
    """
    shown, of_service = without_secrets(host.address), "webpubsub" in host.address.lower()
    if locustfile.other_users and (chosen is not None or not of_service):
        return None
    if chosen is None:
        also = "" if of_service else "; --wps-negotiate-url takes an app server's address"
        return Fault(host.name, shown, f"it gives no key: give {_WAYS}, or --wps-credential{also}; {_EMULATOR}")
    if host.level > chosen.level or chosen.target.place == _place(host.address):
        return None
    return Fault(host.name, shown, f"{chosen.name} names another host: give only one target")


def public_host(text: str) -> str:
    """Locust's host as it may be shown: a Client URL without its token."""
    return without_secrets(text) if text.strip().lower().startswith(("ws://", "wss://")) else text


def _place(address: str) -> tuple[str, int]:
    """Host and port of a URL. Raises ValueError if it is not one."""
    url = Url.parse(address, {**HTTP, **WEBSOCKET})
    return url.host, url.port
