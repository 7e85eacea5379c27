"""Tokens of Microsoft Entra ID for this process, by azure-identity, which is imported only if it is needed.

They are kept and renewed as azure-core's bearer token policy does it (`BearerTokenCredentialPolicy`): at the time that
Entra ID names, else in the last five minutes, a random minute earlier so that workers do not ask together. While the
old token is valid, the new one is fetched in the background and nobody waits.
"""

from __future__ import annotations

import importlib.util
import logging
import os
import random
from collections.abc import Callable
from typing import Any, Final, NamedTuple, Protocol

import gevent

from wps_load.client.quote import quote
from wps_load.clock import unix_time_s
from wps_load.errors import ConfigError, ConnectFailure, Fault
from wps_load.settings.entra import Identity

EXTRA: Final = "it needs azure-identity: pip install 'wps-load[entra]'"
_LAST_S: Final = 300
_JITTER_S: Final = 60
_RETRY_S: Final = 30
_SAID_CHARS: Final = 700
_KNOWN_AUTHORITIES: Final = (
    "login.microsoftonline.com",
    "login.microsoftonline.us",
    "login.chinacloudapi.cn",
    "login.partner.microsoftonline.cn",
)
_ADVICE: Final = {
    "default": "see which of the credentials is meant, and give it: --wps-credential cli, managed-identity, ...",
    "managed-identity": "give this machine an identity (a user-assigned one: its client id in AZURE_CLIENT_ID)",
    "workload-identity": "check AZURE_CLIENT_ID, AZURE_TENANT_ID and AZURE_FEDERATED_TOKEN_FILE, and the federation",
    "service-principal": "check AZURE_CLIENT_ID, AZURE_TENANT_ID and AZURE_CLIENT_SECRET or a certificate",
    "cli": "run `az login`",
}


class EntraToken(NamedTuple):
    """`expires_s`, `refresh_s`: seconds since the epoch; `refresh_s` None: Entra ID named no time."""

    text: str
    expires_s: int
    refresh_s: int | None


class RelayedToken(NamedTuple):
    """A token with the attributes of azure-core's `AccessTokenInfo`."""

    token: str
    expires_on: int
    refresh_on: int | None


class Credential(Protocol):
    """The interface of azure-identity's credentials."""

    def get_token_info(self, *scopes: str) -> Any: ...


def judge_extra(identity: Identity | None) -> None:
    """Before a run: raises ConfigError if azure-identity is needed but missing. Does not import it."""
    if identity is None:
        return
    try:
        found = importlib.util.find_spec("azure.identity")
    except ModuleNotFoundError:
        found = None
    if found is None:
        raise ConfigError([Fault("--wps-credential", identity.credential, EXTRA)])


def make_credential(identity: Identity) -> Credential:
    """A credential of azure-identity. Raises ConfigError without it; ConnectFailure if its settings are missing."""
    judge_extra(identity)
    import azure.identity as entra

    for name in ("azure", "msal"):  # the failure's own sentence is enough; their logs are long
        logging.getLogger(name).setLevel(logging.CRITICAL)
    authority = identity.authority or os.environ.get("AZURE_AUTHORITY_HOST")
    options: dict[str, Any] = {} if authority is None else {"authority": authority}
    if authority is not None and not any(known in authority.lower() for known in _KNOWN_AUTHORITIES):
        options["disable_instance_discovery"] = True  # else the public cloud would be asked about a private one
    makers: dict[str, Callable[[], Any]] = {
        "default": lambda: entra.DefaultAzureCredential(**options),
        "managed-identity": lambda: entra.ManagedIdentityCredential(client_id=os.environ.get("AZURE_CLIENT_ID")),
        "workload-identity": lambda: entra.WorkloadIdentityCredential(**options),
        "service-principal": lambda: entra.EnvironmentCredential(**options),
        "cli": entra.AzureCliCredential,
    }
    try:
        credential: Credential = makers[identity.credential]()
    except ValueError as error:
        raise _failure(identity, "unavailable", error, permanent=True) from None
    return credential


class EntraTokens:
    """One identity's token. `make` makes its credential when it is first needed."""

    def __init__(
        self,
        identity: Identity,
        make: Callable[[Identity], Credential] = make_credential,
        now_s: Callable[[], int] = unix_time_s,
    ) -> None:
        self._identity = identity
        self._make = make
        self._now_s = now_s
        self._credential: Credential | None = None
        self._token: EntraToken | None = None
        self._asking: Any = None
        self._jitter_s = random.uniform(0, _JITTER_S)
        self._not_before_s = 0.0
        self.relayed = False

    def token(self) -> str:
        """A valid token, a secret. In the caller's greenlet, which waits only if there is none.

        Raises ConnectFailure: `token_credential_unavailable`, `_refused`, `_unreachable`.
        """
        return self.whole().text

    def whole(self) -> EntraToken:
        """The token with its times."""
        token, now_s = self._token, self._now_s()
        if token is not None and now_s < token.expires_s:
            if self._is_due(token, now_s) and self._asking is None and now_s >= self._not_before_s:
                self._not_before_s = now_s + _RETRY_S
                self._ask()
            return token
        answer = (self._asking or self._ask()).get()
        if isinstance(answer, ConnectFailure):
            raise answer
        assert isinstance(answer, EntraToken)
        return answer

    def _is_due(self, token: EntraToken, now_s: float) -> bool:
        if token.refresh_s is not None:
            return now_s >= token.refresh_s + self._jitter_s
        return token.expires_s - now_s < _LAST_S - self._jitter_s + _JITTER_S

    def _ask(self) -> Any:
        """One request at a time, in a greenlet of its own, because a caller's time limit must not end it."""
        self._asking = gevent.spawn(self._fetch)
        return self._asking

    def _fetch(self) -> EntraToken | ConnectFailure:
        try:
            if self._credential is None:
                self._credential = self._make(self._identity)
            found = self._credential.get_token_info(self._identity.scope)
            refresh = found.refresh_on
            self._token = EntraToken(found.token, int(found.expires_on), None if refresh is None else int(refresh))
            return self._token
        except ConnectFailure as failure:
            return failure
        except ConfigError as error:
            return ConnectFailure("token_credential_unavailable", str(error), permanent=True)
        except Exception as error:  # a library's, with causes of its own for each credential
            kind = _kind(error)
            return _failure(self._identity, kind, error, permanent=kind != "unreachable")
        finally:
            self._asking = None


_known: dict[Identity, EntraTokens] = {}


class Relayed:
    """A credential whose tokens come from another process: a fork's master."""

    def __init__(self, ask: Callable[[], EntraToken]) -> None:
        self._ask = ask

    def get_token_info(self, *scopes: str) -> RelayedToken:
        token = self._ask()
        return RelayedToken(token.text, token.expires_s, token.refresh_s)


def relay(identity: Identity, ask: Callable[[], EntraToken]) -> None:
    """From now on this process gets the identity's tokens from `ask`."""
    if identity not in _known or not _known[identity].relayed:
        _known[identity] = EntraTokens(identity, lambda _: Relayed(ask))
        _known[identity].relayed = True


def tokens_of(identity: Identity) -> EntraTokens:
    """The same object for all callers in this process: one request to Entra ID serves clients, senders and doctor."""
    if identity not in _known:
        _known[identity] = EntraTokens(identity)
    return _known[identity]


def _kind(error: Exception) -> str:
    """The kind of failure by class name, so that azure-core is not imported for it."""
    names = {cls.__name__ for cls in type(error).__mro__}
    if "CredentialUnavailableError" in names:
        return "unavailable"
    return "refused" if "ClientAuthenticationError" in names else "unreachable"


_SAID: Final = {
    "unavailable": "there is no credential of the kind {kind} here",
    "refused": "Entra ID gives no token to the credential {kind}",
    "unreachable": "Entra ID cannot be reached for a token (credential {kind})",
}


def _failure(identity: Identity, kind: str, error: Exception, *, permanent: bool) -> ConnectFailure:
    said = quote(str(getattr(error, "message", None) or error), _SAID_CHARS)
    what = _SAID[kind].format(kind=identity.credential)
    advice = _ADVICE[identity.credential]
    if kind == "unreachable":
        advice = "check DNS, firewall and proxy (HTTPS_PROXY) on the way to Entra ID, and --wps-authority"
    return ConnectFailure(f"token_credential_{kind}", f"{what}: {said}", advice, permanent=permanent)
