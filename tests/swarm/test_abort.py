from __future__ import annotations

from pathlib import Path

from tests.swarm.runs import COUNTS, conducted, configured, planned, report
from wps_load.clock import NS_PER_S
from wps_load.measure import thresholds
from wps_load.measure.histogram import Histogram
from wps_load.swarm.abort import GRACE_S, AbortWatch
from wps_load.swarm.collector import Collector
from wps_load.swarm.messages import Sums

MEASURED_S = 30
"""Of the measure phase, when the run is looked at."""


def watch(slo: str, *, began_s: float = 0, left_s: float | None = 30) -> tuple[AbortWatch, Collector]:
    run_time_ns = None if left_s is None else int((MEASURED_S + left_s) * NS_PER_S)
    conductor = conducted(planned(configured(drain="2s", settle="0s"), run_time_ns=run_time_ns, scenario_users=False))
    conductor.tick(int(began_s * NS_PER_S), set())
    return AbortWatch(conductor, thresholds.parse(slo)), conductor.collector


def seconds(watching: AbortWatch, collector: Collector, count: int, **now: int) -> str | None:
    """The last of `count` looks, while the counts stay as they are."""
    collector.add("a", report(1, counts=now))
    return [watching.hopeless(MEASURED_S * NS_PER_S) for _ in range(count)][-1]


def test_a_gap_older_than_the_drain_is_lost_for_certain() -> None:
    watching, collector = watch("loss = 0", left_s=None)
    assert seconds(watching, collector, 3, delivered=900, missing=5, missing_opened=5) is None, "it may still come"
    assert seconds(watching, collector, 2, delivered=900, missing=5, missing_opened=5) == "loss = 0"


def test_gaps_that_open_and_fill_are_not_lost() -> None:
    watching, collector = watch("loss = 0")
    for opened in range(5, 100, 5):
        assert seconds(watching, collector, 1, delivered=900, missing=5, missing_opened=opened) is None


def test_nothing_is_certain_where_a_member_was_away() -> None:
    watching, collector = watch("loss = 0")
    collector.total.counters["connections_dropped"] = 1
    assert seconds(watching, collector, 10, delivered=900, missing=5, missing_opened=5) is None


def test_a_percentile_that_the_rest_cannot_mend() -> None:
    watching, collector = watch("rtt p99 < 100ms", left_s=1.0)
    recorder = collector.total.histograms
    recorder["rtt"] = Histogram()
    recorder["rtt"].record(500_000_000, 100)
    recorder["rtt"].record(1_000_000, 900)
    assert seconds(watching, collector, 1, delivered=1_000) == "rtt p99 < 100ms"


def test_the_rest_may_still_mend_it() -> None:
    watching, collector = watch("rtt p99 < 100ms", left_s=3_000.0)
    collector.total.histograms["rtt"] = Histogram()
    collector.total.histograms["rtt"].record(500_000_000, 20)
    collector.total.histograms["rtt"].record(1_000_000, 980)
    assert seconds(watching, collector, 1, delivered=1_000) is None


def test_a_cold_start_is_not_a_verdict() -> None:
    watching, collector = watch("loss = 0", began_s=MEASURED_S - GRACE_S + 1)
    assert seconds(watching, collector, 10, delivered=900, missing=5, missing_opened=5) is None


MIX = """
[[population]]
name = "hosts"
users = "50%"
scenario = "big-group"
[[population]]
name = "late"
users = "50%"
listens-to = "hosts"
start = "25s"
"""


def mixed(folder: Path, slo: str, left_s: float) -> tuple[AbortWatch, Collector]:
    file = folder / "mix.toml"
    file.write_text(MIX)
    run_time_ns = int((MEASURED_S + left_s) * NS_PER_S)
    config = configured(drain="2s", settle="0s", mix=str(file))
    conductor = conducted(planned(config, run_time_ns=run_time_ns, scenario_users=False))
    conductor.tick(0, set())
    return AbortWatch(conductor, thresholds.parse(slo)), conductor.collector


def at(watching: AbortWatch, looks: int, seconds: float) -> str | None:
    """The result of the last of this many looks."""
    return [watching.hopeless(int(seconds * NS_PER_S)) for _ in range(looks)][-1]


def lost(collector: Collector, population: int, missing: int) -> None:
    counts = dict.fromkeys(COUNTS, 0) | {"delivered": 900, "missing": missing, "missing_opened": missing}
    collector.add("a", report(1, counts=counts))
    collector.populations[population].count("a", 1, Sums(5, {}, counts, None))


def test_an_slo_of_a_population_is_judged_by_what_belongs_to_it(tmp_path: Path) -> None:
    watching, collector = mixed(tmp_path, "hosts.loss < 10%", left_s=1.0)
    lost(collector, 1, 500)
    assert at(watching, 10, 30) is None
    lost(collector, 0, 500)
    assert at(watching, 10, 30) == "hosts.loss < 10%"


def test_a_population_that_came_late_has_its_own_time_of_grace_and_its_own_pace(tmp_path: Path) -> None:
    watching, collector = mixed(tmp_path, "late.delivery p99 < 100ms", left_s=30.0)
    histogram = collector.populations[1].total.histograms["delivery"] = Histogram()
    histogram.record(500_000_000, 100)
    histogram.record(1_000_000, 4_900)
    assert at(watching, 10, 30) is None, "it has been there for five seconds"
    assert at(watching, 1, 36) is None, "it had 5,000 in 11 s, of which 24 are left: the rest may mend it"
    histogram.record(500_000_000, 10_000)
    assert at(watching, 1, 59) == "late.delivery p99 < 100ms"
