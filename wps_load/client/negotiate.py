"""The negotiate endpoint of an app server: one Client URL for each new connection.

It uses GET, as Azure's samples and browsers do: redirects are followed, and credentials in the URL are sent as Basic,
but to no other server. `negotiate_answer` reads the answers.
"""

from __future__ import annotations

from typing import Final

from wps_load.client.http1 import HttpClient, HttpResponse
from wps_load.client.negotiate_answer import NoClientUrl, client_url, shown_body, unpacked
from wps_load.client.stream import Network
from wps_load.clock import NS_PER_S, now_ns
from wps_load.errors import ConnectFailure
from wps_load.urls import Url

_HEADERS: Final = (
    ("Accept", "application/json, text/plain;q=0.9, */*;q=0.1"),
    ("Accept-Encoding", "gzip, deflate"),
    ("User-Agent", "wps-load"),
)
MAX_REDIRECTS: Final = 5
_REDIRECTS: Final = (301, 302, 303, 307, 308)


class Negotiator:
    """Calls one endpoint, over kept connections. The URL may hold a secret and appears nowhere."""

    def __init__(self, url: str, network: Network, *, timeout_s: float = 15.0) -> None:
        """Raises ValueError if `url` is not http:// or https://."""
        self._url = Url.parse(url)
        self._network = network
        self._timeout_s = timeout_s
        self._clients: dict[tuple[str, str, int], HttpClient] = {}

    def client_url(self) -> str:
        """A Client URL, secret: it carries its token. In the caller's greenlet.

        Raises ConnectFailure: `negotiate_http_NNN`, `negotiate_invalid`, `negotiate_timeout`,
        `negotiate_reset`, or `negotiate_` before a label of opening a connection
        (`negotiate_connect_refused`, `negotiate_dns_failed`, ...).
        """
        deadline_ns = now_ns() + int(self._timeout_s * NS_PER_S)
        url = self._url
        for _ in range(MAX_REDIRECTS + 1):
            response = self._ask(url, deadline_ns)
            if response.status_code not in _REDIRECTS:
                return self._read(response)
            url = _redirected(url, response)
        raise _invalid(f"it redirects more than {MAX_REDIRECTS} times", "give its final address as --wps-negotiate-url")

    def _ask(self, url: Url, deadline_ns: int) -> HttpResponse:
        server = (url.scheme, url.host, url.port)
        client = self._clients.get(server)
        if client is None:
            client = HttpClient(url, self._network, prefix="negotiate", timeout_s=self._timeout_s)
            self._clients[server] = client
        headers = dict(_HEADERS)
        if url.basic is not None:
            headers["Authorization"] = url.basic
        left_s = max(0.001, (deadline_ns - now_ns()) / NS_PER_S)
        return client.request("GET", url.target, headers, timeout_s=left_s)

    def _read(self, response: HttpResponse) -> str:
        status, encoding = response.status_code, response.header("content-encoding")
        if not 200 <= status < 300:
            raise self._refused(response)
        try:
            return client_url(unpacked(bytes(response.body), encoding))
        except NoClientUrl as problem:
            said = f"the negotiate endpoint answered with status {status}, but {problem}"
            advice = "check --wps-negotiate-url: it must name the endpoint that hands out Client URLs"
            raise ConnectFailure("negotiate_invalid", said, advice, permanent=True) from None

    def close(self) -> None:
        for client in self._clients.values():
            client.close()

    def _refused(self, response: HttpResponse) -> ConnectFailure:
        status = response.status_code
        advice = "check the app server's log"
        if status in (401, 403):
            advice = "the app server wants a login: let it accept the load test (user:password@ in the URL is sent)"
        elif status == 404:
            advice = "check the path of --wps-negotiate-url"
        elif status == 405:
            advice = f"it is asked with GET; it allows {response.header('allow') or 'other methods'}"
        elif status == 429:
            advice = "the app server throttles: ramp up more slowly"
        shown = shown_body(bytes(response.body), response.header("content-encoding"), self._url)
        return ConnectFailure(
            f"negotiate_http_{status}",
            f"the negotiate endpoint answered with status {status}{f': {shown}' if shown else ''}",
            advice,
            permanent=status < 500 and status not in (408, 425, 429),
            retry_after_s=response.retry_after_s,
        )


def _redirected(url: Url, response: HttpResponse) -> Url:
    """The redirection's target: the same host or https://, never out of TLS."""
    status = response.status_code
    location = response.header("location")
    if location is None:
        raise _invalid(f"it redirects (status {status}) without saying where", "check the app server", status)
    try:
        new = url.redirected(location)
    except ValueError:
        raise _invalid(
            f"it redirects (status {status}) to an address that is not http", "check the app server", status
        ) from None
    if (url.tls and not new.tls) or (not new.tls and new.host != url.host):
        what = "out of TLS" if url.tls else "to another host without TLS"
        raise _invalid(
            f"it redirects (status {status}) {what}, to http://{new.host}, which is not followed",
            "give the final address as --wps-negotiate-url, if it may be trusted",
            status,
        )
    return new


def _invalid(what: str, advice: str, status: int | None = None) -> ConnectFailure:
    label = "negotiate_invalid" if status is None else f"negotiate_http_{status}"
    return ConnectFailure(label, f"the negotiate endpoint gave no Client URL: {what}", advice, permanent=True)
