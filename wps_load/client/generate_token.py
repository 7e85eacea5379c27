"""Client tokens made by the service: `:generateToken`, one REST call each.

Source: Azure Web PubSub REST specification, "Web PubSub - Generate Client Token", api-version 2024-12-01.
"""

from __future__ import annotations

import math
from typing import Final, NamedTuple
from urllib.parse import quote as escape
from urllib.parse import urlencode

import orjson

from wps_load.client.http1 import HttpClient, HttpResponse
from wps_load.client.refusals import TRAFFIC, Meaning, answer_of, forbidden
from wps_load.client.rest_access import RestAccess
from wps_load.client.stream import Network
from wps_load.client.token_time import remarks
from wps_load.clock import now_ns, unix_time_s
from wps_load.errors import ConnectFailure
from wps_load.urls import Url

API_VERSION: Final = "2024-12-01"
_ADVICE: Final = {
    400: "check the hub's name, roles and groups",
    401: "check tenant and scope (--wps-token-scope); the resource may have Entra ID switched off (disableAadAuth)",
    403: "check the identity's role on the resource, and the resource's networking",
    404: "check the endpoint and the hub",
    429: "the service throttles REST calls: lower --wps-token-rate, or share tokens (--wps-client-tokens)",
}


class Wanted(NamedTuple):
    """The contents of a client token.

    `user_id` None: it has none. `client_type`: of its endpoint; empty: the default.
    """

    hub: str
    user_id: str | None
    roles: tuple[str, ...]
    groups: tuple[str, ...]
    lifetime_s: int
    client_type: str = ""

    @property
    def target(self) -> str:
        """The request's path and query. Roles and groups repeat their key; minutes are whole, at least one."""
        pairs = [("userId", self.user_id)] if self.user_id is not None else []
        pairs += [("role", role) for role in self.roles] + [("group", group) for group in self.groups]
        pairs += [("clientType", self.client_type)] if self.client_type else []
        pairs += [("minutesToExpire", str(max(1, math.ceil(self.lifetime_s / 60)))), ("api-version", API_VERSION)]
        return f"/api/hubs/{escape(self.hub, safe='')}/:generateToken?{urlencode(pairs)}"


class TokenMaker:
    """Requests tokens from the service, over kept connections; safe to share between greenlets."""

    def __init__(self, access: RestAccess, network: Network, *, timeout_s: float) -> None:
        self._access = access
        self._http = HttpClient(Url.parse(access.endpoint), network, prefix="token", timeout_s=timeout_s)

    def make(self, wanted: Wanted) -> tuple[str, int]:
        """A token, and the duration of the call in ns.

        Raises ConnectFailure: `token_http_NNN`, `token_http_403_role`, `token_http_403_network`, `token_invalid`, or
        `token_` before a label of opening a connection.
        """
        url = self._access.endpoint + wanted.target
        headers = {
            "Authorization": self._access.authorization(url),
            "Accept": "application/json, text/json",
            "User-Agent": "wps-load",
        }
        began_ns = now_ns()
        response = self._http.request("POST", wanted.target, headers, b"")
        took_ns = now_ns() - began_ns
        if response.status_code != 200:
            raise refused(response)
        try:
            token = orjson.loads(bytes(response.body))["token"]
            if not isinstance(token, str) or not token.isascii() or not token.isprintable():
                raise ValueError
        except (ValueError, KeyError, TypeError):
            raise ConnectFailure(
                "token_invalid", "the service's answer to :generateToken has no token", "check the endpoint"
            ) from None
        return token, took_ns

    def close(self) -> None:
        self._http.close()


def refused(response: HttpResponse) -> ConnectFailure:
    """The failure for an answer without a token. 403, 408, 429 and 5xx may pass; the caller decides how long to try."""
    status = response.status_code
    answer = answer_of(response)
    meaning = forbidden(answer, TRAFFIC["token"]) if status == 403 else None
    if meaning is None:
        said = f": {answer.message}" if answer.message else ""
        if status == 401 and (times := remarks(response.header("date"), unix_time_s(), "")):
            said += f"; {times}"
        meaning = Meaning("", f"the service makes no client token{said}", _ADVICE.get(status, "check the resource"))
    return ConnectFailure(
        meaning.label("token_http_", status),
        f"{meaning.what} (status {status} to :generateToken)",
        meaning.advice,
        permanent=status < 500 and status not in (408, 425, 429),
        retry_after_s=response.retry_after_s,
    )
