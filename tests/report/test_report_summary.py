"""The summary document against its schema, and the arithmetic of verdict and exit code."""

from __future__ import annotations

import json
from importlib.resources import files
from typing import Any

import jsonschema
import pytest

from tests.report.report_runs import facts
from wps_load.report.document import Summary
from wps_load.report.model import GeneratorHealth, RunFacts
from wps_load.report.schema import SCHEMA_PATH, schema_text
from wps_load.report.summary import build_summary

VALIDATOR = jsonschema.Draft202012Validator(
    json.loads(files("wps_load.report").joinpath("summary.schema.json").read_text()),
    format_checker=jsonschema.Draft202012Validator.FORMAT_CHECKER,
)


def valid(document: Summary) -> dict[str, Any]:
    """The document as it comes back from its file."""
    read: dict[str, Any] = json.loads(json.dumps(document, allow_nan=False))
    VALIDATOR.validate(read)
    return read


def test_schema_is_that_of_the_types() -> None:
    """`make schema` writes it."""
    assert SCHEMA_PATH.read_text() == schema_text()


def test_schema_is_itself_valid() -> None:
    jsonschema.Draft202012Validator.check_schema(VALIDATOR.schema)


def test_full_run_matches_the_schema() -> None:
    found = valid(build_summary(facts()))
    assert found["verdict"] == "pass"
    assert found["messages"]["offered"] == 3000
    assert found["rates"] == {"offered_per_s": 100.0, "published_per_s": 100.0, "delivered_per_s": 100.0}
    assert found["metrics"]["rtt"]["count"] == 3000
    assert [slo["verdict"] for slo in found["slo"]] == ["pass", "pass", "pass"]
    assert len(found["timeline"]) == 35


def test_nothing_known_is_null_and_never_a_pass() -> None:
    empty = RunFacts(
        run_id="1",
        started_at=facts().started_at,
        duration_s=0.0,
        scenario="echo",
        protocol="json",
        target="wss://example.test/client/hubs/bench",
        settings={},
        settings_hash="0",
        seed=None,
        versions={},
        host={},
        slos=facts().slos,
    )
    found = valid(build_summary(empty))
    assert set(found["messages"].values()) == {None}
    assert set(found["connections"].values()) == {None}
    assert set(found["rates"].values()) == {None}
    assert found["metrics"] == {}
    assert found["verdict"] == "invalid"
    assert {slo["verdict"] for slo in found["slo"]} == {"no_data"}


def test_failures_without_a_value_have_a_row() -> None:
    found = valid(build_summary(facts(failures={("disconnect", "closed_1006"): 3, ("connect", "http_429"): 5})))
    assert found["metrics"]["disconnect"] | {"count": 3, "failures": 3, "p50": None} == found["metrics"]["disconnect"]
    assert found["failures"][0] == {"metric": "connect", "label": "http_429", "count": 5}


@pytest.mark.parametrize("broken", [{"verdict": "good"}, {"extra": 1}, {"schema": "wps-load.summary/3"}])
def test_schema_refuses(broken: dict[str, Any]) -> None:
    with pytest.raises(jsonschema.ValidationError):
        VALIDATOR.validate(build_summary(facts()) | broken)


def test_generator_section_is_the_contracts() -> None:
    health = GeneratorHealth(workers=2, workers_lost=0, send_stalls=4, gc_pause_ms_max=3.0)
    assert set(valid(build_summary(facts(generator=health)))["generator"]) == {
        "workers",
        "cpu_percent_max",
        "loop_lag_ms_p99",
        "send_lag_ms_p99",
        "rss_bytes_max",
        "clock_error_ms",
    }
