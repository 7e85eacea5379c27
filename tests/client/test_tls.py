from __future__ import annotations

import ssl
from pathlib import Path

import gevent.ssl
import pytest
import trustme
from loopback import Server, upgrade_answer

from wps_load.client.dial import ConnectSpec, dial
from wps_load.client.stream import Network
from wps_load.client.tls import make_context
from wps_load.errors import ConfigError, ConnectFailure


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def server(authority: trustme.CA):
    context = gevent.ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost").configure_cert(context)
    with Server(lambda sock, head: sock.sendall(upgrade_answer(head)), context) as server:
        yield server


@pytest.fixture
def ca_file(authority: trustme.CA, tmp_path: Path) -> str:
    path = tmp_path / "ca.pem"
    authority.cert_pem.write_to_path(str(path))
    return str(path)


def test_a_trusted_certificate_connects_and_tls_is_timed(server: Server, ca_file: str) -> None:
    dialed = dial(ConnectSpec(server.url("wss", "localhost")), Network.create(ca_file=ca_file))
    assert dialed.secure
    assert dialed.timings.tls_ns is not None
    assert dialed.timings.tls_ns > 0
    dialed.sock.close()


def test_an_unknown_authority_is_named_and_permanent(server: Server) -> None:
    with pytest.raises(ConnectFailure) as caught:
        dial(ConnectSpec(server.url("wss", "localhost")), Network.create())
    assert caught.value.label == "tls_certificate"
    assert caught.value.permanent
    assert "--wps-ca-file" in caught.value.advice


def test_a_certificate_for_another_name_is_refused(server: Server, ca_file: str) -> None:
    with pytest.raises(ConnectFailure) as caught:
        dial(ConnectSpec(server.url("wss", "127.0.0.1")), Network.create(ca_file=ca_file))
    assert caught.value.label == "tls_certificate"
    assert "127.0.0.1" in caught.value.message


def test_insecure_accepts_any_certificate(server: Server) -> None:
    dialed = dial(ConnectSpec(server.url("wss", "127.0.0.1")), Network.create(insecure=True))
    dialed.sock.close()


def test_a_port_without_tls_fails_with_a_label() -> None:
    def plain(sock, head: str) -> None:
        sock.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")

    # what looks like a head to the scripted server never comes: it answers when the client gives up or at
    # once
    server = gevent.server.StreamServer(("127.0.0.1", 0), lambda sock, _: plain(sock, ""))
    server.start()
    try:
        with pytest.raises(ConnectFailure) as caught:
            dial(ConnectSpec(f"wss://127.0.0.1:{server.server_port}/"), Network.create(insecure=True))
    finally:
        server.stop(timeout=0)
    assert caught.value.label == "tls_failed"


def test_a_peer_that_hangs_up_during_the_handshake() -> None:
    server = gevent.server.StreamServer(("127.0.0.1", 0), lambda sock, _: sock.close())
    server.start()
    try:
        with pytest.raises(ConnectFailure) as caught:
            dial(ConnectSpec(f"wss://127.0.0.1:{server.server_port}/"), Network.create(insecure=True))
    finally:
        server.stop(timeout=0)
    assert caught.value.label in ("tls_failed", "connect_reset")


@pytest.mark.parametrize("content", [None, "not a certificate"])
def test_an_unusable_ca_file_is_a_configuration_fault(tmp_path: Path, content: str | None) -> None:
    path = tmp_path / "ca.pem"
    if content is not None:
        path.write_text(content)
    with pytest.raises(ConfigError, match="--wps-ca-file"):
        make_context(str(path))
