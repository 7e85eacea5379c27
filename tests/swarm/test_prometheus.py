"""A run as a scraper sees it: what belongs together adds up, no counter goes back, and the end is the report's."""

from __future__ import annotations

import socket
from urllib.request import urlopen

import gevent
import pytest
from prometheus_client import CollectorRegistry

from tests.swarm.runs import configured
from tests.swarm.scrapes import FedRun, counts, parsed, samples, scraped, times, total, two_classes, value
from wps_load.errors import ConfigError
from wps_load.measure.ledger import LedgerTotals
from wps_load.measure.snapshot import Snapshot
from wps_load.swarm.epoch_report import EpochReport
from wps_load.swarm.messages import Sums
from wps_load.swarm.monitored import Monitored
from wps_load.swarm.prometheus import RunMetrics, serve

NOTHING = RunMetrics(Monitored(lambda: None))


def registry(metrics: RunMetrics) -> CollectorRegistry:
    found = CollectorRegistry()
    found.register(metrics)
    return found


def two_populations() -> FedRun:
    run = FedRun(two_classes("display.delivery p99 < 25ms, chat-user.rtt p99 < 1ms"))
    failed = Snapshot(failures={("connect", "http_429"): 3}, counters={"connections_opened": 2, "bytes_sent": 50})
    part = EpochReport.of(
        0,
        1,
        {
            (0, 0): times("rtt", 1, 2, received=300),
            (0, 1): times("delivery", 20, 20, 40),
            (1, 1): failed,
            None: times("loop_lag", 1, received=7),
        },
    )
    whole = counts(offered=3, published=2, delivered=4, missing=1, send_failed_service=1)
    chat, display = counts(offered=3, published=2, delivered=2, send_failed_service=1), counts(delivered=2, missing=1)
    run.report([part], totals=whole, populations=[Sums(2, chat, chat, None), Sums(1, display, display, None)])
    return run


def test_every_series_belongs_to_a_population_and_sums_are_the_runs() -> None:
    found = two_populations().scrape()
    assert value(found, "wps_connections_open", population="chat-user") == 2
    assert total(found, "wps_connections_open") == 3
    assert value(found, "wps_messages_delivered_total", population="display") == 2
    assert total(found, "wps_messages_delivered_total") == 4
    assert total(found, "wps_messages_missing") == 1
    assert value(found, "wps_messages_not_sent", population="chat-user", cause="service") == 1
    assert value(found, "wps_rtt_seconds_count", population="chat-user") == 2
    assert value(found, "wps_delivery_seconds_count", population="display") == 3
    assert value(found, "wps_delivery_seconds_sum", population="display") == pytest.approx(0.08)
    assert value(found, "wps_failures_total", population="display", metric="connect", label="http_429") == 3
    assert value(found, "wps_sent_bytes_total", population="display") == 50
    assert value(found, "wps_received_bytes_total", population="") == 7  # of the process, of no population's
    assert total(found, "wps_received_bytes_total") == 407
    assert value(found, "wps_worker_cpu_ratio", worker="a") == pytest.approx(0.345)
    assert value(found, "wps_loop_lag_seconds_count") == 1


def test_the_limit_of_an_slo_is_a_bound_of_its_metrics_buckets_and_the_share_below_is_exact() -> None:
    found = two_populations().scrape()
    assert value(found, "wps_delivery_seconds_bucket", population="display", le="0.025") == 2
    assert value(found, "wps_delivery_seconds_bucket", population="chat-user", le="0.025") == 0
    assert value(found, "wps_delivery_seconds_bucket", population="display", le="+Inf") == 3


def test_how_the_run_stands() -> None:
    found = two_populations().scrape()
    assert value(found, "wps_run_phase", phase="measure") == 1
    assert total(found, "wps_run_phase") == 1
    assert total(found, "wps_run_verdict") == 0
    broken = "chat-user.rtt p99 < 1ms"
    assert value(found, "wps_slo_state", slo=broken, population="chat-user", state="fail") == 1
    assert value(found, "wps_slo_margin_ratio", slo=broken, population="chat-user") == pytest.approx(-1.0, abs=0.01)
    (info,) = [dict(labels) for name, labels in found if name == "wps_run_info"]
    assert (info["run_id"], info["scenario"], info["emulator"]) == ("run", "locustfile", "true")
    assert value(found, "wps_population_info", population="display", scenario="locustfile", protocol="protobuf") == 1


def test_the_end_is_the_reports() -> None:
    run = two_populations()
    during = run.scrape()
    parts = [LedgerTotals(2, 1, 2, 2, 0, 0, 0, missed=0), LedgerTotals(0, 0, 4, 2, 2, 0, 0, missed=1)]
    summary = run.finish(parts[0].plus(parts[1]), parts)
    found = run.scrape()
    populations = summary["populations"]
    assert populations is not None
    for row in populations:
        for name in ("offered", "published", "expected", "delivered", "lost", "missed", "duplicated", "reordered"):
            shown = value(found, f"wps_messages_{name}_total", population=row["name"])
            assert shown == row["messages"][name], name
        for metric, times_of in row["metrics"].items():
            timed = (times_of["count"] or 0) - (times_of["failures"] or 0)
            shown = found.get((f"wps_{metric}_seconds_count", (("population", row["name"]),)), 0)
            assert shown == timed
    assert total(found, "wps_messages_lost_total") == summary["messages"]["lost"] == 2
    assert value(found, "wps_run_verdict", verdict=summary["verdict"]) == 1
    assert value(found, "wps_run_phase", phase="finished") == 1
    assert [key for key in found if key[0] == "wps_messages_missing"] == []
    for key, before in during.items():
        if key[0].endswith(("_total", "_count", "_bucket", "_sum")):
            assert found[key] >= before, key


def test_nothing_goes_back_when_the_statistics_start_again() -> None:
    run = FedRun(configured())
    run.report([EpochReport.of(0, 1, {None: times("rtt", 1, 2)})], totals=counts(published=10, delivered=9))
    run.conductor.reset(run.second * 1_000_000_000)
    late = EpochReport.of(0, 1, {None: times("rtt", 3)})  # from before the reset
    fresh = EpochReport.of(1, 2, {None: times("rtt", 4)})
    # since the last report 5 more of the old epoch, and 2 of the new one
    run.report([late, fresh], epoch=2, totals=counts(published=2, delivered=2), deltas=counts(published=7, delivered=7))
    found = run.scrape()
    assert value(found, "wps_messages_published_total", population="echo") == 17
    assert value(found, "wps_messages_delivered_total", population="echo") == 16
    assert value(found, "wps_rtt_seconds_count", population="echo") == 4
    assert value(found, "wps_received_bytes_total", population="echo") == 300
    assert value(found, "wps_statistics_resets_total") == 1


def test_what_is_rare_has_a_counter_where_it_came_in_seconds_where_it_is_a_time() -> None:
    run = FedRun(configured())
    rare = Snapshot(counters={"acks_late": 2, "send_stall_ns": 1_500_000_000, "pings_sent": 0})
    run.report([EpochReport.of(0, 1, {None: rare})])
    found = run.scrape()
    assert value(found, "wps_acks_late_total", population="echo") == 2
    assert value(found, "wps_send_stall_seconds_total", population="echo") == 1.5
    assert not [key for key in found if key[0] == "wps_pings_sent_total"]


def test_a_count_that_an_agent_leaves_out_is_0() -> None:
    run = FedRun(configured())
    run.report(totals={"published": 3}, deltas={"published": 3})
    run.report(epoch=2, totals={"published": 2}, deltas={"published": 2, "reordered": 1})
    found = run.scrape()
    assert value(found, "wps_messages_published_total", population="echo") == 5
    assert value(found, "wps_messages_reordered_total", population="echo") == 1
    assert value(found, "wps_messages_delivered_total", population="echo") == 0


def test_messages_of_the_warm_up_are_in_no_counter() -> None:
    run = FedRun(configured())
    run.report([EpochReport.of(0, 0, {None: times("rtt", 1)})], epoch=0, totals=counts(published=10))
    run.report(epoch=1, totals=counts(published=2), deltas=counts(published=5))
    found = run.scrape()
    assert value(found, "wps_messages_published_total", population="echo") == 2
    assert not [key for key in found if key[0].startswith("wps_rtt")]


def test_an_attempt_that_was_given_up_is_slower_than_any_bound() -> None:
    run = FedRun(configured(slo="connect p95 < 30ms"))
    waited = times("connect", 10)
    waited.histograms["connect_waited"] = times("x", 5).histograms["x"]
    run.report([EpochReport.of(0, 1, {None: waited})])
    found = run.scrape()
    assert value(found, "wps_connect_seconds_bucket", population="echo", le="0.03") == 1
    assert value(found, "wps_connect_seconds_bucket", population="echo", le="60.0") == 1
    assert value(found, "wps_connect_seconds_count", population="echo") == 2


def test_names_keep_to_the_ecosystems_conventions() -> None:
    run = two_populations()
    run.finish(LedgerTotals(2, 1, 4, 4, 0, 0, 0, missed=0), [LedgerTotals(2, 1, 4, 4, 0, 0, 0, missed=0)] * 2)
    server = serve("127.0.0.1", 0, registry(RunMetrics(Monitored(lambda: run.reporter))))
    try:
        text = gevent.get_hub().threadpool.apply(_get, (server.server_port,))
    finally:
        server.stop()
    families = parsed(text)
    assert samples(families).keys() == run.scrape().keys()
    for family in families:
        assert family.documentation, family.name
        assert family.name.startswith("wps_")
        assert family.type in ("counter", "gauge", "histogram"), family.name
        assert "_ms" not in family.name
        assert "percent" not in family.name
        if family.type == "histogram":
            assert family.name.endswith("_seconds")


def _get(port: int) -> str:
    with urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10) as response:
        return str(response.read().decode())


@pytest.mark.parametrize(
    ("host", "port", "option", "said"),
    [
        ("127.0.0.1", None, "--wps-prometheus-port", "a port of 127.0.0.1 that is free"),
        ("192.0.2.1", 1, "--wps-prometheus-host", "an address of this host"),
    ],
)
def test_an_address_that_cannot_be_listened_on(host: str, port: int | None, option: str, said: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken, pytest.raises(ConfigError) as refused:
        serve(host, port or taken.getsockname()[1], registry(NOTHING))
    (fault,) = refused.value.faults
    assert fault.option == option
    assert said in fault.allowed


def test_before_the_first_run_there_is_nothing() -> None:
    assert scraped(NOTHING) == {}
