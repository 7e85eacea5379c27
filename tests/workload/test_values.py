from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wps_load.workload.seeding import derive
from wps_load.workload.values import Share, duration_ns, positive_duration_ns, rate, size_bytes, whole


@pytest.mark.parametrize(
    ("text", "ns"),
    [
        ("1us", 1_000),
        ("250ms", 250_000_000),
        ("1.5s", 1_500_000_000),
        ("2m", 120 * 10**9),
        ("1h30m", 5400 * 10**9),
        ("0", 0),
        (" 5s ", 5 * 10**9),
    ],
)
def test_durations_are_whole_nanoseconds(text: str, ns: int) -> None:
    assert duration_ns(text) == ns


@pytest.mark.parametrize("text", ["", "5", "s", "-1s", "1d", "1 s s", "1e3s", "٣s", "5sx"])
def test_anything_else_is_not_a_duration(text: str) -> None:
    with pytest.raises(ValueError, match="250ms"):
        duration_ns(text)


def test_a_duration_above_zero_is_not_zero() -> None:
    with pytest.raises(ValueError, match="above zero"):
        positive_duration_ns("0s")


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("64B", 64),
        ("2KiB", 2048),
        ("16kb", 16_000),
        ("1MB", 10**6),
        ("1MiB", 2**20),
        ("100", 100),
        ("1.5KiB", 1536),
    ],
)
def test_sizes(text: str, size: int) -> None:
    assert size_bytes(text) == size


@pytest.mark.parametrize("text", ["", "B", "-1B", "2GiB", "1.0001B", "2 KiB KiB"])
def test_anything_else_is_not_a_size(text: str) -> None:
    with pytest.raises(ValueError, match="2KiB"):
        size_bytes(text)


def test_rates_are_exact() -> None:
    assert rate("0.1") == Fraction(1, 10)
    assert rate("900/s") == 900
    for text in ("0", "-1", "x", "1e3", "nan"):
        with pytest.raises(ValueError, match="per second"):
            rate(text)


def test_whole_numbers_name_their_range() -> None:
    assert whole("65535", 1, 65535) == 65535
    for text in ("0", "65536", "1.5", "²", ""):
        with pytest.raises(ValueError, match="from 1 to 65,535"):
            whole(text, 1, 65535)


@pytest.mark.parametrize("text", ["0%", "101%", "0", "x", "%", "-3"])
def test_a_share_is_some_of_all(text: str) -> None:
    with pytest.raises(ValueError, match="10%"):
        Share.parse(text)


@given(st.integers(1, 100), st.integers(1, 10_000))
def test_a_share_is_the_nearest_number_and_never_none(percent: int, total: int) -> None:
    chosen = Share.parse(f"{percent}%").of(total)
    assert 1 <= chosen <= total
    assert chosen == 1 or abs(Fraction(percent, 100) * total - chosen) <= Fraction(1, 2)


def test_a_number_is_at_most_the_total() -> None:
    assert Share.parse("30").of(20) == 20
    assert Share.parse("50%").of(0) == 0
    assert str(Share.parse("12.5%")) == "12.5%"


def test_seeds_for_different_uses_differ_and_stay() -> None:
    assert derive(1, "poisson", 2) == 9084313904850867520  # on every machine and in every process
    assert len({derive(1, "a", 2), derive(1, "a2"), derive(1, "a", 3), derive(2, "a", 2)}) == 4
    assert 0 <= derive(2**63 - 1, "x") < 2**63
