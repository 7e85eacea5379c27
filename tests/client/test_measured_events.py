"""Measured events of tasks: the ledger expects the event handler's answer to each at its sender."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.client.loopback import PATIENCE_S
from tests.client.test_measured_tasks import Processes, lines
from wps_load.emulator.process import EmulatorProcess


@pytest.mark.parametrize("protocol", ["simple", "json", "protobuf-reliable"])
def test_an_answer_to_each_measured_event_is_expected(emulator: EmulatorProcess, protocol: str) -> None:
    run = Processes(emulator, 2, protocol=protocol)
    clients = [run.client(0), run.client(0), run.client(1)]
    sent: list[Any] = ["text", {"b": [1, 2.5]}, [1, 2], "text"]
    for client in clients:
        for data in sent:
            if protocol == "simple":
                client.send(data, measured=True)
            else:
                client.send_event("echo", data, measured=True)
    for client in clients:
        for data in sent:
            message = client.receive(PATIENCE_S)
            assert message is not None
            found = message.data
            assert (json.loads(found) if isinstance(found, str) and not isinstance(data, str) else found) == data
    clients[0].close()
    assert lines(run.settled()) == (12, 12, 12, 0)
    assert (run.seen("rtt"), run.seen("delivery")) == (12, 0)


@pytest.mark.program
def test_an_answer_that_does_not_come_is_lost() -> None:
    with EmulatorProcess.start(event_handler="none") as silent:
        run = Processes(silent, 1, protocol="json")
        client = run.client()
        for _ in range(3):
            client.send_event("echo", "data", ack=False, measured=True)
        assert client.receive(0.2) is None
        assert lines(run.settled()) == (3, 3, 0, 3)
