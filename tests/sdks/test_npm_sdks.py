"""The official npm SDKs, which know nothing of us, against the emulator. Each file's checks run in one Node process."""

from __future__ import annotations

import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from node_scripts import FOLDER, failures, running

from wps_load.auth import ConnectionString
from wps_load.emulator.process import EmulatorProcess

pytestmark = [pytest.mark.node, pytest.mark.usefixtures("packages")]

SCHEMA = FOLDER.parents[1] / "wps_load" / "protocol" / "webpubsub.proto"
PROTOCOLS = ("json", "json-reliable", "protobuf", "protobuf-reliable")
OF_ALL = ("everyKindOfData", "flags", "mayNot", "isTold")
OF_RELIABLE = ("recovers", "lostAck", "gone")


@contextmanager
def negotiation(connection_string: str) -> Iterator[str]:
    """`wps-load upstream`; the URL of its negotiate endpoint."""
    command = [sys.executable, "-m", "wps_load.cli", "upstream", "--port", "0"]
    process = subprocess.Popen([*command, "--connection-string", connection_string], stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        yield process.stdout.readline().removeprefix("Negotiate: ").strip()
    finally:
        process.terminate()
        process.wait()
        assert process.stdout is not None
        process.stdout.close()


def test_client_sdk(emulator: EmulatorProcess) -> None:
    service = ConnectionString.parse(emulator.connection_string)
    with negotiation(emulator.connection_string) as negotiate, running("node", "client_sdk.mjs") as script:
        script.order(endpoint=service.endpoint, key=service.access_key, schema=str(SCHEMA), negotiate=negotiate)
        results = script.checks()

    assert not failures(results)
    expected = {f"{check} {protocol}" for check in OF_ALL for protocol in PROTOCOLS}
    for protocol in PROTOCOLS:
        own = OF_RELIABLE if protocol.endswith("reliable") else ("withoutRecovery",)
        expected |= {f"{check} {protocol}" for check in own}
    assert results.keys() == expected | {"wrongToken json", "negotiated json"}


def test_service_sdk(emulator: EmulatorProcess) -> None:
    service = ConnectionString.parse(emulator.connection_string)
    with running("node", "service_sdk.mjs") as script:
        script.order(endpoint=service.endpoint, key=service.access_key)
        results = script.checks()

    assert not failures(results)
    assert results.keys() == {"sends", "groups", "existence", "permissions", "closes", "tokens", "refusals"}


def test_express_middleware_handles_our_events() -> None:
    with running("node", "express_handler.mjs") as script:
        script.order(servicePort=(port := _free_port()))
        handler = f"{script.hear()['handler']}/api/webpubsub/hubs/{{hub}}/{{event}}"
        with EmulatorProcess.start(event_handler=handler, port=port) as emulator:
            service = ConnectionString.parse(emulator.connection_string)
            script.order(endpoint=service.endpoint, key=service.access_key)
            results = script.checks()

    assert not failures(results)
    assert results.keys() == {
        "life", "answersOfConnect", "states", "simple", "rejects", "allowsOurEndpoint", "refusesStrangers", "bare",
    }  # fmt: skip


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def test_the_lock_file_names_no_registry() -> None:
    assert '"resolved"' not in (FOLDER / "package-lock.json").read_text()
