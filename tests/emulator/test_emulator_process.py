"""The emulator as a program and as a child process."""

from __future__ import annotations

import os
import select
import signal
import socket
import ssl
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest
import trustme
from websockets.sync.client import connect

from wps_load.auth import DEFAULT_EMULATOR_KEY, ConnectionString, client_url_with_token, mint_client_token
from wps_load.clock import unix_time_s
from wps_load.commands import upstream
from wps_load.emulator.main import run
from wps_load.emulator.process import EmulatorFailed, EmulatorProcess


@pytest.mark.program
def test_a_child_serves_tells_its_stats_and_stops() -> None:
    with EmulatorProcess.start(faults="drop=1/2", units=1) as emulator:
        parsed = ConnectionString.parse(emulator.connection_string)
        assert parsed.access_key == DEFAULT_EMULATOR_KEY
        assert emulator.stats()["deliveries"] == 0
        assert emulator.alive()
        assert os.getsid(emulator.pid) == emulator.pid
    assert not emulator.alive()
    assert emulator.stop() == 0


@pytest.mark.program
def test_a_child_that_cannot_start_says_so() -> None:
    with pytest.raises(EmulatorFailed, match="ended at once with exit code 2"):
        EmulatorProcess.start(faults="nonsense")


@pytest.mark.program
def test_an_interrupt_does_not_end_a_child_but_the_end_of_its_parent_does() -> None:
    program = textwrap.dedent("""
        import os, sys
        from gevent import monkey; monkey.patch_all()
        from wps_load.emulator.process import EmulatorProcess
        emulator = EmulatorProcess.start()
        os.kill(emulator.pid, 2)
        emulator.stats()
        print(emulator.pid, flush=True)
        sys.stdin.read()
    """)
    parent = subprocess.Popen([sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    assert parent.stdin is not None
    with parent.stdin, parent.stdout:
        pid = int(parent.stdout.readline())
        ended = os.pidfd_open(pid)
        try:
            parent.kill()
            parent.wait()
            assert select.select([ended], [], [], 10)[0]
        finally:
            os.close(ended)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
@pytest.mark.program
def test_a_signal_ends_the_program_cleanly(number: signal.Signals, tmp_path: Path) -> None:
    settings = tmp_path / "appsettings.json"
    settings.write_text('{"WebPubSub": {"AccessKey": "key of the file", "Hubs": {"h": {"EventListeners": [{}]}}}}')
    options = ["--hub-settings", str(settings)] if number is signal.SIGTERM else []
    program = subprocess.Popen(
        [sys.executable, "-m", "wps_load.emulator", "--port", "0", *options],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert program.stdout is not None
    line = program.stdout.readline()
    assert line.startswith("Connection string: Endpoint=http://127.0.0.1:")
    assert line.endswith(";Version=1.0;\n")
    program.send_signal(number)
    out, err = program.communicate(timeout=10)
    assert (program.returncode, out) == (0, "")
    assert "{ allowInsecureConnection: true }" in err
    assert ("nothing is sent to Event Hubs" in err) is bool(options)
    assert ("AccessKey=key of the file;" in line) is bool(options)
    assert err.count("Error") == 0


@pytest.mark.parametrize(
    ("argv", "warns"),
    [
        (["--host", "127.0.0.1"], False),
        (["--host", "localhost"], False),
        (["--host", "0.0.0.0"], True),
        (["--host", "0.0.0.0", "--access-key", "a-key-of-its-own-that-nobody-else-has"], False),
    ],
)
@pytest.mark.program
def test_the_public_key_is_for_this_host_only(argv: list[str], warns: bool) -> None:
    with subprocess.Popen(
        [sys.executable, "-m", "wps_load.emulator", "--port", "0", "--exit-with-stdin", *argv],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as program:
        assert program.stdout is not None
        assert program.stdout.readline().startswith("Connection string: ")
        _, err = program.communicate(timeout=10)
    assert ("its access key is the public one" in err) is warns


@pytest.mark.parametrize(
    ("argv", "says"),
    [
        (["--faults", "drop=2"], "--faults: drop=2: a share is needed"),
        (["--units", "x"], "--units x: a number from 1 to 1000, or 'free', is needed"),
        (["--port", "70000"], "--port 70000: a number from 0 to 65535"),
        (["--access-key", ""], "--access-key: a key is needed"),
        (["--event-handler", "localhost"], "--event-handler: a URL"),
        (["--event-handler", "tunnel:///x"], "--event-handler: a URL"),
        (
            ["--event-handler", "http://x", "--system-events", "connect,joined"],
            "--system-events 'joined': only connect",
        ),
        (["--system-events", "connect"], "--system-events needs --event-handler with a URL"),
        (["--hub-settings", "/nowhere"], "--hub-settings /nowhere: No such file or directory"),
        (["--hub-settings", "/"], "--hub-settings /: Is a directory"),
        (["--recovery-window", "30"], "--recovery-window 30: a duration such as"),
        (["--event-handler-timeout", "0"], "--event-handler-timeout: seconds above 0"),
        (["--tls-key", "x"], "--tls-key needs --tls-cert"),
        (["--tls-cert", "/nowhere"], "--tls-cert, --tls-key: cannot be used"),
    ],
)
def test_wrong_options_are_one_sentence_and_exit_code_2(
    argv: list[str], says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(argv) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert says in err
    assert err.count("\n") == 1


@pytest.mark.program
def test_a_busy_port_is_one_sentence_and_exit_code_2() -> None:
    with socket.create_server(("127.0.0.1", 0)) as busy:
        port = str(busy.getsockname()[1])
        for name in ("emulator", "upstream"):
            program = f"import sys; from wps_load.commands.{name} import run;sys.exit(run(['--port', '{port}']))"
            result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=20)
            assert result.returncode == 2
            assert f"cannot listen on 127.0.0.1:{port}: Address already in use" in result.stderr
            assert "Traceback" not in result.stderr


def test_upstream_refuses_an_unreadable_connection_string(capsys: pytest.CaptureFixture[str]) -> None:
    assert upstream.run(["--connection-string", "AccessKey=s3cret"]) == 2
    assert "no Endpoint=" in capsys.readouterr().err


@pytest.mark.program
def test_a_fork_of_the_parent_neither_ends_the_child_nor_keeps_it_alive() -> None:
    emulator = EmulatorProcess.start()
    reading, writing = os.pipe()
    fork = os.fork()
    if fork == 0:  # holds the pipe to the emulator open until the test lets it go
        os.close(writing)
        emulator.stop()
        os.read(reading, 1)
        os._exit(0)
    try:
        os.close(reading)
        assert emulator.stats()["connections"] == 0
        assert emulator.stop() == 0
    finally:
        os.close(writing)
        os.waitpid(fork, 0)


@pytest.mark.program
def test_serves_tls(tmp_path: Path) -> None:
    authority = trustme.CA()
    certificate = authority.issue_cert("localhost")
    chain, key = tmp_path / "chain.pem", tmp_path / "key.pem"
    key.write_bytes(certificate.private_key_pem.bytes())
    chain.write_bytes(b"".join(blob.bytes() for blob in certificate.cert_chain_pems))
    argv = ["--host", "localhost", "--port", "0", "--tls-cert", str(chain), "--tls-key", str(key)]
    program = subprocess.Popen([sys.executable, "-m", "wps_load.emulator", *argv], stdout=subprocess.PIPE, text=True)
    try:
        assert program.stdout is not None
        line = program.stdout.readline()
        parsed = ConnectionString.parse(line.removeprefix("Connection string: "))
        assert parsed.tls
        trust = ssl.create_default_context()
        authority.configure_trust(trust)
        token = mint_client_token(parsed, "bench", now_s=unix_time_s())
        url = client_url_with_token(parsed, "bench", token)
        with connect(url, ssl=trust, proxy=None) as client:
            client.send("over TLS")
            assert client.recv() == "over TLS"
            client.send("x" * (1 << 20))
            assert len(client.recv()) == 1 << 20
    finally:
        program.terminate()
        program.communicate(timeout=10)
