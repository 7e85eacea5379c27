"""Who refused a request, and what to do, from its status, headers and the beginning of its body. Pure.

A network rule answers from a module in front of the service, before a token is looked at: 403 in HTML or plain text,
without an error code. A role that is missing is the service's own answer, in JSON, and names the data action. A connect
event handler may answer 403 as well. This program has not seen any of them on Azure yet. Source: Azure Web PubSub
documentation, "Network access control", "Integrate with Application Gateway", "Authorize from application with
Microsoft Entra ID"; Azure REST API guidelines for `x-ms-error-code`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final

from wps_load.client.http1 import HttpResponse
from wps_load.client.quote import quote

LONG_CHARS: Final = 400
"""The longest sentence that is passed on whole, because it names the missing role."""
OWNER: Final = "Web PubSub Service Owner (12cf5a90-567b-43ae-8102-96cf46c7d9b4)"
"""The only built-in role whose holder may make client tokens that connect."""
ROLE_ADVICE: Final = (
    f"give the identity the role {OWNER} on the resource; a new assignment takes minutes, up to 30, to take effect"
)
_NETWORK: Final = (
    "a network rule in front of the service forbids it",
    "allow this machine's address and {traffic} in the resource's networking (IP rules, public network access), or go "
    "by its private endpoint",
)
_TAG: Final = re.compile(r"<[^>]*>")
_ACTION: Final = re.compile(r"Microsoft\.SignalRService/[\w/*.-]+")


@dataclass(frozen=True, slots=True)
class RefusedAnswer:
    """A refusal as it came. `headers`: lower-case names. `body`: as much of it as there is."""

    status: int
    headers: Mapping[str, str]
    body: bytes = b""

    @property
    def code(self) -> str:
        """The service's own error code; empty: it gave none, so that something in front may have spoken."""
        return self.headers.get("x-ms-error-code") or str(self._json().get("code") or "")

    @property
    def message(self) -> str:
        """The service's message, made safe to be shown; empty: there is none in JSON."""
        return quote(str(self._json().get("message") or ""), LONG_CHARS)

    @property
    def html(self) -> bool:
        return "html" in self.headers.get("content-type", "").lower() or self.body.lstrip()[:1] == b"<"

    def _json(self) -> dict[str, Any]:
        try:
            found = json.loads(self.body)
        except ValueError:
            return {}
        if not isinstance(found, dict):
            return {}
        inner = found.get("error")
        return inner if isinstance(inner, dict) else found


@dataclass(frozen=True, slots=True)
class Meaning:
    """The meaning of a refusal. `kind` ends its label: `network`, `role`; empty if the status says everything."""

    kind: str
    what: str
    advice: str

    def label(self, prefix: str, status: int) -> str:
        """`http_403_network`, `token_http_403_role`."""
        return f"{prefix}{status}{'_' if self.kind else ''}{self.kind}"


def answer_of(response: HttpResponse) -> RefusedAnswer:
    """A REST call's response."""
    headers = {name: response.header(name) or "" for name in ("x-ms-error-code", "content-type")}
    return RefusedAnswer(response.status_code, headers, bytes(response.body))


def forbidden(answer: RefusedAnswer, traffic: str) -> Meaning | None:
    """The meaning of a 403; None: nothing shows who answered.

    `traffic`: the network rules' name of what was refused.
    """
    if _names_role(answer):
        said = answer.message or f"error code {answer.code}"
        return Meaning("role", f"the identity lacks a role: {said}", ROLE_ADVICE)
    plain = _TAG.sub(" ", answer.body[:2048].decode("latin-1")).split()
    if not answer.code and (answer.html or plain[:2] == ["403", "Forbidden"]):
        what, advice = _NETWORK
        return Meaning("network", f"{what}, before any token is looked at", advice.format(traffic=traffic))
    return None


def _names_role(answer: RefusedAnswer) -> bool:
    message = answer.message.lower()
    named = _ACTION.search(answer.message) is not None
    return named or "role assignment" in message or (answer.code == "Error.Forbidden" and not answer.html)


TRAFFIC: Final = MappingProxyType({"upgrade": "ClientConnection", "rest": "RESTAPI", "token": "RESTAPI"})
