"""What is said of clocks where a token is refused."""

from __future__ import annotations

import base64
import json
from email.utils import formatdate
from typing import Any

import pytest

from tests.client.loopback import Server
from wps_load.client.dial import ConnectSpec, dial
from wps_load.client.stream import Network
from wps_load.client.token_time import remarks, token_of
from wps_load.clock import unix_time_s
from wps_load.errors import ConnectFailure

NOW_S = 1_800_000_000


def jwt(**claims: Any) -> str:
    body = base64.urlsafe_b64encode(json.dumps(claims).encode()).decode().rstrip("=")
    return f"e30.{body}.sig"


def server_at(seconds: float) -> str:
    """The Date header of a server whose clock shows so much more than this machine's."""
    return formatdate(NOW_S + seconds, usegmt=True)


@pytest.mark.parametrize(
    ("date", "token", "said"),
    [
        (None, "a.b.c", ""),
        (server_at(0), jwt(iat=NOW_S, exp=NOW_S + 60), ""),
        (server_at(-5), jwt(iat=NOW_S), ""),
        (server_at(-420), "", "this machine's clock is 7 min ahead of the server's"),
        (server_at(90), "", "this machine's clock is 90 s behind the server's"),
        (server_at(86_400 * 3), "", "this machine's clock is 3 days behind the server's"),
        (None, jwt(exp=NOW_S - 300), "the token expired 5 min ago"),
        (server_at(0), jwt(nbf=NOW_S + 600), "the token becomes valid in 10 min"),
        (
            server_at(-420),
            jwt(iat=NOW_S, exp=NOW_S + 3600),
            "this machine's clock is 7 min ahead of the server's; it was issued 7 min in the future",
        ),
        (
            server_at(7200),
            jwt(iat=NOW_S, exp=NOW_S + 3600),
            "this machine's clock is 2.0 h behind the server's; the token expired 60 min ago",
        ),
        ("yesterday", jwt(exp="soon", iat=True), ""),
    ],
)
def test_remarks(date: str | None, token: str, said: str) -> None:
    assert remarks(date, NOW_S, token) == said


def test_where_the_token_is() -> None:
    assert token_of("a=1&access_token=t.o.k&b=2", {}) == "t.o.k"
    assert token_of("a=1", {"Authorization": "Bearer t.o.k"}) == "t.o.k"
    assert token_of("", {}) == ""


def test_a_401_names_the_clock_and_no_token() -> None:
    date = formatdate(unix_time_s() - 420, usegmt=True)
    answer = f"HTTP/1.1 401 Unauthorized\r\nDate: {date}\r\nContent-Length: 0\r\n\r\n".encode()
    with Server(lambda sock, head: sock.sendall(answer)) as server, pytest.raises(ConnectFailure) as caught:
        dial(ConnectSpec(server.url()), Network.create(environ={}))
    assert caught.value.label == "http_401"
    assert "status 401): this machine's clock is 7 min ahead of the server's" in caught.value.message
    assert "SECRET" not in caught.value.message
