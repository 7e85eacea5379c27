"""`--wps-connect-host`: sockets and REST calls go elsewhere; names in Host header and TLS are chosen."""

from __future__ import annotations

import ssl
from pathlib import Path
from typing import Any

import gevent.ssl
import pytest
import trustme

from tests.client.loopback import Server, header, upgrade_answer
from wps_load.client.dial import ConnectSpec, dial
from wps_load.client.http1 import HttpClient
from wps_load.client.stream import Network
from wps_load.settings.connect_host import ConnectHost
from wps_load.urls import Url

ENDPOINT = "demo.webpubsub.example"  # nobody resolves it


def answer(sock: Any, head: str) -> None:
    if header(head, "Upgrade"):
        sock.sendall(upgrade_answer(head))
    else:
        sock.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")


def network(server: Server, name: str | None = None, ca_file: str | None = None) -> Network:
    return Network.create(ca_file=ca_file, connect_host=ConnectHost("127.0.0.1", server.port, name))


def connect(way: Network, scheme: str = "ws") -> None:
    dial(ConnectSpec(f"{scheme}://{ENDPOINT}/client/hubs/h?access_token=t", timeout_s=5), way).sock.close()


def call(way: Network, scheme: str = "http") -> None:
    HttpClient(Url.parse(f"{scheme}://{ENDPOINT}/"), way, prefix="rest", timeout_s=5).request("GET", "/api/health", {})


@pytest.mark.parametrize("go", [connect, call])
def test_the_host_header_stays_the_endpoints(go: Any) -> None:
    with Server(answer) as server:
        go(network(server))
        assert header(server.heads[0], "Host") == ENDPOINT


@pytest.mark.parametrize("go", [connect, call])
def test_the_host_header_may_be_another(go: Any) -> None:
    with Server(answer) as server:
        go(network(server, "front.example"))
        assert header(server.heads[0], "Host") == f"front.example:{server.port}"


def test_what_is_not_the_service_goes_straight() -> None:
    with Server(answer) as server:
        way = network(server, "front.example").straight
        HttpClient(Url.parse(f"http://127.0.0.1:{server.port}/"), way, prefix="x", timeout_s=5).request("GET", "/", {})
        assert header(server.heads[0], "Host") == f"127.0.0.1:{server.port}"


@pytest.mark.parametrize("name", [None, "front.example"])
@pytest.mark.parametrize(("go", "scheme"), [(connect, "wss"), (call, "https")])
def test_sni_and_the_certificate_are_of_the_name(tmp_path: Path, go: Any, scheme: str, name: str | None) -> None:
    asked: list[str | None] = []
    authority = trustme.CA()
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    context = gevent.ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(name or ENDPOINT).configure_cert(context)
    context.sni_callback = lambda sock, server_name, own: asked.append(server_name)
    with Server(answer, context) as server:
        go(network(server, name, str(tmp_path / "ca.pem")), scheme)
    assert asked == [name or ENDPOINT]
