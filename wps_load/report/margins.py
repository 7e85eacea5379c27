"""The distance of a measured value from its SLO's limit, in words."""

from __future__ import annotations

from wps_load.measure.thresholds import parse
from wps_load.plurals import counted
from wps_load.report.document import SloRow


def relative(slo: SloRow) -> float | None:
    """The margin as a share of the limit, negative beyond it; None if that says nothing."""
    left, limit = _left(slo)
    return left / limit if left is not None and limit else None


def _left(slo: SloRow) -> tuple[float | None, float | None]:
    """The margin in its unit, and the limit."""
    value, demand = slo["value"], parse(slo["expression"])[0]
    limit = demand.limit_ms if demand.kind == "time" else demand.limit
    if value is None or limit is None or demand.operator == "=":
        return None, limit
    return (limit - value) * (1 if demand.operator.startswith("<") else -1), limit


def margin(slo: SloRow) -> str:
    """The margin in percent of the limit, for shares in percentage points; empty if that says nothing."""
    left, limit = _left(slo)
    if left is None:
        return ""
    side = "to spare" if slo["verdict"] == "pass" else "beyond"
    if parse(slo["expression"])[0].unit == "%":
        return f"{counted(f'{abs(left):.3g}', 'point')} {side}"
    return f"{percent(abs(left) / limit)} {side}" if limit else ""


def percent(share: float) -> str:
    """Three significant digits, never with an exponent: a value may be many times its limit."""
    value = share * 100
    return f"{value:.3g}%" if value < 999.5 else f"{value:,.0f}%"
