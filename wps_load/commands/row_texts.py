"""Rows and figures for people."""

from __future__ import annotations

LABEL = 14


def row(label: str, text: str) -> str:
    """One line; an empty label continues the previous line."""
    return f"  {label:<{LABEL}} {text}"


def rate(per_s: float) -> str:
    """Messages per second."""
    return f"{per_s:,.0f}/s" if per_s >= 100 or per_s == int(per_s) else f"{per_s:,.2f}/s"


def byte_size(value: float) -> str:
    """Bytes in decimal units, from 10 kB on."""
    for unit, least in (("GB", 1e9), ("MB", 1e6), ("kB", 1e4)):
        if value >= least:
            return f"{value / (1000 if unit == 'kB' else least):,.1f} {unit}"
    return f"{value:,.0f} bytes"


def duration(seconds: float | None) -> str:
    """A duration in words; None: a run without an end."""
    if seconds is None:
        return "unknown: no end is set (--run-time)"
    whole = round(seconds)
    if whole < 120:
        return f"{seconds:.3g} s"
    hours, rest = divmod(whole, 3600)
    text = f"{rest // 60} min" + (f" {rest % 60} s" if rest % 60 else "")
    return f"{hours} h {text}" if hours else text
