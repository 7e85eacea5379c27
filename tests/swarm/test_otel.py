"""Our figures in OpenTelemetry's exports: by its SDK's own readers, encoded by its own exporter."""

from __future__ import annotations

import sys
from types import ModuleType
from typing import Any

import pytest
from opentelemetry.exporter.otlp.proto.common.metrics_encoder import encode_metrics
from opentelemetry.sdk.metrics import Counter, Histogram, MeterProvider
from opentelemetry.sdk.metrics.export import AggregationTemporality, InMemoryMetricReader, MetricsData
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from tests.swarm.runs import configured
from tests.swarm.scrapes import FedRun, counts, times, two_classes
from wps_load.errors import ConfigError
from wps_load.measure.snapshot import Snapshot
from wps_load.swarm.epoch_report import EpochReport
from wps_load.swarm.exports import Exports
from wps_load.swarm.messages import Sums
from wps_load.swarm.monitored import Monitored
from wps_load.swarm.otel_metrics import Unavailable, add_to, join, judge_emulator, share_the_loop
from wps_load.swarm.otel_spans import Spans, with_spans

DELTA = {Counter: AggregationTemporality.DELTA, Histogram: AggregationTemporality.DELTA}


def second(run: FedRun, number: int) -> None:
    part = EpochReport.of(0, 1, {(0, 0): times("rtt", 1, 2), (0, 1): times("delivery", 20, 40)})
    chat, display = counts(published=2 * number, delivered=2 * number), counts(delivered=2 * number)
    whole = {name: chat[name] + display[name] for name in chat}
    run.report([part], totals=whole, populations=[Sums(2, chat, chat, None), Sums(1, display, display, None)])


def exporting(run: Monitored, **preferred: Any) -> tuple[MeterProvider, InMemoryMetricReader]:
    reader = InMemoryMetricReader(**preferred)
    provider = MeterProvider([reader], Resource({"service.name": "locust"}), shutdown_on_exit=False)
    add_to(provider, run)
    return provider, reader


def metrics(data: MetricsData | None) -> dict[str, Any]:
    assert data is not None
    return {
        metric.name: metric
        for resource in data.resource_metrics
        for scope in resource.scope_metrics
        for metric in scope.metrics
    }


def points(data: MetricsData | None, name: str) -> dict[str, Any]:
    return {point.attributes["population"]: point for point in metrics(data)[name].data.data_points}


def test_each_metric_is_a_histogram_by_population_with_the_slos_limits_as_bounds() -> None:
    run = FedRun(two_classes("display.delivery p99 < 25ms"))
    second(run, 1)
    provider, reader = exporting(Monitored(lambda: run.reporter))
    provider.get_meter("theirs").create_counter("their.own").add(1)
    data = reader.get_metrics_data()
    point = points(data, "wps.delivery")["display"]
    bound = point.explicit_bounds.index(0.025)
    assert (point.count, sum(point.bucket_counts[: bound + 1])) == (2, 1)
    assert point.sum == pytest.approx(0.06)
    assert metrics(data)["wps.delivery"].unit == "s"
    assert points(data, "wps.messages_published")["chat-user"].value == 2
    assert points(data, "wps.connections_open")["display"].value == 1
    assert metrics(data)["their.own"].data.data_points[0].value == 1
    assert data is not None
    assert {resource.resource.attributes["service.name"] for resource in data.resource_metrics} == {"locust"}
    encoded = encode_metrics(data)
    names = {
        metric.name for each in encoded.resource_metrics for scope in each.scope_metrics for metric in scope.metrics
    }
    assert {"wps.delivery", "wps.run_info", "their.own"} <= names


def test_a_reader_that_wants_deltas_gets_what_came_since_its_last_collection() -> None:
    runs = [FedRun(two_classes())]
    second(runs[0], 1)
    _, reader = exporting(Monitored(lambda: runs[-1].reporter), preferred_temporality=DELTA)
    first = reader.get_metrics_data()
    second(runs[0], 2)
    following = reader.get_metrics_data()
    for data, start in ((first, None), (following, points(first, "wps.rtt")["chat-user"].time_unix_nano)):
        point = points(data, "wps.rtt")["chat-user"]
        assert point.count == 2
        assert start is None or point.start_time_unix_nano == start
        assert points(data, "wps.messages_delivered")["display"].value == 2
        assert points(data, "wps.connections_open")["display"].value == 1
    runs.append(FedRun(two_classes()))  # which begins at 0
    second(runs[1], 1)
    assert points(reader.get_metrics_data(), "wps.rtt")["chat-user"].count == 2


def test_before_the_first_run_there_is_only_what_others_have() -> None:
    provider, reader = exporting(Monitored(lambda: None))
    assert reader.get_metrics_data() is None
    provider.get_meter("theirs").create_counter("their.own").add(1)
    assert set(metrics(reader.get_metrics_data())) == {"their.own"}


def test_what_is_missing_is_said_in_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    nobody = Monitored(lambda: None)
    assert join(nobody) is None  # no SDK is set up: OTEL_METRICS_EXPORTER=none
    with pytest.raises(Unavailable, match="does not accept our metrics"):
        add_to(object(), nobody)
    monkeypatch.setitem(sys.modules, "opentelemetry.sdk.metrics", None)
    with pytest.raises(Unavailable, match=r"pip install 'wps-load\[otel\]'"):
        join(nobody)
    said: list[str] = []
    Exports(lambda: None, say=said.append, warn=lambda *_: None).prepare(configured(), otel=True)
    assert len(said) == 1


def test_grpc_waits_in_turn_with_all_others(monkeypatch: pytest.MonkeyPatch) -> None:
    switched: list[str] = []
    for name in ("grpc", "grpc.experimental", "grpc.experimental.gevent"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    share_the_loop()  # it is not there: nothing to do
    for name in ("grpc", "grpc.experimental", "grpc.experimental.gevent"):
        monkeypatch.setitem(sys.modules, name, ModuleType(name))
    monkeypatch.setattr(
        sys.modules["grpc.experimental.gevent"], "init_gevent", lambda: switched.append("on"), raising=False
    )
    share_the_loop()
    assert switched == ["on"]


def test_a_master_that_exports_starts_no_emulator_which_would_never_begin() -> None:
    judge_emulator({"otel": True}, master=False)
    judge_emulator({}, master=True)
    with pytest.raises(ConfigError) as refused:
        judge_emulator({"otel": True}, master=True)
    assert "wps-load emulator" in refused.value.faults[0].allowed


def spans_sent(part: EpochReport, names: tuple[str, ...] = ()) -> list[Any]:
    exporter = InMemorySpanExporter()
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    Spans(names, "echo", provider.get_tracer("test")).send(part, 10_000_000_000)
    return list(exporter.get_finished_spans())


def test_a_span_for_each_time_and_each_failure() -> None:
    failed = Snapshot(failures={("connect", "http_429"): 1})
    failed.merge(times("rtt", 1, 1, 2))
    failed.merge(times("loop_lag", 5))
    spans = spans_sent(EpochReport.of(0, 1, {(0, 1): failed}), ("chat", "readers"))
    assert [span.name for span in spans] == ["wps.rtt"] * 3 + ["wps.connect"]
    assert {span.attributes["population"] for span in spans} == {"readers"}
    lengths = [(span.end_time - span.start_time) / 1e6 for span in spans]
    assert lengths == pytest.approx([1, 1, 2, 0], rel=1e-3)
    assert spans[-1].attributes["error.type"] == "http_429"
    assert not spans[-1].status.is_ok
    assert len({span.context.trace_id for span in spans}) == 4


def test_messages_of_the_warm_up_have_no_spans() -> None:
    assert spans_sent(EpochReport.of(0, 0, {None: times("rtt", 1)})) == []


def test_there_are_no_spans_unless_they_are_requested() -> None:
    def listener(_: EpochReport) -> None:
        pass

    assert with_spans(configured(), listener, lambda *_: None) is listener
    with pytest.raises(ConfigError) as refused:
        Exports(lambda: None, say=print, warn=lambda *_: None).prepare(configured(otel_spans=True))  # type: ignore[arg-type]
    assert "needs Locust's --otel" in refused.value.faults[0].allowed
