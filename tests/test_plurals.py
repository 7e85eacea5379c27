"""One of something is in the singular, however it is written."""

from __future__ import annotations

import pytest

from wps_load.plurals import counted
from wps_load.report.words import load_words


@pytest.mark.parametrize(
    ("count", "noun", "words"),
    [
        (0, "user", "0 users"),
        (1, "user", "1 user"),
        ("1", "message", "1 message"),
        ("0.5", "message", "0.5 messages"),
        (12_345, "group", "12,345 groups"),
        (1, "process", "1 process"),
        (2, "process", "2 processes"),
        (2, "source address", "2 source addresses"),
    ],
)
def test_the_noun_agrees_with_its_number(count: int | str, noun: str, words: str) -> None:
    assert counted(count, noun) == words


def test_a_rate_of_one_in_the_head_of_a_report() -> None:
    assert load_words({"wps-rate": "1"}) == "1 message/s for each publisher"
    assert load_words({"wps-total-rate": "20"}) == "20 messages/s in total"
