"""Azure Monitor asked by wps-load itself: a made-up one, with the documented shapes."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

import pytest

from tests.client.loopback import Server, header
from tests.report.report_runs import STARTED
from wps_load.client import azure_monitor
from wps_load.client.azure_monitor import MANAGER, MonitorFailure, manager_of
from wps_load.client.stream import Network
from wps_load.report.azure import AzureMetrics, of_documents
from wps_load.settings.entra import AzureResource, Identity, resource_id

ID = (
    "/subscriptions/00000000-0000-0000-0000-000000000000/resourceGroups/my-rg/providers/Microsoft.SignalRService"
    "/WebPubSub/wps"
)
DOCUMENT = json.loads((Path(__file__).with_name("azure_metrics.json")).read_text())
RESOURCE = AzureResource(ID, Identity("cli", ""))


class Monitor(Server):
    """Answers each query with its metrics of the document, or with `status` and `body`."""

    def __init__(self) -> None:
        super().__init__(self._answer)
        self.status, self.body = 200, b""
        self.queries: list[dict[str, list[str]]] = []

    def _answer(self, sock: Any, head: str) -> None:
        target = urlsplit(head.split()[1])
        self.queries.append(parse_qs(target.query))
        wanted = self.queries[-1]["metricnames"][0].split(",")
        found = {**DOCUMENT, "value": [row for row in DOCUMENT["value"] if row["name"]["value"] in wanted]}
        body = self.body or json.dumps(found).encode()
        kind = b"application/json"
        sock.sendall(
            b"HTTP/1.1 %d X\r\nContent-Type: %b\r\nContent-Length: %d\r\nConnection: close\r\n\r\n%b"
            % (self.status, kind, len(body), body)
        )


class Tokens:
    def token(self) -> str:
        return "the-token"


@pytest.fixture
def monitor(monkeypatch: pytest.MonkeyPatch) -> Iterator[Monitor]:
    served = Monitor()
    with served:
        monkeypatch.setenv(MANAGER, f"http://127.0.0.1:{served.port}/")
        yield served


def fetch(monitor: Monitor) -> AzureMetrics:
    tokens: Any = Tokens()
    documents = azure_monitor.metrics_of(RESOURCE, STARTED, 35.0, Network.create(), tokens)
    return of_documents(documents, STARTED, 35.0)


def test_every_metric_is_requested_in_whole_minutes_around_the_run(monitor: Monitor) -> None:
    found = fetch(monitor)
    assert {series.metric for series in found.series} >= {
        "ServerLoad",
        "ConnectionQuotaUtilization",
        "ConnectionCloseCount",
    }
    assert [query["metricnames"][0] for query in monitor.queries] == [
        "ServerLoad,ConnectionQuotaUtilization,ConnectionCount",
        "ConnectionOpenCount,InboundTraffic,OutboundTraffic",
        "ConnectionCloseCount",
    ]
    assert monitor.queries[2]["$filter"] == ["ConnectionCloseCategory eq '*'"]
    begin, end = monitor.queries[0]["timespan"][0].split("/")
    assert datetime.fromisoformat(begin) <= STARTED
    assert datetime.fromisoformat(end) > STARTED
    assert begin.endswith(":00Z")
    assert end.endswith(":00Z")
    for head in monitor.heads:
        assert header(head, "Authorization") == "Bearer the-token"
        assert unquote(head.split()[1]).startswith(f"{ID}/providers/Microsoft.Insights/metrics?")


def test_a_refusal_says_which_role_is_needed(monitor: Monitor) -> None:
    monitor.status = 403
    monitor.body = b'{"error": {"code": "AuthorizationFailed", "message": "The client does not have authorization"}}'
    with pytest.raises(MonitorFailure) as caught:
        fetch(monitor)
    assert "The client does not have authorization" in caught.value.message
    assert "Monitoring Reader" in caught.value.advice


@pytest.mark.parametrize("body", [b"<html>", b"[]", b'{"value": []}'])
def test_an_answer_without_metrics_is_reported(monitor: Monitor, body: bytes) -> None:
    monitor.body = body
    with pytest.raises((MonitorFailure, ValueError)) as caught:
        fetch(monitor)
    assert str(caught.value)


@pytest.mark.parametrize(
    ("authority", "environ", "manager"),
    [
        (None, {}, "https://management.azure.com"),
        ("https://login.chinacloudapi.cn", {}, "https://management.chinacloudapi.cn"),
        (None, {"AZURE_AUTHORITY_HOST": "https://login.microsoftonline.us"}, "https://management.usgovcloudapi.net"),
        (None, {MANAGER: "https://management.stack.example/"}, "https://management.stack.example"),
    ],
)
def test_each_cloud_has_its_own(authority: str | None, environ: dict[str, str], manager: str) -> None:
    assert manager_of(authority, environ) == manager


@pytest.mark.parametrize("text", ["wps", "/subscriptions/x", f"{ID}/hubs/h", ID.replace("WebPubSub", "SignalR")])
def test_what_is_not_a_resource_id(text: str) -> None:
    with pytest.raises(ValueError, match="a resource id"):
        resource_id(text)


def test_a_resource_id() -> None:
    assert resource_id(f'"{ID}/"') == ID
    assert STARTED.tzinfo is UTC
