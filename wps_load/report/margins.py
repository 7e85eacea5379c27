"""How far what was measured is from what was demanded, in words."""

from __future__ import annotations

from wps_load.measure.thresholds import parse
from wps_load.report.document import SloRow


def margin(slo: SloRow) -> str:
    """In percent of the limit, of shares in percentage points; empty where that says nothing."""
    value, demand = slo["value"], parse(slo["expression"])[0]
    limit = demand.limit_ms if demand.kind == "time" else demand.limit
    if value is None or limit is None or demand.operator == "=":
        return ""
    left = (limit - value) * (1 if demand.operator.startswith("<") else -1)
    side = "to spare" if slo["verdict"] == "pass" else "beyond"
    if demand.unit == "%":
        points = f"{abs(left):.3g}"
        return f"{points} point{'' if points == '1' else 's'} {side}"
    return f"{abs(left) / limit * 100:.3g}% {side}" if limit else ""
