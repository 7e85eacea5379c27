"""The populations of a run as tables: each one's figures, and who heard how much of whom."""

from __future__ import annotations

from collections.abc import Iterator

from wps_load.plurals import counted
from wps_load.report.document import PopulationRow, Summary, numbers
from wps_load.report.tables import Cell, Table, millis, number, table

_HEADER = (
    "population", "scenario", "users", "connected", "published", "expected", "delivered", "lost", "latency", "p50, ms",
    "p99, ms", "SLOs",
)  # fmt: skip


def populations(summary: Summary) -> list[PopulationRow]:
    """The populations of a mix, or of a locustfile's classes; empty: the run has only one."""
    return summary.get("populations") or []


def is_outside_accounts(summary: Summary, each: PopulationRow) -> bool:
    """Whether its class sends without `measured=True` beside one that measures.

    The run's message counts are measured ones, so its own messages, which are only traffic, are not part of them.
    """
    return each["messages"]["expected"] is None and summary["messages"]["expected"] is not None


def populations_table(summary: Summary) -> Table:
    """A row for each population: its users, what it sent and heard, and whether its SLOs were met."""
    return table(_HEADER, [_population(each) for each in populations(summary)], numeric_from=2, numeric_to=11)


def _population(each: PopulationRow) -> list[str | Cell]:
    messages, row = each["messages"], numbers(each["metrics"].get(each["main_metric"], {}))
    unmet = [slo for slo in each["slo"] if slo["verdict"] != "pass"]
    met = len(each["slo"]) - len(unmet)
    verdict = Cell(f"{met} of {len(each['slo'])} met", tone="fail" if unmet else "pass")
    return [
        Cell(each["name"], href=f"#population-{each['name']}"),
        f"{each['scenario']} over {each['protocol']}",
        number(each["users"]),
        number(each["connections"]["open_mean"]),
        *(number(messages[key]) for key in ("published", "expected", "delivered", "lost")),
        each["main_metric"],
        millis(row.get("p50")),
        millis(row.get("p99")),
        verdict if each["slo"] else "none",
    ]


def matrix_table(summary: Summary) -> Table | None:
    """From whom to whom: expected, delivered, lost, and how long it took; None if nobody heard anybody."""
    found = summary.get("matrix")
    if not found:
        return None
    header = ("from", "to", "expected", "delivered", "lost", "p50, ms", "p99, ms")
    rows: list[list[str | Cell]] = [
        [
            row["sender"],
            row["receiver"],
            number(row["expected"]),
            number(row["delivered"]),
            number(row["lost"]),
            millis(row["p50"]),
            millis(row["p99"]),
        ]
        for row in found
    ]
    return table(header, rows, numeric_from=2)


def population_lines(summary: Summary) -> Iterator[str]:
    """A line for each population, those whose SLOs were not met first."""
    found = populations(summary)
    width = max((len(each["name"]) for each in found), default=0) + 1
    for each in sorted(found, key=lambda each: all(slo["verdict"] == "pass" for slo in each["slo"])):
        yield f"{each['name'] + ':':{width}} {', '.join(_parts(summary, each))}"


def _parts(summary: Summary, each: PopulationRow) -> Iterator[str]:
    """The facts about it: its users, failures, what it sent and heard, and how long that took."""
    messages, connections = each["messages"], each["connections"]
    if each["users"]:
        yield counted(number(each["users"]), "user")
    for key in ("failed", "dropped"):
        if connections[key]:
            yield f"{number(connections[key])} {key}"
    told = [f"{number(messages[key])} {key}" for key in ("published", "delivered", "lost") if messages[key]]
    yield from told or ["no message"]
    if told and is_outside_accounts(summary, each):
        yield "not measured"
    row = numbers(each["metrics"].get(each["main_metric"], {}))
    if row.get("p50"):
        yield f"{each['main_metric']} p50 {millis(row['p50'])} p99 {millis(row['p99'])} ms"
