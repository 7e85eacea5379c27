"""Axes and charts: ticks that a person reads, and SVG whose coordinates are the data's own."""

from __future__ import annotations

import re
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wps_load.report import axes
from wps_load.report.drawing import Band, Bar, Bars, Chart, Mark, Polyline, Rule, drawn

FINITE = st.floats(1e-6, 1e9)


@given(low=st.just(0.0) | st.floats(1.0, 1e5), span=st.floats(0.1, 1e9))
def test_ticks_of_a_linear_axis_lie_on_it_at_even_steps(low: float, span: float) -> None:
    axis = axes.linear(low, low + span)
    at = [tick.at for tick in axis.ticks]
    assert axis.low <= at[0] + span * 1e-6
    assert axis.high == pytest.approx(at[-1]) or axis.high > at[-1]
    assert axis.high >= low + span
    assert 2 <= len(at) <= 12
    steps = {round((b - a) / (at[1] - at[0]), 3) for a, b in pairwise(at)}
    assert steps == {1.0}


@pytest.mark.parametrize(
    ("high", "labels"),
    [(1.0, "0 0.2 0.4 0.6 0.8 1"), (7.0, "0 2 4 6 8"), (2300.0, "0 500 1,000 1,500 2,000 2,500")],
)
def test_labels_are_short(high: float, labels: str) -> None:
    assert [tick.label for tick in axes.linear(0.0, high).ticks] == labels.split()


@given(low=FINITE, factor=st.floats(1.0, 1e6))
def test_a_logarithmic_axis_holds_its_values(low: float, factor: float) -> None:
    axis = axes.logarithmic(low, low * factor)
    assert axis.low <= axis.place(low) + 1e-9
    assert axis.place(low * factor) <= axis.high + 1e-9
    assert [axis.percent(axis.ticks[0].at), axis.percent(axis.ticks[-1].at)] == [0.0, 100.0]


def test_the_percentile_axis_counts_nines() -> None:
    assert [tick.label for tick in axes.percentile_axis(5000).ticks] == [
        "0 %", "50 %", "90 %", "99 %", "99.9 %", "99.99 %",
    ]  # fmt: skip


def test_values_without_a_range() -> None:
    assert [tick.label for tick in axes.linear(1.0, 2.0, wanted=6, fitted=True, whole=True).ticks] == ["1", "2"]
    assert axes.of_values([]).high == 1.0
    assert axes.of_values([None, 0.0]).high == 1.0
    assert axes.of_values([0.5, 50.0], may_be_log=True).log
    assert not axes.of_values([0.5, 5.0], may_be_log=True).log


def chart(*lines: Polyline, **more: object) -> Chart:
    return Chart("made", "of a test", axes.linear(0, 10, fitted=True), axes.linear(0, 4), lines, **more)  # type: ignore[arg-type]


def test_a_line_is_in_the_datas_coordinates_with_gaps() -> None:
    line = Polyline("open", [0, 1, 2, 3, 4], [1.0, 2.0, None, 3.5, None], 1)
    assert chart().path(line) == "M0 -1h0L1 -2M3 -3.5h0"
    assert chart().view_box == "0 -4 10 4"


def test_a_stepped_line_holds_each_value() -> None:
    assert chart().path(Polyline("", [0, 5, 9], [1.0, 3.0, 2.0], 1, stepped=True)) == "M0 -1h0L5 -1L5 -3L9 -3L9 -2"


def test_everything_about_a_chart_is_placed_and_escaped() -> None:
    text = drawn(
        chart(
            Polyline("<b>", [0, 10], [1.0, 2.0], 3),
            Polyline("other", [0, 10], [1.0, 2.0], 4),
            bands=[Band(0, 2.5, "settle")],
            rules=[Rule("y", 3.0, "p99 < 3ms", "fail"), Rule("x", 7.5, "knee", "link")],
            marks=[Mark(5, 2, 4, "✕", "failed & gone")],
        )
    )
    assert "<b>" not in text
    assert re.findall(r'class="rule-label fail" style="bottom:([\d.]+)%">p99 &lt; 3ms', text) == ["75.0"]
    assert 'class="rule-label link before" style="left:75.0%">knee' in text
    assert 'style="left:50.0%;bottom:50.0%" title="failed &amp; gone"' in text
    assert '<rect class="band" x="0" y="-4' in text
    assert text.count('class="key s') == 2


def test_bars_share_one_scale() -> None:
    text = drawn(Bars("made", "of a test", [Bar("a", [("x", 1.0, 1), ("y", 3.0, 2)]), Bar("b", [("x", 1.0, 1)])], "ms"))
    assert re.findall(r"width:([\d.]+)%", text) == ["25.0", "75.0", "25.0"]
