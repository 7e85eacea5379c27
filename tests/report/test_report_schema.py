"""Our small schema check agrees with the jsonschema package on broken summaries."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from typing import Any

import jsonschema
import pytest

from tests.report.report_runs import facts
from wps_load.report.schema import first_fault, summary_schema
from wps_load.report.summary import build_summary

WHOLE: dict[str, Any] = json.loads(json.dumps(build_summary(facts(measure_s=2, failures={("connect", "http_429"): 1}))))
for section in ("timeline", "phases", "slo"):  # one of each will do
    del WHOLE[section][1:]
WHOLE["metrics"] = {"rtt": WHOLE["metrics"]["rtt"]}
VALIDATOR = jsonschema.Draft202012Validator(summary_schema())


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
    """What the small check leaves to the full one: patterns, names of properties, lengths."""
    return value == "x" and path[-1] in ("name", "label")


@pytest.mark.parametrize(
    ("path", "value", "fault"),
    [
        (("metrics", "rtt", "p99"), "fast", "metrics.rtt.p99 is not number or null"),
        (("messages", "lost"), -1, "messages.lost is below 0"),
        (("verdict",), "good", "verdict is none of pass, fail, invalid"),
        (("run", "seed"), KeyError, "run has no seed"),
        (("run", "colour"), "blue", "run.colour is unknown"),
        (("timeline", 0), 7, "timeline[0] is not object"),
    ],
)
def test_the_fault_names_its_place(path: tuple[str | int, ...], value: Any, fault: str) -> None:
    assert first_fault(changed(path, value)) == fault
