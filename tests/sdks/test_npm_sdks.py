"""The official npm SDKs, which know nothing of us, against the emulator. Each file's checks run in one Node process."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import trustme

from tests.ports import free_port
from tests.sdks.node_scripts import FOLDER, assert_passed, running
from wps_load.auth import ConnectionString
from wps_load.emulator.process import EmulatorProcess

pytestmark = [pytest.mark.node, pytest.mark.usefixtures("packages"), pytest.mark.timeout(300)]  # npm may be slow

SCHEMA = FOLDER.parents[1] / "wps_load" / "protocol" / "webpubsub.proto"
PROTOCOLS = ("json", "json-reliable", "protobuf", "protobuf-reliable")
OF_ALL = ("everyKindOfData", "flags", "mayNot", "isTold")
ALL_SYSTEM_EVENTS = "connect,connected,disconnected"
OF_RELIABLE = ("recovers", "lostAck", "gone")


@contextmanager
def printing(*arguments: str) -> Iterator[str]:
    """A Python program that serves; the first line that it prints."""
    process = subprocess.Popen([sys.executable, *arguments], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    try:
        yield process.stdout.readline().strip()
    finally:
        process.terminate()
        process.wait()
        process.stdout.close()


def test_client_sdk(emulator: EmulatorProcess) -> None:
    service = ConnectionString.parse(emulator.connection_string)
    upstream = ("-m", "wps_load.cli", "upstream", "--port", "0", "--connection-string", emulator.connection_string)
    with printing(*upstream) as line, running("node", "client_sdk.mjs") as script:
        negotiate = line.removeprefix("Negotiate: ")
        script.order(endpoint=service.endpoint, key=service.access_key, schema=str(SCHEMA), negotiate=negotiate)
        results = script.checks()

    expected = {f"{check} {protocol}" for check in OF_ALL for protocol in PROTOCOLS}
    for protocol in PROTOCOLS:
        own = OF_RELIABLE if protocol.endswith("reliable") else ("withoutRecovery",)
        expected |= {f"{check} {protocol}" for check in own}
    assert_passed(results, expected | {"wrongToken json", "negotiated json"})


def test_streams_and_invocations_of_the_client_sdk(emulator: EmulatorProcess) -> None:
    """The client declares Node 22, and does with 20 what is asked of it here."""
    service = ConnectionString.parse(emulator.connection_string)
    with running("node", "client_previews.mjs") as script:
        script.order(endpoint=service.endpoint, key=service.access_key)
        results = script.checks()

    of_all = (
        "streamsFromEndToEnd", "streamsOfOneConnectionAtOnce", "aStreamThatItsPublisherAborts", "anIdleStream",
        "aStreamThatMayNot", "invocations",
    )  # fmt: skip
    expected = {f"{check} {protocol}" for check in of_all for protocol in ("json", "json-reliable")}
    assert_passed(results, expected | {"aStreamOverARecovery json-reliable"})


def test_service_sdk(emulator: EmulatorProcess) -> None:
    service = ConnectionString.parse(emulator.connection_string)
    with running("node", "service_sdk.mjs") as script:
        script.order(endpoint=service.endpoint, key=service.access_key)
        results = script.checks()

    assert_passed(results, {"sends", "groups", "existence", "permissions", "closes", "tokens", "refusals"})


def test_service_sdk_over_tls_has_the_service_make_tokens(tmp_path: Path) -> None:
    authority = trustme.CA()
    certificate = authority.issue_cert("127.0.0.1")
    trusted, chain, key = tmp_path / "ca.pem", tmp_path / "chain.pem", tmp_path / "key.pem"
    authority.cert_pem.write_to_path(trusted)
    certificate.private_key_pem.write_to_path(key)
    for blob in certificate.cert_chain_pems:
        blob.write_to_path(chain, append=True)
    served = ("-m", "wps_load.emulator", "--port", "0", "--tls-cert", str(chain), "--tls-key", str(key))
    with printing(*served) as line, running("node", "service_sdk_tls.mjs", NODE_EXTRA_CA_CERTS=str(trusted)) as script:
        service = ConnectionString.parse(line.removeprefix("Connection string: "))
        script.order(endpoint=service.endpoint, key=service.access_key)
        results = script.checks()

    assert_passed(results, {"generated"})


def test_express_middleware_handles_our_events() -> None:
    with running("node", "express_handler.mjs") as script:
        script.order(servicePort=(port := free_port()))
        handler = f"{script.hear()['handler']}/api/webpubsub/hubs/{{hub}}/{{event}}"
        with EmulatorProcess.start(event_handler=handler, system_events=ALL_SYSTEM_EVENTS, port=port) as emulator:
            service = ConnectionString.parse(emulator.connection_string)
            script.order(endpoint=service.endpoint, key=service.access_key)
            results = script.checks()

    asked = {"life", "answersOfConnect", "states", "simple", "rejects"}
    assert_passed(results, asked | {"allowsOurEndpoint", "refusesStrangers", "bare"})


def test_the_lock_file_names_no_registry() -> None:
    assert '"resolved"' not in (FOLDER / "package-lock.json").read_text()
