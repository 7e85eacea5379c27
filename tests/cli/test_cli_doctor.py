"""`wps-load doctor` against the emulator, and against what is broken."""

from __future__ import annotations

import json
import socket
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import gevent.server
import gevent.ssl
import pytest
import trustme

from tests.cli.cli_program import Run
from wps_load import machine
from wps_load.emulator.process import EmulatorProcess

pytestmark = pytest.mark.program  # doctor imports what a run imports, in a process of its own

SUBPROTOCOLS = ("json", "json-reliable", "protobuf", "protobuf-reliable")


def lines(out: str) -> dict[str, str]:
    """What each check said, by its name."""
    rows = [line for line in out.splitlines() if line.startswith("  ") and not line.startswith("   ")]
    return {row[8:20].strip(): row[2:6].strip() + " " + row[21:] for row in rows}


@pytest.fixture
def target(emulator: EmulatorProcess) -> list[str]:
    return ["--wps-connection-string", emulator.connection_string, "--wps-connect-timeout", "5s"]


class TestWell:
    @pytest.mark.program
    def test_without_a_target_an_emulator_of_its_own(self, run: Run) -> None:
        result = run("doctor", "--users", "10", "--wps-emulator-faults", "delay=1ms")
        found = lines(result.out)
        assert (result.code, result.err) == (0, "")
        assert result.out.startswith("Target: embedded emulator at http://127.0.0.1:")
        assert found["echo"].startswith("pass through a group in ")
        assert found["TLS"].startswith("skip")
        assert list(found)[-1] == "local ports"
        assert result.out.splitlines()[-1].endswith(" 0 failed.")

    def test_a_ready_name_in_front_as_for_run(self, run: Run, target: list[str]) -> None:
        result = run("doctor", "idle", *target, "--json")
        assert (result.code, json.loads(result.out)["scenario"]) == (0, "idle")

    def test_as_one_document(self, run: Run, target: list[str]) -> None:
        result = run("doctor", "--json", *target, "--wps-units", "1", "--users", "2000")
        document = json.loads(result.out)
        found = {check["name"]: check for check in document["checks"]}
        assert (document["exit_code"], result.code) == (0, 0)
        assert found["health"]["level"] == found["upgrade"]["level"] == "pass"
        assert "loopback" in found["name"]["found"]
        assert "signed with an access key" in found["token"]["found"]
        assert found["units"]["level"] == "warn"

    def test_the_machine_alone_needs_no_target(self, run: Run) -> None:
        result = run("doctor", "--machine", "--wps-connection-string", "Endpoint=http://127.0.0.1:1;AccessKey=k;")
        found = lines(result.out)
        assert result.code == 0
        assert list(found)[-1] == "first limit"
        assert {"messages", "connects", "open files", "memory", "flows"} <= set(found)
        assert "upgrade" not in found

    def test_a_machine_that_cannot_hold_the_load(self, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(machine, "hard_open_files", lambda: 1024)
        result = run("doctor", "--machine", "--users", "2000", "--processes", "2", "--wps-scenario", "idle")
        assert result.code == 1
        assert lines(result.out)["first limit"] == "fail open files, at 1,848 connections to one service"
        assert "messages" not in lines(result.out), "idle users have none to measure"

    def test_source_addresses_of_another_host_are_refused_in_one_sentence(self, run: Run) -> None:
        result = run("doctor", "--machine", "--wps-bind", "203.0.113.7")
        assert (result.code, result.out) == (2, "")
        assert result.err == ("wps-load doctor: --wps-bind '203.0.113.7': addresses of this host (see `ip address`)\n")

    @pytest.mark.parametrize("protocol", SUBPROTOCOLS)
    @pytest.mark.parametrize("data_type", ["text", "json", "binary"])
    def test_an_echo_over_every_subprotocol(self, run: Run, target: list[str], protocol: str, data_type: str) -> None:
        result = run("doctor", *target, "--wps-protocol", protocol, "--wps-data-type", data_type)
        assert result.code == 0
        assert lines(result.out)["echo"].startswith("pass through a group in ")

    @pytest.mark.parametrize("protocol", ["simple", "json"])
    def test_an_answer_of_the_event_handler(self, run: Run, target: list[str], protocol: str) -> None:
        result = run("doctor", *target, "--wps-scenario", "upstream", "--wps-protocol", protocol)
        assert lines(result.out)["echo"].startswith("pass the event handler answered in ")

    @pytest.mark.parametrize("scenario", ["broadcast", "send-to-user"])
    @pytest.mark.parametrize("protocol", ["simple", "json", "protobuf"])
    def test_a_send_by_rest_where_the_scenario_sends_so(
        self, run: Run, target: list[str], scenario: str, protocol: str
    ) -> None:
        result = run("doctor", *target, "--wps-scenario", scenario, "--wps-protocol", protocol)
        found = lines(result.out)
        assert result.code == 0
        assert found["REST"].startswith("pass sent to one ")
        assert found["echo"].startswith("skip")

    def test_a_client_url_is_read_and_used_but_not_shown(self, run: Run, target: list[str]) -> None:
        url = run("token", *target, "--user", "u").out.strip()
        result = run("doctor", "--wps-client-url", url)
        assert result.code == 0
        assert lines(result.out)["client URL"].startswith("pass given")
        assert url.partition("access_token=")[2] not in result.out + result.err

    def test_each_way_of_a_mix(self, run: Run, target: list[str], tmp_path: Path) -> None:
        file = tmp_path / "mix.toml"
        file.write_text(
            '[[population]]\nname = "hosts"\nusers = 1\nscenario = "big-group"\nprotocol = "protobuf"\n'
            '[[population]]\nname = "viewers"\nusers = 9\nprotocol = "simple"\nlistens-to = "hosts"\n'
            '[[population]]\nname = "app"\nusers = 0\nscenario = "broadcast"\n'
        )
        result = run("doctor", *target, "--wps-mix", file)
        assert (result.code, result.err) == (0, "")
        _, hosts, viewers = result.out.split(":\n")[:3]
        assert result.out.count("(protobuf, hub bench):\n") == result.out.count("viewers (simple, hub bench):\n") == 1
        assert lines(hosts)["echo"].startswith("pass through a group in ")
        assert lines(hosts)["REST"].startswith("pass sent to one ")
        assert lines(viewers)["upgrade"].startswith("pass no subprotocol")
        wrong = run("doctor", *target, "--wps-mix", file, "--wps-roles", "webpubsub.sendToGroup", "--json")
        document = json.loads(wrong.out)
        assert wrong.code == 1
        assert {check["way"] for check in document["checks"] if check["level"] == "fail"} == {
            "hosts, app (protobuf, hub bench)"
        }

    def test_token_in_the_header(self, run: Run, target: list[str]) -> None:
        assert run("doctor", *target, "--wps-auth", "header").code == 0


class TestBroken:
    def test_roles_are_missed_in_the_claims_and_by_the_service(self, run: Run, target: list[str]) -> None:
        result = run("doctor", *target, "--wps-roles", "webpubsub.joinLeaveGroup")
        found = lines(result.out)
        assert result.code == 1
        assert found["token"].startswith("fail echo needs webpubsub.sendToGroup")
        assert found["echo"] == "fail the service refused the publication [ack_forbidden]"

    def test_a_wrong_key(self, run: Run, target: list[str]) -> None:
        wrong = target[1].replace("AccessKey=A", "AccessKey=Z")
        result = run("doctor", "--wps-connection-string", wrong)
        found = lines(result.out)
        assert result.code == 1
        assert found["upgrade"].startswith("fail the service does not accept the token (status 401)")
        assert found["echo"] == "skip upgrade failed"

    @pytest.mark.program
    def test_messages_that_do_not_come_back(self, run: Run) -> None:
        result = run("doctor", "--wps-emulator-faults", "drop=1/1", "--wps-connect-timeout", "300ms")
        assert result.code == 1
        assert lines(result.out)["echo"] == "fail the message did not come back in 0.3 s [no_answer]"

    @pytest.mark.program
    def test_a_service_that_refuses(self, run: Run) -> None:
        result = run("doctor", "--wps-emulator-faults", "throttle=1/1")
        assert "status 429" in lines(result.out)["upgrade"]
        assert result.code == 1

    def test_nobody_listens(self, run: Run) -> None:
        with socket.socket() as bound:
            bound.bind(("127.0.0.1", 0))
            result = run("doctor", "--wps-connection-string", connection(bound.getsockname()[1], "http"))
        found = lines(result.out)
        assert result.code == 1
        assert found["TCP"].startswith("fail")
        assert {found[name] for name in ("TLS", "clock", "upgrade", "echo", "REST")} == {"skip TCP failed"}

    def test_a_negotiate_endpoint_that_is_not_there(self, run: Run) -> None:
        with socket.socket() as bound:
            bound.bind(("127.0.0.1", 0))
            url = f"http://127.0.0.1:{bound.getsockname()[1]}/negotiate?code=t0ps3cret"
            result = run("doctor", "--wps-negotiate-url", url)
        assert result.code == 1
        assert "negotiate_connect_refused" in lines(result.out)["client URL"]
        assert "t0ps3cret" not in result.out + result.err

    def test_too_few_open_files(self, run: Run, target: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(machine, "hard_open_files", lambda: 1024)
        result = run("doctor", *target, "--users", "2000", "--processes", "2")
        assert result.code == 1
        assert lines(result.out)["open files"].startswith("fail 1,000 connections per process")


class TestTls:
    @pytest.fixture
    def authority(self) -> trustme.CA:
        return trustme.CA()

    def test_trusted(self, run: Run, authority: trustme.CA, tmp_path: Path) -> None:
        authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
        with tls_server(authority) as port:
            result = run("doctor", "--wps-connection-string", connection(port), "--wps-ca-file", "ca.pem")
        assert "the certificate is trusted and expires in " in lines(result.out)["TLS"]
        assert lines(result.out)["TLS"].startswith("pass TLSv1.")

    def test_unknown_authority(self, run: Run, authority: trustme.CA) -> None:
        with tls_server(authority) as port:
            result = run("doctor", "--wps-connection-string", connection(port))
        assert lines(result.out)["TLS"].endswith("[tls_certificate]")
        assert "--wps-ca-file" in result.out
        assert result.code == 1

    def test_unverified_is_a_warning(self, run: Run, authority: trustme.CA) -> None:
        with tls_server(authority) as port:
            result = run("doctor", "--wps-connection-string", connection(port), "--wps-insecure")
        assert lines(result.out)["TLS"].startswith("warn")


@pytest.mark.parametrize(
    ("argv", "said"),
    [
        (["--processes", "0"], "--processes '0': "),
        (["--wps-scenario", "nothing"], "--wps-scenario 'nothing': "),
        (["--wps-protocol", "simple", "--wps-scenario", "big-group"], "--wps-protocol 'simple': "),
    ],
)
def test_usage(run: Run, argv: list[str], said: str) -> None:
    result = run("doctor", *argv)
    assert (result.code, result.out) == (2, "")
    assert said in result.err


def connection(port: int, scheme: str = "https") -> str:
    return f"Endpoint={scheme}://127.0.0.1:{port};AccessKey={'k' * 44};Version=1.0;"


@contextmanager
def tls_server(authority: trustme.CA) -> Iterator[int]:
    """Does the handshake, answers nothing."""
    context = gevent.ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    server = gevent.server.StreamServer(("127.0.0.1", 0), lambda sock, _: sock.close(), ssl_context=context)
    server.start()
    try:
        yield server.server_port
    finally:
        server.stop(timeout=0)


def test_an_encrypted_target_is_reached_through_its_proxy_from_the_first_check_on(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """HTTPS_PROXY alone is set, so that plain TCP must take it too."""
    asked: list[bytes] = []

    def refuse(sock: socket.socket, _: object) -> None:
        asked.append(sock.recv(4096).partition(b"\r\n")[0])
        sock.sendall(b"HTTP/1.1 502 Bad Gateway\r\n\r\n")
        sock.close()

    server = gevent.server.StreamServer(("127.0.0.1", 0), refuse)
    server.start()
    monkeypatch.setenv("HTTPS_PROXY", f"http://127.0.0.1:{server.server_port}")
    for name in ("https_proxy", "http_proxy", "HTTP_PROXY", "no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
    try:
        result = run("doctor", "--wps-connection-string", f"Endpoint=https://nowhere.invalid;AccessKey={'k' * 44};")
    finally:
        server.stop(timeout=0)
    assert asked == [b"CONNECT nowhere.invalid:443 HTTP/1.1"]
    assert lines(result.out)["name"].endswith("(the proxy's)")
    assert "[proxy_failed]" in lines(result.out)["TCP"]
