"""The load that a finished run put on the service, from its summary."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fractions import Fraction
from typing import Any

from wps_load.capacity.prices import Prices
from wps_load.capacity.sizing import Sizing, sizing
from wps_load.capacity.units import Guide, Load
from wps_load.report.document import Capacity, Scalar, StagesSection, StepRow, Summary
from wps_load.settings.options import OPTIONS
from wps_load.workload.payload import mean_bytes, parse_mix
from wps_load.workload.scenarios import LOCUSTFILE, ROWS, SCENARIOS


def best_step(capacity: Capacity) -> StepRow | None:
    """For a search: the last try of the highest load that passed; None: none did."""
    held = [s for s in capacity["steps"] if s["outcome"] == "held" and s["load"] == capacity["value"]]
    return held[-1] if held else None


def busiest_step(stages: StagesSection) -> StepRow | None:
    """For stages: the one with most deliveries a second or, without deliveries, most users."""
    return max(stages["steps"], key=lambda s: (s["delivered_per_s"] or 0.0, s["users"] or 0), default=None)


def measured_load(summary: Summary) -> Load:
    """Rates of the measure phase, connections at their peak; for a search, of the highest step that passed.

    For stages, of the busiest one. What the summary does not have is None.

    Outbound bytes are those received in the run, without the warm-up's by the phases' lengths, plus the data of each
    event handler's call, which the client does not see.
    """
    run, rates = summary["run"], summary["rates"]
    inbound, outbound = rates["published_per_s"], rates["delivered_per_s"]
    connections = summary["connections"]["peak"] or 0
    capacity, stages = summary.get("capacity"), summary.get("stages")
    if capacity is not None or stages is not None:
        step = best_step(capacity) if capacity is not None else busiest_step(stages) if stages is not None else None
        inbound = outbound = None
        if step is not None:
            inbound, outbound, connections = step["published_per_s"], step["delivered_per_s"], step["users"] or 0
    if summary.get("populations"):
        return _of_populations(summary, connections, inbound, outbound)
    if run["scenario"] == LOCUSTFILE:
        return Load(connections, None, None, 0.0, None)
    if not SCENARIOS[run["scenario"]].publishes:
        return Load(connections, 0.0, 0.0, 0.0, 0.0)
    per_message = _received_per_message(summary)
    size = _data_bytes(run["settings"]) or per_message or 0.0
    billed = None
    if inbound is not None and outbound is not None and (per_message is not None or outbound == 0):
        handled = SCENARIOS[run["scenario"]].calls_handler(run["protocol"])
        billed = outbound * (per_message or 0.0) + (inbound * size if handled else 0.0)
    return Load(connections, inbound, outbound, size, billed)


def _of_populations(summary: Summary, connections: int, inbound: float | None, outbound: float | None) -> Load:
    """For a mix: what its publishers of each use case sent, and the resulting deliveries.

    A message is assumed to be as large as a mean delivery.
    """
    rows = {row["name"]: row for row in summary.get("populations") or ()}
    if not any(ROWS[row["scenario"]].publishes or row["scenario"] == LOCUSTFILE for row in rows.values()):
        return Load(connections, 0.0, 0.0, 0.0, 0.0)
    if inbound is None or outbound is None or any(row["scenario"] == LOCUSTFILE for row in rows.values()):
        return Load(connections, None, None, 0.0, None)
    per_message = _received_per_message(summary) or 0.0
    published = sum(row["messages"]["published"] or 0 for row in rows.values())
    heard: dict[str, int] = dict.fromkeys(rows, 0)
    for pair in summary.get("matrix") or ():
        heard[pair["sender"]] += pair["delivered"] or 0
    delivered, handled, parts = sum(heard.values()), 0.0, []
    for name, row in rows.items():
        of_published = inbound * (row["messages"]["published"] or 0) / (published or 1)
        if ROWS[row["scenario"]].calls_handler(row["protocol"]):
            handled += of_published * per_message
        use_case = ROWS[row["scenario"]].use_case
        if use_case is not None and (of_published or heard[name]):
            of_delivered = outbound * heard[name] / (delivered or 1)
            parts.append((use_case, Load(0, of_published, of_delivered, per_message, None)))
    return Load(connections, inbound, outbound, per_message, outbound * per_message + handled, tuple(parts))


def guided_by(summary: Summary) -> str:
    """The scenario whose row of the performance guide judges the run; empty: each population has its own."""
    return "" if summary.get("populations") else summary["run"]["scenario"]


def _received_per_message(summary: Summary) -> float | None:
    """Bytes received for each message that was delivered in the measure phase; None: none was."""
    lengths = {phase["name"]: phase["duration_s"] for phase in summary["phases"]}
    measured = lengths.get("measure") or 0.0
    published = measured + (lengths.get("warmup") or 0.0)
    delivered, received = summary["messages"]["delivered"], summary["bytes"]["received"]
    if not delivered or not measured or received is None:
        return None
    of_measure: float = received * measured / published
    return of_measure / float(delivered)


def _data_bytes(settings: Mapping[str, Scalar]) -> float | None:
    """The mean size of a message's data by the settings; None if samples of a file were sent."""
    if settings.get("wps-payload-file"):
        return None
    text = settings.get("wps-payload")
    return mean_bytes(parse_mix(str(text))) if text else None


def measured_sizing(summary: Summary, guide: Guide, growth: Sequence[Fraction], prices: Prices | None) -> Sizing | None:
    """The sizing of a finished run; None if its load is unknown (tasks of a locustfile, a search without a result).

    Raises ValueError for settings that no run of this version has.
    """
    run = summary["run"]
    rows = summary.get("populations") or ()
    played = {row["scenario"] for row in rows} or {run["scenario"]}
    if not played <= ROWS.keys() - {LOCUSTFILE} or not summary["connections"]["peak"]:
        return None
    capacity = summary["capacity"]
    if capacity is not None and capacity["value"] is None:
        return None
    bought = {name: _setting(run["settings"], name) for name in ("units", "tier")}
    load = measured_load(summary)
    return sizing(guided_by(summary), load, guide, growth, prices, units=bought["units"], sku=bought["tier"])


def _setting(settings: Mapping[str, Scalar], name: str) -> Any:
    option = next(option for option in OPTIONS if option.flag == f"--wps-{name}")
    text = settings.get(option.key)
    return option.read(str(text)) if text else None
