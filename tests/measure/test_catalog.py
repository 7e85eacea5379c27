from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wps_load.measure import catalog

METRICS = """
    connect connect_token connect_dns connect_tcp connect_tls connect_upgrade connect_ready token_request join_group
    publish_ack rtt rtt_service delivery invoke stream_start first_fragment fragment_gap stream_end rest_publish
    rest_manage recover disconnect
"""
LABELS = """
    connect_refused connect_timeout connect_reset dns_failed tls_failed tls_certificate proxy_failed
    http_401 http_503 upgrade_timeout upgrade_invalid subprotocol_refused
    closed_1006 closed_1008 closed_4500 protocol_error_1002 ack_forbidden ack_timeout
    negotiate_http_500 negotiate_invalid send_failed send_stalled
    stream_start_timeout stream_start_internal_server_error stream_end_connection_lost stream_end_stream_not_found
    join_forbidden join_timeout rest_429 rest_timeout proxy_http_407 recover_refused keepalive_timeout
    connected_timeout connected_lost connect_unfinished client_error url_invalid http_other other
"""


def test_the_metrics_are_the_contracts() -> None:
    assert [metric.name for metric in catalog.METRICS] == METRICS.split()
    assert [metric.name for metric in catalog.METRICS if not metric.timed] == ["disconnect"]


@pytest.mark.parametrize("label", LABELS.split())
def test_labels_of_the_vocabulary(label: str) -> None:
    assert catalog.bounded_label(label) == label


@pytest.mark.parametrize(
    "text",
    [
        "",
        "http_600",
        "send_",
        "answer_timeout",
        "http_40",
        "closed_99999",
        "closed_",
        "ack_User alice",
        "wss://host/?access_token=eyJ",
        "ack_" + "x" * 200,
        "user_17",
        "http_401\n",
    ],
)
def test_anything_else_is_other(text: str) -> None:
    assert catalog.bounded_label(text) == "other"


@pytest.mark.parametrize(
    ("error", "label"),
    [
        ("Forbidden", "ack_forbidden"),
        ("Duplicate", "ack_duplicate"),
        ("InternalServerError", "ack_internal_server_error"),
        ("eyJhbGciOi", "ack_other"),
        ("", "ack_other"),
        (None, "ack_other"),
    ],
)
def test_ack_errors(error: str | None, label: str) -> None:
    assert catalog.ack_label(error) == label


@given(st.text(), st.sampled_from(["ack", "join"]))
def test_a_peers_error_name_never_widens_the_vocabulary(error: str, prefix: str) -> None:
    allowed = {f"{prefix}_{name}" for name in (*catalog.ACK_ERRORS, "other")}
    label = catalog.ack_label(error, prefix)
    assert label in allowed
    assert catalog.is_label(label)
