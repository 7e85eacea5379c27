"""A run of two populations as monitoring systems meet it: scraped while it goes on and after it, pushed, exported."""

from __future__ import annotations

import gzip
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any
from urllib.error import URLError
from urllib.request import urlopen

import pytest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest

from tests.integration.program import start, until
from tests.ports import free_port
from tests.swarm.scrapes import Scraped, parsed, samples, total, value

MIX = """
[[population]]
name = "chatters"
users = "50%"
scenario = "small-group"
publishers = "100%"
rate = 5
slo = "delivery p99 < 5s, loss = 0"

[[population]]
name = "readers"
users = "50%"
listens-to = "chatters"
slo = "none"
"""
MESSAGES = ("offered", "published", "expected", "delivered", "lost", "missed", "duplicated", "reordered")
CONNECTIONS = ("opened", "failed", "dropped", "reconnected", "recovered", "cut", "closed_by_plan")

pytestmark = pytest.mark.program


@contextmanager
def gateway() -> Iterator[tuple[int, list[tuple[str, str]], list[bytes]]]:
    """A Pushgateway and OpenTelemetry collector, and what they got: the Authorization and the body of each push, and
    the exports of metrics."""
    pushed: list[tuple[str, str]] = []
    exported: list[bytes] = []

    class Handler(BaseHTTPRequestHandler):
        def do_PUT(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"])).decode()
            pushed.append((self.headers["Authorization"], body))
            self.send_response(200)
            self.end_headers()

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            unpacked = gzip.decompress(body) if self.headers["Content-Encoding"] == "gzip" else body
            exported.extend([unpacked] if self.path == "/v1/metrics" else [])
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield server.server_port, pushed, exported
    finally:
        server.shutdown()
        server.server_close()


def scrape(port: int) -> Scraped:
    with urlopen(f"http://127.0.0.1:{port}/metrics", timeout=20) as response:
        return samples(parsed(response.read().decode()))


def measuring(port: int) -> Scraped | None:
    """What is scraped in the measure phase, once messages have arrived."""
    try:
        found = scrape(port)
    except (URLError, OSError):
        return None
    there = found.get(("wps_run_phase", (("phase", "measure"),))) and total(found, "wps_delivery_seconds_count")
    return found if there else None


def exported_by(body: bytes) -> dict[tuple[str, str], float]:
    """Counters' values and histograms' counts, by name and population."""
    found: dict[tuple[str, str], float] = {}
    for resource in ExportMetricsServiceRequest.FromString(body).resource_metrics:
        for metric in (metric for scope in resource.scope_metrics for metric in scope.metrics):
            points = metric.histogram.data_points or metric.sum.data_points or metric.gauge.data_points
            for point in points:
                labels = {each.key: each.value.string_value for each in point.attributes}
                number = point.count if metric.histogram.data_points else point.as_double or point.as_int
                found[metric.name, labels.get("population", "")] = number
    return found


def test_the_figures_of_a_run_are_its_summarys_at_the_end(tmp_path: Path) -> None:
    mix, port = tmp_path / "two.toml", free_port()
    mix.write_text(MIX)
    options = ("-u", "10", "-r", "100", "-t", "5s", "--wps-mix", str(mix), "--wps-prometheus-port", str(port))
    with gateway() as (push_port, pushed, exported):
        push = f"http://bench:geheim@127.0.0.1:{push_port}"
        kept = ("--wps-prometheus-linger", "1h", "--wps-prometheus-push", push, "--otel")
        otel = {
            "OTEL_EXPORTER_OTLP_ENDPOINT": f"http://127.0.0.1:{push_port}",
            "OTEL_EXPORTER_OTLP_PROTOCOL": "http/protobuf",
            "OTEL_TRACES_EXPORTER": "none",
            "OTEL_LOGS_EXPORTER": "none",
        }
        with start(tmp_path / "reports", "--headless", *options, *kept, environment=otel) as program:
            seen: list[Scraped] = []

            def met() -> bool:
                found = measuring(port)
                seen.extend([found] if found else [])
                return bool(seen)

            until(met, "a scrape in the measure phase", 40)
            program.await_output("The metrics stay at")
            end = scrape(port)
            program.signal(signal.SIGINT)
            done = program.finish()
    during, summary = seen[0], done.summary

    assert total(during, "wps_connections_open") == 10
    assert total(during, "wps_connections_requested") == 10
    assert total(during, "wps_run_verdict") == 0
    for key, before in during.items():
        if key[0].endswith(("_total", "_count", "_bucket", "_sum")):
            assert end[key] >= before, key

    assert value(end, "wps_run_verdict", verdict=summary["verdict"]) == 1
    assert done.code == summary["exit"]["code"]
    assert {row["name"] for row in summary["populations"]} == {"chatters", "readers"}
    for row in summary["populations"]:
        mine = {"population": row["name"]}
        for name in MESSAGES:
            assert value(end, f"wps_messages_{name}_total", **mine) == row["messages"][name], name
        for name in CONNECTIONS:
            assert value(end, f"wps_connections_{name}_total", **mine) == row["connections"][name], name
        for way in ("sent", "received"):
            assert value(end, f"wps_{way}_bytes_total", **mine) == row["bytes"][way]
        for metric, times in row["metrics"].items():
            assert value(end, f"wps_{metric}_seconds_count", **mine) == times["count"] - times["failures"], metric
    for name in MESSAGES:
        assert total(end, f"wps_messages_{name}_total") == summary["messages"][name], name
    for slo in summary["slo"]:
        states = [labels for (name, labels), on in end.items() if name == "wps_slo_state" and on]
        assert (("state", slo["verdict"])) in dict.fromkeys(
            pair for labels in states if ("slo", slo["expression"]) in labels for pair in labels
        )

    authorization, body = pushed[-1]
    assert authorization.startswith("Basic ")
    assert samples(parsed(body)) == end
    of_otel = exported_by(exported[-1])
    assert ("locust.client.duration", "") not in of_otel  # no sample was fired for Locust's own histogram
    for row in summary["populations"]:
        for metric, times in row["metrics"].items():
            assert of_otel[f"wps.{metric}", row["name"]] == times["count"] - times["failures"], metric
        assert of_otel["wps.messages_delivered", row["name"]] == row["messages"]["delivered"]

    written = [path.read_text() for path in (done.folder or tmp_path).iterdir()]
    assert not [text for text in [done.output, *written] if "geheim" in text]
