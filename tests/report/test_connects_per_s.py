"""How many new connections a second a run had, from its timeline."""

from __future__ import annotations

from typing import Any

import pytest

from wps_load.report.charts import connects_per_s


def second(phase: str, opened: int | None, interval_s: float = 1.0) -> Any:
    return {"t_s": 1.0, "phase": phase, "interval_s": interval_s, "connect_opened": opened}


@pytest.mark.parametrize(
    ("rows", "per_s"),
    [
        ([], None),
        ([second("ramp", 0), second("measure", None)], None),
        ([second("ramp", 40), second("measure", 4), second("measure", 0)], 2.0),
        ([second("ramp", 40), second("measure", 4, 2.0), second("measure", None, 2.0)], 1.0),
        ([second("ramp", 0), second("ramp", 5), second("ramp", 0), second("ramp", 4), second("measure", 0)], 3.0),
        ([second("ramp", 6, 2.0), second("drain", 0)], 3.0),
    ],
    ids=["no rows", "none", "measured", "of longer intervals", "the ramp from first to last", "no measure phase"],
)
def test_in_the_measure_phase_or_else_in_the_ramp(rows: list[Any], per_s: float | None) -> None:
    assert connects_per_s(rows) == per_s
