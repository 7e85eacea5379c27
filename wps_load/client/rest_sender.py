"""The REST data plane as an app server uses it: sending to all, a group, a user, a connection.

Source: Azure Web PubSub documentation, "REST API data plane"; api-version 2024-01-01. 202 means accepted,
also for a group, user or connection that does not exist.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final
from urllib.parse import quote, urlencode

from wps_load.client.http1 import HttpClient, HttpResponse
from wps_load.client.refusals import TRAFFIC, answer_of, forbidden
from wps_load.client.rest_access import EntraCalls, RestAccess
from wps_load.client.stream import Network
from wps_load.client.token_time import remarks
from wps_load.clock import unix_time_s
from wps_load.errors import ConnectFailure, Finding
from wps_load.protocol.messages import DataType
from wps_load.urls import Url

API_VERSION: Final = "2024-01-01"

_CONTENT_TYPES: Final = (
    (DataType.TEXT, "text/plain; charset=utf-8"),
    (DataType.JSON, "application/json"),
    (DataType.BINARY, "application/octet-stream"),
)
UNANSWERED: Final = (
    "a REST send was not answered: whether its message was published is unknown",
    "the time for an answer is --wps-answer-timeout, and ends with the drain",
)


class RestFailure(Finding):
    """A request that was not accepted. `retry_after_s`: the service's Retry-After."""

    def __init__(self, label: str, message: str, advice: str, retry_after_s: float | None = None) -> None:
        super().__init__(label, message, advice)
        self.retry_after_s = retry_after_s


class Unanswered(RestFailure):
    """The request was sent, but the service did not answer: whether its message was published is unknown."""


class RestSender:
    """An app server's sending side for one hub, over kept connections; safe to share between greenlets.

    Every method blocks its greenlet until the service has answered, and raises RestFailure with the label `rest_NNN`;
    Unanswered with `rest_timeout`, `rest_reset`, `rest_invalid`, or the `rest_502` or `rest_504` of a gateway; or
    ConnectFailure with `rest_` before a label of opening a connection.
    """

    def __init__(self, access: RestAccess, hub: str, network: Network, *, timeout_s: float = 15.0) -> None:
        self._access = access
        self._base = f"/api/hubs/{quote(hub, safe='')}"
        self._http = HttpClient(Url.parse(access.endpoint), network, prefix="rest", timeout_s=timeout_s)
        self._content_types = dict(_CONTENT_TYPES)

    def send_to_all(self, data: bytes, data_type: DataType) -> None:
        self._send("", data, data_type)

    def send_to_group(self, group: str, data: bytes, data_type: DataType) -> None:
        self._send(f"/groups/{quote(group, safe='')}", data, data_type)

    def send_to_user(self, user_id: str, data: bytes, data_type: DataType) -> None:
        self._send(f"/users/{quote(user_id, safe='')}", data, data_type)

    def send_to_connection(self, connection_id: str, data: bytes, data_type: DataType) -> None:
        self._send(f"/connections/{quote(connection_id, safe='')}", data, data_type)

    def close(self) -> None:
        self._http.close()

    def _send(self, audience: str, data: bytes, data_type: DataType) -> None:
        headers = {"Content-Type": self._content_types[data_type]}
        response = self.request("POST", f"{audience}/:send", headers=headers, body=data)
        if not 200 <= response.status_code < 300:
            raise self.refused(response, "send")

    def request(
        self,
        method: str,
        path: str,
        query: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        body: bytes | None = None,
    ) -> HttpResponse:
        """Makes any request to the hub; `path` follows the hub's name. Any status is a result."""
        target = f"{self._base}{path}?{urlencode({**(query or {}), 'api-version': API_VERSION}, quote_via=quote)}"
        head = {
            "Authorization": self._access.authorization(self._access.endpoint + target),
            **(headers or {}),
            "User-Agent": "wps-load",
        }
        try:
            return self._http.request(method, target, head, body)
        except ConnectFailure as failure:
            if not failure.unanswered:
                raise
            raise _unanswered(failure.label) from failure

    def refused(self, response: HttpResponse, what: str) -> RestFailure:
        """The failure for a status. `what` was requested: a word such as `send`."""
        return _refused(response, what, by_entra=isinstance(self._access, EntraCalls))


def _refused(response: HttpResponse, what: str, *, by_entra: bool) -> RestFailure:
    status, kind, said = response.status_code, "", ""
    advice = "check the state of the resource"
    if status in (502, 504):  # a gateway answers because the service did not, or not in time (RFC 9110 section 15.6)
        return _unanswered(f"rest_{status}")
    if status == 401:
        advice = "check the access key and the endpoint; keys may be switched off (disableLocalAuth)"
        if by_entra:
            advice = "check tenant and scope (--wps-token-scope); Entra ID may be switched off (disableAadAuth)"
        said = remarks(response.get("date"), unix_time_s(), "")
    elif status == 403:
        advice = "check the network rules of the resource: they must allow REST calls from here"
        meaning = forbidden(answer_of(response), TRAFFIC["rest"])
        if meaning is not None:
            kind, said, advice = meaning.kind, meaning.what, meaning.advice
    elif status == 404:
        advice = "check the endpoint and the hub"
    elif status == 413:
        advice = "send messages below 1 MB"
    elif status == 429:
        advice = "the service throttles: lower the rate or add units"
    return RestFailure(
        f"rest_{status}{'_' if kind else ''}{kind}",
        f"the service refused a REST {what} (status {status}){': ' + said if said else ''}",
        advice,
        response.retry_after_s,
    )


def _unanswered(label: str) -> Unanswered:
    return Unanswered(label, *UNANSWERED)
