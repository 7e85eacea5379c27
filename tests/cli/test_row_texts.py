"""Figures as a person reads them, at the bounds between two ways to write them."""

from __future__ import annotations

import pytest

from wps_load.commands.row_texts import LABEL, byte_size, duration, rate, row


@pytest.mark.parametrize(
    ("per_s", "text"),
    [(0.5, "0.50/s"), (99.99, "99.99/s"), (99.0, "99/s"), (100.4, "100/s"), (12_345.6, "12,346/s"), (0.0, "0/s")],
)
def test_a_rate_has_decimals_where_they_say_something(per_s: float, text: str) -> None:
    assert rate(per_s) == text


@pytest.mark.parametrize(
    ("size", "text"),
    [(0, "0 bytes"), (9_999, "9,999 bytes"), (10_000, "10.0 kB"), (999_999, "1,000.0 kB"), (1e6, "1.0 MB"),
     (2.5e9, "2.5 GB")],
)  # fmt: skip
def test_bytes_are_in_decimal_units(size: float, text: str) -> None:
    assert byte_size(size) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.25, "0.25 s"), (119.4, "119 s"), (120, "2 min"), (125, "2 min 5 s"), (3600, "1 h 0 min"),
     (3_725, "1 h 2 min 5 s")],
)  # fmt: skip
def test_a_duration_is_in_seconds_up_to_two_minutes(seconds: float, text: str) -> None:
    assert duration(seconds) == text


def test_a_run_without_an_end_says_so() -> None:
    assert "no end is set (--run-time)" in duration(None)


def test_texts_stand_in_one_column() -> None:
    assert row("units", "two")[LABEL + 3 :] == row("", "three")[LABEL + 3 :].replace("three", "two") == "two"
