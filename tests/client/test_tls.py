from __future__ import annotations

import socket
import ssl
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import gevent.ssl
import pytest
import trustme

from tests.client.loopback import PATIENCE_S, Server, upgrade_answer
from wps_load.client.dial import ConnectSpec, dial
from wps_load.client.negotiate import Negotiator
from wps_load.client.stream import Network
from wps_load.client.tls import make_context
from wps_load.clock import utc_now
from wps_load.errors import ConfigError, ConnectFailure


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def server(authority: trustme.CA) -> Iterator[Server]:
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


def test_a_dot_behind_the_name_is_not_the_certificates(
    server: Server, ca_file: str, names: Callable[..., list[str]]
) -> None:
    names((socket.AF_INET, ("127.0.0.1", server.port)))
    dial(ConnectSpec(server.url("wss", "localhost.")), Network.create(ca_file=ca_file)).sock.close()


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
    def plain(sock: Any, head: str) -> None:
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


# -- the sentence that helps -----------------------------------------------------------------------------------------


def refused(context: ssl.SSLContext, ca_file: str, *, by_negotiate: bool = False) -> ConnectFailure:
    with Server(lambda sock, head: sock.sendall(upgrade_answer(head)), context) as server:
        network = Network.create(ca_file=ca_file)
        negotiator = Negotiator(f"https://localhost:{server.port}/", network, timeout_s=PATIENCE_S)
        spec = ConnectSpec(server.url("wss", "localhost"), timeout_s=PATIENCE_S)
        with pytest.raises(ConnectFailure) as caught:
            negotiator.client_url() if by_negotiate else dial(spec, network)
    return caught.value


def serving(certificate: trustme.LeafCert, **limits: Any) -> ssl.SSLContext:
    context: ssl.SSLContext = gevent.ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    certificate.configure_cert(context)
    for name, value in limits.items():
        setattr(context, name, value)
    return context


@pytest.mark.parametrize("by_negotiate", [False, True])
@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_a_server_that_wants_a_client_certificate(
    authority: trustme.CA, ca_file: str, version: ssl.TLSVersion, *, by_negotiate: bool
) -> None:
    context = serving(authority.issue_cert("localhost"), maximum_version=version, verify_mode=ssl.CERT_REQUIRED)
    trustme.CA().configure_trust(context)
    failure = refused(context, ca_file, by_negotiate=by_negotiate)
    assert failure.label.endswith("tls_failed")
    assert "client certificate" in failure.message
    assert "mutual TLS" in failure.advice


@pytest.mark.parametrize(
    ("begins", "ends", "says"),
    [(-30, -1, "expired"), (2, 9, "not yet valid")],
)
def test_a_certificate_out_of_its_time(authority: trustme.CA, ca_file: str, begins: int, ends: int, says: str) -> None:
    now = utc_now()
    certificate = authority.issue_cert(
        "localhost", not_before=now + timedelta(days=begins), not_after=now + timedelta(days=ends)
    )
    failure = refused(serving(certificate), ca_file)
    assert failure.label == "tls_certificate"
    assert failure.permanent
    assert says in failure.message
    assert "clock" in failure.advice


def test_a_certificate_that_signs_itself(tmp_path: Path, ca_file: str) -> None:
    own = trustme.CA()
    path = tmp_path / "own.pem"
    path.write_bytes(own.private_key_pem.bytes() + own.cert_pem.bytes())
    context = gevent.ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(str(path))
    failure = refused(context, ca_file)
    assert failure.label == "tls_certificate"
    assert "--wps-ca-file" in failure.advice


def test_an_intermediate_that_was_left_out(authority: trustme.CA, ca_file: str, tmp_path: Path) -> None:
    leaf = authority.create_child_ca().issue_cert("localhost")
    path = tmp_path / "leaf.pem"
    path.write_bytes(leaf.private_key_pem.bytes() + leaf.cert_chain_pems[0].bytes())
    context = gevent.ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(str(path))
    failure = refused(context, ca_file)
    assert failure.label == "tls_certificate"
    assert "intermediate" in failure.advice


def test_no_tls_at_a_port_that_should_speak_it() -> None:
    server = gevent.server.StreamServer(("127.0.0.1", 0), lambda sock, _: sock.sendall(b"HTTP/1.1 400 Bad\r\n\r\n"))
    server.start()
    try:
        with pytest.raises(ConnectFailure) as caught:
            dial(ConnectSpec(f"wss://127.0.0.1:{server.server_port}/"), Network.create(insecure=True))
    finally:
        server.stop(timeout=0)
    assert "does not speak TLS" in caught.value.message
    assert "ws://" in caught.value.advice


@pytest.mark.parametrize("answer", [b"\x15\x03\x03\x00\x02\x02\x46", b""])
def test_tls_at_a_port_that_is_asked_without_it(answer: bytes) -> None:
    with Server(lambda sock, head: sock.sendall(answer)) as plain, pytest.raises(ConnectFailure) as caught:
        dial(ConnectSpec(plain.url()), Network.create())
    assert "TLS" in f"{caught.value.message}{caught.value.advice}"
