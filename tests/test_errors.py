"""Who ended a connection: sentences and labels, without any socket. And which exit code wins."""

from __future__ import annotations

import pytest

from wps_load.client.establish import never_usable
from wps_load.errors import ConnectionLost, EndedBy
from wps_load.measure.catalog import is_label

ENDS = [
    (ConnectionLost(1008, "Quota"), "closed_1008", "the service closed the connection with code 1008: Quota"),
    (ConnectionLost(4401), "closed_4401", "the service closed the connection with code 4401"),
    (ConnectionLost(1005), "closed_1005", "the service closed the connection without naming a code (1005)"),
    (ConnectionLost(1006), "closed_1006", "the connection broke without a close frame (code 1006)"),
    (
        ConnectionLost(1002, "masked frame from the server", EndedBy.PROTOCOL),
        "protocol_error_1002",
        "wps-load ended the connection (code 1002), because the peer broke the protocol: masked frame from the server",
    ),
    (
        ConnectionLost(1011, "internal error", EndedBy.BUG),
        "client_error",
        "wps-load ended the connection, by a bug of its own: internal error",
    ),
]


@pytest.mark.parametrize(("lost", "label", "sentence"), ENDS)
def test_each_end_has_its_own_sentence_and_label(lost: ConnectionLost, label: str, sentence: str) -> None:
    assert (lost.label, lost.message) == (label, sentence)
    assert is_label(lost.label)
    assert lost.advice


@pytest.mark.parametrize(("lost", "label", "sentence"), ENDS)
def test_an_end_before_connected_keeps_label_and_reason(lost: ConnectionLost, label: str, sentence: str) -> None:
    failure = never_usable(lost)
    assert failure.message == f"before `connected` came, {sentence}"
    assert failure.label == ("connected_lost" if lost.ended_by is EndedBy.NETWORK else label)
    assert is_label(failure.label)


def test_what_the_service_said_before_the_end_stands_with_it() -> None:
    assert ConnectionLost(1008).after("too slow").message.endswith("with code 1008: too slow")
    assert ConnectionLost(1008, "too slow").after("too slow").reason == "too slow"
    assert ConnectionLost(1008, "policy").after("too slow").reason == "policy; too slow"
    assert ConnectionLost(1006, "TCP was closed").after("").reason == "TCP was closed"
    ours = ConnectionLost(1002, "bad", EndedBy.PROTOCOL).after("bye")
    assert ours.ended_by is EndedBy.PROTOCOL
