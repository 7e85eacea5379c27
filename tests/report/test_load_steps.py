"""What a search says at its end."""

from __future__ import annotations

import pytest

from wps_load.capacity.search import BoundBy, Found, Outcome
from wps_load.report.document import StepRow
from wps_load.report.load_steps import answer, progress
from wps_load.report.step_doubts import GENERATOR_TOO

ENDED = "the service ended 3 connections (closed_1006)"
LATE = f"{GENERATOR_TOO}messages left 23.1 ms or more late"


def failed(*reasons: str, load: int = 100) -> StepRow:
    return {
        "load": load, "from_s": 0, "duration_s": 10.0, "users": 10, "published_per_s": 1.0, "delivered_per_s": 1.0,
        "lost": 0, "metric": "rtt", "p50": 1.0, "p99": 2.0, "samples": 100, "few_samples": False,
        "cpu_percent_max": 5.0, "outcome": "failed", "reasons": list(reasons),
    }  # fmt: skip


@pytest.mark.parametrize(
    ("found", "variable", "sentence"),
    [
        (None, "rate", "Capacity: the search did not begin"),
        (Found(90, 90, 100, BoundBy.SERVICE), "rate", "Capacity: 90 messages/s, below 100"),
        (Found(1500, 1500, None, BoundBy.RANGE), "users", "Capacity: at least 1,500 users"),
        (Found(None, None, 50, BoundBy.SERVICE), "users", "Capacity: below 50 users"),
        (Found(None, None, None, BoundBy.TIME), "users", "Capacity: nothing was measured"),
        (
            Found(90, 90, 100, BoundBy.GENERATOR),
            "rate",
            "Capacity: at least 90 messages/s; client-bound at 100 messages/s: add workers",
        ),
        (
            Found(90, 90, 100, BoundBy.TIME),
            "rate",
            "Capacity: 90 messages/s, below 100 (the time was up before the search was)",
        ),
    ],
)
def test_what_was_found_in_a_sentence(found: Found | None, variable: str, sentence: str) -> None:
    assert answer(found, variable, [failed(ENDED)]) == sentence


def test_where_both_were_at_their_limit_the_answer_says_so() -> None:
    found = Found(90, 90, 100, BoundBy.SERVICE)
    assert answer(found, "rate", [failed(ENDED, LATE)]) == f"Capacity: 90 messages/s, below 100, {LATE}"
    both_tries = [failed(ENDED, LATE), failed(ENDED)]
    assert answer(found, "rate", both_tries) == "Capacity: 90 messages/s, below 100", "it had room in the other try"


def test_a_step_says_how_it_went_and_why() -> None:
    assert progress(2, 1_500, "users", Outcome.FAILED, ["a", "b"]) == "Step 2: 1,500 users failed (a; b)"
    assert progress(1, 50, "rate", Outcome.HELD, []) == "Step 1: 50 messages/s held"
