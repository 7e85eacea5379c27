"""Units, headroom and cost of a measured load, beside Azure's published rows: sentences and tables."""

from __future__ import annotations

from wps_load.capacity.prices import Prices
from wps_load.capacity.sizing import Sized, Sizing
from wps_load.capacity.units import PLANNED_SHARE, Guide, Load, Size, UnitsRow, in_guide_messages, load_guide
from wps_load.plurals import counted
from wps_load.report.document import Summary
from wps_load.report.extras import Extras
from wps_load.report.measured import measured_sizing
from wps_load.report.tables import DASH, Cell, Table, is_search, number, on_emulator, table


def found_sizing(summary: Summary, extras: Extras) -> Sizing | None:
    """The sizing to show: for searches and stages, for runs that state what was bought, and on request."""
    settings = summary["run"]["settings"]
    asked = extras.growth or extras.prices or settings.get("wps-units") or settings.get("wps-tier")
    if not (asked or is_search(summary) or summary.get("stages")):
        return None
    return measured_sizing(summary, load_guide(), extras.growth, extras.prices)


def units_sentence(summary: Summary, found: Sizing) -> str:
    """The measured load and the smallest size that holds it."""
    first = found.rows[0]
    what = "The highest load that held" if is_search(summary) else "The measured load"
    if summary.get("stages") and not is_search(summary):
        what = "The busiest step"
    if not first.size.holds:
        return f"{what}, {_load(first.load)}, is more than any tier holds: {_fullest(first.size)}. Divide it."
    return f"{what}, {_load(first.load)}, takes {_name(first.size)} filled to {PLANNED_SHARE:.0%} at most."


def units_notes(summary: Summary, found: Sizing, guide: Guide) -> list[str]:
    """What the figures are based on, and what was bought."""
    several = list(dict.fromkeys(use_case.replace("_", " ") for use_case, _ in found.rows[0].load.parts))
    if several:
        use_case = f"use cases “{'”, “'.join(several)}”, each with its share of the units"
    elif found.use_case is None:
        use_case = "connections alone decide"
    else:
        words = f"“{found.use_case.replace('_', ' ')}”"
        nearest = f", the nearest: none is published for {summary['run']['scenario']}"
        use_case = f"use case {words}{'' if found.same_use_case else nearest}"
    notes = [
        f"By Azure’s published figures of {guide.compiled}, {use_case}. They are references, not promises; headroom is "
        f"how much more load fills the units to {PLANNED_SHARE:.0%}."
    ]
    if found.rows[0].load.outbound_per_s is None:
        notes.append("The rate is unknown, so only connections are judged.")
    if found.bought is not None:
        verdict = "enough" if found.bought.holds else "too little"
        notes.append(f"Bought: {_name(found.bought)}, {verdict} for it: {_uses(found.bought)}.")
    if on_emulator(summary):
        notes.append("The target was the emulator: its limits are this machine’s or its settings’, not Azure’s.")
    return notes


def sizes_table(found: Sizing, prices: Prices | None) -> Table:
    """The load and its growth: units, headroom, billed messages, cost."""
    header = ["load", "units", "fullest", "headroom", "connections", "in/s", "out/s", "billed a day", "additional"]
    if prices is not None:
        header += [f"{prices.currency} a day", f"{prices.currency} a month"]
    return table(header, [_sizes_row(row, prices) for row in found.rows], numeric_from=3)


def _sizes_row(row: Sized, prices: Prices | None) -> list[str | Cell]:
    load, holds = row.load, row.size.holds
    cells: list[str | Cell] = [
        "this load" if row.times == 1 else f"{row.times:g} times",
        Cell(_name(row.size) if holds else f"more than {_name(row.size)}", tone="" if holds else "fail"),
        f"{row.size.fullest.name.split()[0]} {row.size.fullest.share:.0%}",
        f"{row.headroom:+.0%}",
        number(load.connections),
        number(load.inbound_per_s),
        number(load.outbound_per_s),
        number(load.billed_per_day),
        number(row.additional_per_day) if holds else DASH,
    ]
    if prices is not None:
        cost = row.cost if holds else None
        cells += [_money(None if cost is None else cost.per_day), _money(None if cost is None else cost.per_month)]
    return cells


def guide_table(found: Sizing) -> Table | None:
    """The measured row beside the published one, in messages of 2 KB; None if none is published."""
    first = found.rows[0]
    size = found.bought or first.size
    if size.row is None:
        return None
    bought = found.bought is not None
    load, row = first.load, size.row
    inbound, outbound = (
        None if rate is None else in_guide_messages(rate, load.message_bytes)
        for rate in (load.inbound_per_s, load.outbound_per_s)
    )
    kind = "between published rows" if row.interpolated else "published"
    rows = [
        [
            "measured",
            number(size.units) if bought else DASH,
            number(load.connections),
            number(inbound),
            number(outbound),
        ],
        [kind, number(row.units), number(row.connections), number(row.inbound_per_s), number(row.outbound_per_s)],
    ]
    if bought:
        rows.append(["measured, of published", "", *_shares(load, row, inbound, outbound)])
    return table(("2 KB messages", "units", "connections", "in/s", "out/s"), rows)


def _shares(load: Load, row: UnitsRow, inbound: float | None, outbound: float | None) -> list[str]:
    pairs = (
        (load.connections, row.connections),
        (inbound, row.inbound_per_s),
        (outbound, row.outbound_per_s),
    )
    return [DASH if mine is None else f"{mine / theirs:.0%}" for mine, theirs in pairs]


def price_note(prices: Prices) -> str:
    return f"Prices: {prices.region}, {prices.date}, {prices.currency}, from a file given; a month has 30 days."


def _load(load: Load) -> str:
    connections = counted(number(load.connections), "connection")
    if load.inbound_per_s is None or load.outbound_per_s is None:
        return connections
    rates = f"{counted(number(load.inbound_per_s), 'message')}/s in and {number(load.outbound_per_s)} out"
    return f"{connections} with {rates}"


def _name(size: Size) -> str:
    return f"{size.units:,} × {size.sku}"


def _fullest(size: Size) -> str:
    return f"{size.fullest.name} {size.fullest.share:.0%}"


def _uses(size: Size) -> str:
    return ", ".join(f"{use.name} {use.share:.0%}" for use in size.uses)


def _money(value: float | None) -> str:
    return DASH if value is None else f"{value:,.2f}"
