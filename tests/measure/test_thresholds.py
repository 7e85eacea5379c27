from __future__ import annotations

from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wps_load.measure.histogram import Histogram
from wps_load.measure.ledger import LedgerTotals
from wps_load.measure.snapshot import Snapshot
from wps_load.measure.thresholds import AGGREGATES, Slo, SloError, check, evaluate, out_of_reach, parse

NS_PER_MS = 1_000_000


@dataclass
class Numbers:
    """A run's numbers: `times_ms` of each metric."""

    times_ms: dict[str, list[float]] = field(default_factory=dict)
    failures: dict[tuple[str, str], int] = field(default_factory=dict)
    messages: LedgerTotals | None = None
    connected_share: float | None = None
    measure_s: float | None = None
    certain_loss: int = 0

    parts: dict[str, Numbers] = field(default_factory=dict)

    def of(self, population: str) -> Numbers | None:
        return self.parts.get(population)

    def histogram(self, metric: str) -> Histogram | None:
        if metric not in self.times_ms:
            return None
        histogram = Histogram()
        histogram.record_many([round(ms * NS_PER_MS) for ms in self.times_ms[metric]])
        return histogram

    def row(self, metric: str) -> dict[str, float | int | None]:
        histograms = {name: found for name in self.times_ms if (found := self.histogram(name))}
        return Snapshot(histograms, self.failures).row(metric)


def totals(**changes: int | None) -> LedgerTotals:
    fields: dict[str, int | None] = {
        "published": 1000,
        "send_failed": 0,
        "expected": 1000,
        "delivered": 990,
        "lost": 10,
        "duplicated": 5,
        "reordered": 2,
        "misdelivered": 4,
    }
    return LedgerTotals(**{**fields, **changes})  # type: ignore[arg-type]


def one(text: str) -> Slo:
    (slo,) = parse(text)
    return slo


def test_a_population_s_own_demand_names_it() -> None:
    (of_all, of_one, loss) = parse("delivery p99 < 1s, big-viewers.delivery p99 < 250ms, viewers.loss = 0")
    assert (of_all.population, of_one.population, loss.population) == ("", "big-viewers", "viewers")
    assert of_one.expression == "big-viewers.delivery p99 < 250ms"
    assert (of_one.subject, of_one.aggregate, of_one.limit_ms) == ("delivery", "p99", 250.0)
    assert of_all.of("chat") == parse("chat.delivery p99 < 1s")[0]


def test_the_contracts_example() -> None:
    slos = parse("rtt p99 < 250ms, loss = 0, connect p95 <= 2s, connected >= 99.9%, delivery rate >= 3000/s")
    assert [(s.subject, s.aggregate, s.operator, s.limit, s.unit) for s in slos] == [
        ("rtt", "p99", "<", 250, "ms"),
        ("loss", None, "=", 0, ""),
        ("connect", "p95", "<=", 2, "s"),
        ("connected", None, ">=", 99.9, "%"),
        ("delivery", "rate", ">=", 3000, "/s"),
    ]
    assert slos[0].limit_ms == 250
    assert slos[2].limit_ms == 2000
    assert slos[1].limit_ms is None


def test_spaces_do_not_matter_and_the_expression_is_shown_tidy() -> None:
    assert one("  rtt   p99.9<250 ms ").expression == "rtt p99.9<250 ms"
    assert one("loss==0").operator == "="


@pytest.mark.parametrize("text", ["", "  ", "none"])
def test_no_slo(text: str) -> None:
    assert parse(text) == ()


@pytest.mark.parametrize(
    ("text", "position", "says"),
    [
        ("rtt p99 < 250", 10, "250ms"),
        ("rtt p99 < 250/s", 10, "250ms"),
        ("rtt p98 < 250ms", 4, "p99"),
        ("rtt < 250ms", 4, "p99"),
        ("rttt p99 < 250ms", 0, "rtt_service"),
        ("loss p99 = 0", 5, "no aggregate"),
        ("loss > 0", 5, "demand"),
        ("rtt p99 > 5ms", 8, "demand"),
        ("rtt p99 = 5ms", 8, "demand"),
        ("rtt p99 != 5ms", 8, "demand"),
        ("connected <= 5%", 10, "demand"),
        ("connected >= 0.99", 13, "99.9%"),
        ("connected >= 101%", 13, "100 %"),
        ("connected > 100%", 10, "never hold"),
        ("loss < 0%", 5, "never hold"),
        ("rtt p99 < 0ms", 8, "never hold"),
        ("rtt fail_ratio < 0.5", 17, "1%"),
        ("rtt count >= 5ms", 13, "100"),
        ("rtt p99 < -5ms", 0, "METRIC AGGREGATE"),
        ("rtt p99", 0, "METRIC AGGREGATE"),
        ("loss = 0,", 9, "METRIC AGGREGATE"),
        ("loss = 0; rtt p99 < 1s", 0, "METRIC AGGREGATE"),
        ("loss = 0, foo = 1", 10, "nothing is called 'foo'"),
    ],
)
def test_faults_have_a_position_and_say_what_is_allowed(text: str, position: int, says: str) -> None:
    with pytest.raises(SloError) as caught:
        parse(text)
    ((at, message),) = caught.value.faults
    assert at == position
    assert says in message


def test_all_faults_at_once() -> None:
    with pytest.raises(SloError) as caught:
        parse("foo = 1, loss = 0, rtt p1 < 1s, loss > 3")
    assert [position for position, _ in caught.value.faults] == [0, 23, 37]


@given(st.text(alphabet="rtlos p9.<>=%,;msconect0123456789/_", max_size=40))
def test_any_text_is_read_or_refused_with_positions(text: str) -> None:
    slos: tuple[Slo, ...] = ()
    positions: list[int] = []
    try:
        slos = parse(text)
    except SloError as error:
        positions = [position for position, _ in error.faults]
    assert all(0 <= position <= len(text) for position in positions)
    assert all(parse(slo.expression) == (slo,) for slo in slos)
    assert slos or positions or text.strip() in ("", "none")


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("rtt p99 < 1s", None),
        ("loss = 0", None),
        ("connected >= 99%", None),
        ("delivery p99 < 1s", "not measured"),
        ("disconnect p99 < 1s", "no times"),
        ("disconnect count <= 3", None),
    ],
)
def test_what_a_scenario_has(text: str, fault: str | None) -> None:
    found = check(one(text), {"connect", "rtt", "disconnect"})
    assert (found is None) if fault is None else (found is not None and fault in found)


def test_a_scenario_without_messages_cannot_lose_any() -> None:
    assert "no messages" in (check(one("loss = 0"), {"connect"}) or "")


RUN = Numbers(
    times_ms={"rtt": [float(n) for n in range(1, 100)], "connect": [1500.0]},
    failures={("rtt", "ack_timeout"): 1, ("disconnect", "closed_1006"): 2},
    messages=totals(),
    connected_share=0.999,
    measure_s=10.0,
)


@pytest.mark.parametrize(
    ("text", "value", "verdict"),
    [
        ("rtt p99 < 100ms", 98.0, "pass"),
        ("rtt p50 < 50ms", 50.0, "fail"),
        ("rtt max <= 99000us", 99.0, "pass"),
        ("rtt mean < 0.1s", 50.0, "pass"),
        ("rtt min < 1ms", 1.0, "fail"),
        ("connect p95 <= 2s", 1500.0, "pass"),
        ("rtt count >= 100", 100.0, "pass"),
        ("rtt rate >= 9.9/s", 9.9, "pass"),
        ("rtt rate >= 10/s", 9.9, "fail"),
        ("rtt fail_ratio < 1%", 1.0, "fail"),
        ("rtt fail_ratio <= 1%", 1.0, "pass"),
        ("disconnect count <= 1", 2.0, "fail"),
        ("loss = 0", 10.0, "fail"),
        ("misdelivered = 0", 4.0, "fail"),
        ("misdelivered < 1%", 4 / 9.9, "pass"),
        ("loss <= 1%", 1.0, "pass"),
        ("duplicates < 1%", 5 / 9.9, "pass"),
        ("reordered <= 1", 2.0, "fail"),
        ("connected >= 99.9%", 99.9, "pass"),
        ("connected >= 99.95%", 99.9, "fail"),
    ],
)
def test_verdicts(text: str, value: float, verdict: str) -> None:
    result = evaluate(one(text), RUN)
    assert result.expression == text
    assert result.value == pytest.approx(value, rel=1e-3)
    assert result.verdict == verdict


@pytest.mark.parametrize(
    "text",
    [
        "rtt p99 < 1s",
        "rtt mean < 1s",
        "rtt rate >= 0/s",
        "rtt fail_ratio = 0",
        "loss = 0",
        "duplicates = 0",
        "reordered <= 1%",
        "connected >= 0%",
    ],
)
@pytest.mark.parametrize(
    "source",
    [Numbers(), Numbers(messages=totals(expected=None, lost=None)), Numbers(messages=totals(expected=0))],
)
def test_no_data_is_never_a_pass(text: str, source: Numbers) -> None:
    result = evaluate(one(text), source)
    assert (result.value, result.verdict) == (None, "no_data")


def test_every_aggregate_has_a_value() -> None:
    unit = {"count": "", "rate": "/s", "fail_ratio": "%"}
    for aggregate in AGGREGATES:
        result = evaluate(one(f"rtt {aggregate} <= 50{unit.get(aggregate, 'ms')}"), RUN)
        assert result.value is not None


@pytest.mark.parametrize(
    ("text", "remaining", "lost_cause"),
    [
        ("rtt p50 < 20ms", 10, True),
        ("rtt p50 < 20ms", 1000, False),
        ("rtt max < 98ms", 10**9, True),
        ("rtt max < 100ms", 0, False),
        ("rtt mean < 10ms", 100, True),
        ("rtt mean < 10ms", 10_000, False),
        ("rtt min < 0.5ms", 1, False),
        ("rtt count >= 200", 99, True),
        ("rtt count >= 200", 100, False),
        ("rtt count <= 99", 5, True),
        ("rtt count = 99", 5, True),
        ("rtt count = 100", 5, False),
        ("rtt rate >= 10/s", 100, True),  # (99 + 100) / 20 s
        ("rtt rate >= 10/s", 101, False),
        ("rtt rate <= 1/s", 0, True),
        ("rtt fail_ratio < 0.1%", 500, True),
        ("rtt fail_ratio < 0.1%", 2000, False),
        ("connected >= 100%", 0, False),
        ("loss = 0", 10**9, True),
        ("loss <= 3", 0, False),
        ("loss < 0.1%", 1000, True),
        ("loss < 0.1%", 10_000, False),
        ("duplicates = 0", 10, True),
        ("reordered <= 2", 10, False),
        ("delivery p99 < 1s", 0, False),
    ],
)
def test_out_of_reach(text: str, remaining: int, lost_cause: bool) -> None:
    live = Numbers(RUN.times_ms, RUN.failures, totals(lost=None, expected=None), 0.5, 10.0, certain_loss=3)
    assert out_of_reach(one(text), live, remaining, remaining_s=10.0) is lost_cause


@given(
    st.lists(st.floats(0.01, 100), min_size=1, max_size=40),
    st.lists(st.floats(0.01, 100), max_size=40),
    st.sampled_from(["p50", "p90", "p99", "mean", "max", "min"]),
)
def test_what_is_out_of_reach_is_never_reached(before: list[float], after: list[float], aggregate: str) -> None:
    slo = one(f"rtt {aggregate} < 20ms")
    if out_of_reach(slo, Numbers({"rtt": before}), len(after), 1.0):
        assert evaluate(slo, Numbers({"rtt": before + after})).verdict == "fail"


def test_an_slo_of_a_population_is_judged_by_its_numbers_alone() -> None:
    run = Numbers({"rtt": [900.0]}, messages=totals(lost=5), parts={"viewers": Numbers({"rtt": [5.0]})})
    for text, value, verdict in [
        ("viewers.rtt p99 < 10ms", 5.0, "pass"),
        ("rtt p99 < 10ms", 900.0, "fail"),
        ("viewers.loss = 0", None, "no_data"),
        ("others.rtt p99 < 10ms", None, "no_data"),
    ]:
        found = evaluate(parse(text)[0], run)
        assert (found.value if found.value is None else round(found.value), found.verdict) == (value, verdict)
