"""Who has refused: a network rule, a missing role, or nobody knows."""

from __future__ import annotations

import json

import pytest

from wps_load.client.refusals import OWNER, RefusedAnswer, forbidden
from wps_load.measure.catalog import is_label

PAGE = b"<html>\r\n<head><title>403 Forbidden</title></head>\r\n<body><h1>403 Forbidden</h1></body></html>"
ACTION = (
    "Microsoft.SignalRService/WebPubSub/group/send/action permission is required to access this API. Please check your "
    "role assignments."
)
JSON_TYPE = {"content-type": "application/json"}


@pytest.mark.parametrize(
    ("headers", "body", "kind"),
    [
        ({"content-type": "text/html"}, PAGE, "network"),
        ({"content-type": "text/html; charset=utf-8"}, b"", "network"),  # the head came alone
        ({}, PAGE, "network"),
        ({"content-type": "text/plain"}, b"403 Forbidden", "network"),
        ({**JSON_TYPE, "x-ms-error-code": "Error.Forbidden"}, json.dumps({"message": ACTION}).encode(), "role"),
        (JSON_TYPE, json.dumps({"code": "Error.Forbidden", "message": ACTION}).encode(), "role"),
        (JSON_TYPE, json.dumps({"error": {"code": "Forbidden", "message": ACTION}}).encode(), "role"),
        ({"x-ms-error-code": "Error.Forbidden"}, b"", "role"),
        ({"content-type": "text/plain"}, b"The event handler did not accept the connection.", None),
        ({}, b"", None),
        (JSON_TYPE, b'["nonsense"]', None),
        (JSON_TYPE, b'{"message": "You are banned"}', None),
        (JSON_TYPE, b'{"message": "You are ban', None),
        ({}, b"\xff\xfe\x00", None),
    ],
)
def test_kinds(headers: dict[str, str], body: bytes, kind: str | None) -> None:
    found = forbidden(RefusedAnswer(403, headers, body), "RESTAPI")
    assert (found and found.kind) == kind


def test_the_data_action_is_named_verbatim_and_the_role_to_give() -> None:
    answer = RefusedAnswer(403, JSON_TYPE, json.dumps({"code": "Error.Forbidden", "message": ACTION}).encode())
    found = forbidden(answer, "RESTAPI")
    assert found is not None
    assert ACTION in found.what
    assert OWNER in found.advice


def test_the_network_rules_name_for_the_traffic_is_reported() -> None:
    found = forbidden(RefusedAnswer(403, {}, PAGE), "ClientConnection")
    assert found is not None
    assert "ClientConnection" in found.advice


@pytest.mark.parametrize("prefix", ["http_", "token_http_", "rest_"])
@pytest.mark.parametrize("kind", ["network", "role"])
def test_labels_are_of_the_vocabulary(prefix: str, kind: str) -> None:
    assert is_label(f"{prefix}403_{kind}")


def test_a_secret_that_is_echoed_is_not_shown() -> None:
    token = "eyJhbGciOiJub25lIn0.eyJhIjoxfQ.c2ln"
    body = json.dumps({"message": f"{ACTION} {'x' * 200} Bearer {token}"}).encode()
    found = forbidden(RefusedAnswer(403, JSON_TYPE, body), "RESTAPI")
    assert found is not None
    assert token not in found.what
