"""Azure Monitor's metrics of a resource for the time of a run, by its REST API.

The answers are in the form that `az monitor metrics list` prints, so they are read as its files are.
azure-monitor-query is not used: from its version 2 on it has no metrics any more, and its successor needs the region of
the resource as well. Source: "Metrics - List" of the Azure Monitor REST API, api-version 2023-10-01; "Supported metrics
for Microsoft.SignalRService/WebPubSub". Not yet tried on Azure.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Final
from urllib.parse import quote as escape
from urllib.parse import urlencode

import orjson

from wps_load.client.entra_tokens import EntraTokens, tokens_of
from wps_load.client.http1 import HttpClient
from wps_load.client.refusals import answer_of
from wps_load.client.stream import Network
from wps_load.errors import ConnectFailure, Finding
from wps_load.settings.entra import AzureResource, Identity
from wps_load.urls import Url

API_VERSION: Final = "2023-10-01"
MANAGER: Final = "AZURE_RESOURCE_MANAGER_URL"
"""The variable with the address of Azure Resource Manager in clouds that are unknown here."""
_CLOUDS: Final = {
    "chinacloudapi.cn": "https://management.chinacloudapi.cn",
    "partner.microsoftonline.cn": "https://management.chinacloudapi.cn",
    "microsoftonline.us": "https://management.usgovcloudapi.net",
}
_PUBLIC: Final = "https://management.azure.com"
QUERIES: Final[tuple[Mapping[str, str], ...]] = (
    {"metricnames": "ServerLoad,ConnectionQuotaUtilization,ConnectionCount", "aggregation": "Maximum"},
    {"metricnames": "ConnectionOpenCount,InboundTraffic,OutboundTraffic", "aggregation": "Total"},
    {
        "metricnames": "ConnectionCloseCount",
        "aggregation": "Total",
        "$filter": "ConnectionCloseCategory eq '*'",
    },
)
"""One request for each set of metrics that share an aggregate, or a dimension."""
_TIMEOUT_S: Final = 30.0
_ADVICE: Final = {
    401: "check tenant and cloud of the credential (--wps-authority)",
    403: "give the identity the role Monitoring Reader on the resource",
    404: "check the resource id",
    429: "Azure Resource Manager throttles: try again in some minutes",
}


class MonitorFailure(Finding):
    """Why the metrics are not available, in one sentence."""


def metrics_of(
    resource: AzureResource,
    started_at: datetime,
    duration_s: float,
    network: Network,
    tokens: EntraTokens | None = None,
) -> list[Any]:
    """The JSON documents, fetched in the caller's greenlet. Raises MonitorFailure, ConnectFailure or ConfigError."""
    manager = manager_of(resource.identity.authority, os.environ)
    identity = Identity(resource.identity.credential, f"{manager}/.default", resource.identity.authority)
    client = HttpClient(Url.parse(manager), network.straight, prefix="monitor", timeout_s=_TIMEOUT_S)
    try:
        token = (tokens or tokens_of(identity)).token()
        headers = {"Authorization": f"Bearer {token}", "Accept": "application/json", "User-Agent": "wps-load"}
        return [_document(client, target, headers) for target in _targets(resource.id, started_at, duration_s)]
    finally:
        client.close()


def manager_of(authority: str | None, environ: Mapping[str, str]) -> str:
    """Azure Resource Manager's address in the cloud of this authority."""
    if given := environ.get(MANAGER):
        return given.rstrip("/")
    authority = (authority or environ.get("AZURE_AUTHORITY_HOST") or "").lower()
    return next((manager for domain, manager in _CLOUDS.items() if domain in authority), _PUBLIC)


def _targets(resource: str, started_at: datetime, duration_s: float) -> list[str]:
    """Whole minutes around the run: a point covers the minute that begins at its timestamp."""
    begin = started_at.astimezone(UTC).replace(second=0, microsecond=0)
    end = (started_at + timedelta(seconds=duration_s + 60)).astimezone(UTC).replace(second=0, microsecond=0)
    span = f"{begin:%Y-%m-%dT%H:%M:%SZ}/{end:%Y-%m-%dT%H:%M:%SZ}"
    path = f"{escape(resource)}/providers/Microsoft.Insights/metrics"
    common = {"api-version": API_VERSION, "timespan": span, "interval": "PT1M"}
    return [f"{path}?{urlencode({**common, **query})}" for query in QUERIES]


def _document(client: HttpClient, target: str, headers: Mapping[str, str]) -> Any:
    try:
        response = client.request("GET", target, headers)
    except ConnectFailure as failure:
        raise MonitorFailure(failure.label, f"Azure Monitor: {failure.message}", failure.advice) from None
    status = response.status_code
    if status != 200:
        said = answer_of(response).message
        advice = _ADVICE.get(status, "try again in some minutes")
        raise MonitorFailure(
            f"monitor_http_{status}",
            f"Azure Monitor answered with status {status}{': ' + said if said else ''}",
            advice,
        )
    try:
        return orjson.loads(bytes(response.body))
    except ValueError:
        raise MonitorFailure("monitor_invalid", "Azure Monitor's answer is not JSON", "try again") from None
