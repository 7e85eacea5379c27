"""What we refuse to read agrees with what the schema, judged by the jsonschema package, calls broken."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from typing import Any

import jsonschema
import pytest

from tests.report.report_runs import facts
from wps_load.report.schema import first_fault, json_schema
from wps_load.report.summary import build_summary

WHOLE: dict[str, Any] = json.loads(json.dumps(build_summary(facts(measure_s=2, failures={("connect", "http_429"): 1}))))
for section in ("timeline", "phases", "slo"):  # one of each will do
    del WHOLE[section][1:]
WHOLE["metrics"] = {"rtt": WHOLE["metrics"]["rtt"]}
VALIDATOR = jsonschema.Draft202012Validator(json_schema())


def places(value: Any, path: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    """The way to each value of the document, the first of each list standing for all."""
    if path:
        yield path
    if isinstance(value, dict):
        for name, part in value.items():
            yield from places(part, (*path, name))
    elif isinstance(value, list) and value:
        yield from places(value[0], (*path, 0))


def changed(path: tuple[str | int, ...], value: Any) -> dict[str, Any]:
    document = copy.deepcopy(WHOLE)
    at: Any = document
    for step in path[:-1]:
        at = at[step]
    if value is KeyError:
        del at[path[-1]]
    else:
        at[path[-1]] = value
    return document


def test_a_whole_summary_has_no_fault() -> None:
    assert first_fault(WHOLE) is None


@pytest.mark.parametrize("value", [None, -1, 1.5, "x", True, [], {}, [1], {"a": 1}, KeyError])
def test_every_place_with_every_kind_of_value(value: Any) -> None:
    for path in places(WHOLE):
        document = changed(path, value)
        if VALIDATOR.is_valid(document):
            assert first_fault(document) is None, (path, value)
        elif not _beyond(path, value):
            assert first_fault(document) is not None, (path, value)


def _beyond(path: tuple[str | int, ...], value: Any) -> bool:
    """What the types leave to the schema: names that are not theirs, and what a row's other columns hold."""
    at: Any = WHOLE
    for step in path:
        at = at[step]
    return value == {"a": 1} or (path[0] == "timeline" and len(path) == 3)


@pytest.mark.parametrize(
    ("path", "value", "fault"),
    [
        (("metrics", "rtt", "p99"), "fast", "metrics.rtt.p99: expected `float | null`, got `str`"),
        (("messages", "lost"), -1, "messages.lost: expected `int` >= 0"),
        (("verdict",), "good", "verdict: invalid enum value 'good'"),
        (("run", "seed"), KeyError, "run: object missing required field `seed`"),
        (("timeline", 0), 7, "timeline[0]: expected `object`, got `int`"),
    ],
)
def test_the_fault_names_its_place(path: tuple[str | int, ...], value: Any, fault: str) -> None:
    assert first_fault(changed(path, value)) == fault


def test_names_of_a_later_version_are_left_alone() -> None:
    """The schema is closed, because it says what we write; who reads need not know every name."""
    later = changed(("run", "colour"), "blue")
    assert first_fault(later) is None
    assert not VALIDATOR.is_valid(later)
