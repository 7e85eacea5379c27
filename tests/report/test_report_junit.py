"""junit.xml as strict readers take it: counts that add up, nothing that XML cannot carry."""

from __future__ import annotations

from typing import Any
from xml.etree import ElementTree as ET

from hypothesis import given
from hypothesis import strategies as st

from tests.report.report_runs import facts
from wps_load.report import junit
from wps_load.report.document import Summary
from wps_load.report.model import GeneratorHealth
from wps_load.report.summary import build_summary

ALLOWED = {
    "testsuites": {"testsuite"},
    "testsuite": {"properties", "testcase", "system-out"},
    "properties": {"property"},
    "testcase": {"failure", "error", "system-out"},
    "property": set(),
    "failure": set(),
    "error": set(),
    "system-out": set(),
}
REQUIRED = {
    "testsuite": {"name", "tests", "failures", "errors", "skipped", "time", "timestamp"},
    "testcase": {"classname", "name", "time"},
    "property": {"name", "value"},
    "failure": {"message", "type"},
    "error": {"message", "type"},
}


def strictly(document: bytes) -> ET.Element:
    """Parses, and checks elements, attributes and counts against the JUnit schema that CI servers share."""
    root = ET.fromstring(document)
    for element in root.iter():
        assert {child.tag for child in element} <= ALLOWED[element.tag]
        assert REQUIRED.get(element.tag, set()) <= set(element.attrib)
    (suite,) = root
    for attributes in (root.attrib, suite.attrib):
        assert int(attributes["tests"]) == len(suite.findall("testcase"))
        assert int(attributes["failures"]) == len(suite.findall("testcase/failure"))
        assert int(attributes["errors"]) == len(suite.findall("testcase/error"))
    return root


def outcomes(summary: Summary) -> dict[str, str]:
    suite = strictly(junit.render(summary))[0]
    found = {}
    for case in suite.iter("testcase"):
        found[case.attrib["name"]] = next((each.tag for each in case if each.tag != "system-out"), "passed")
    return found


def test_one_case_for_validity_and_one_for_each_slo() -> None:
    assert outcomes(build_summary(facts())) == {
        "the run is valid (EMULATOR)": "passed",
        "rtt p99 < 250ms": "passed",
        "loss = 0": "passed",
        "connected >= 99.9%": "passed",
    }


def test_unmet_and_unknown_fail_and_invalid_errs() -> None:
    run = facts(slo="rtt p99 < 1ms, delivery p99 < 1s", generator=GeneratorHealth(workers_lost=1))
    assert outcomes(build_summary(run)) == {
        "the run is valid (EMULATOR)": "error",
        "rtt p99 < 1ms": "failure",
        "delivery p99 < 1s": "failure",
    }


def test_what_was_measured_is_said() -> None:
    root = strictly(junit.render(build_summary(facts(slo="loss = 0", lost=7))))
    failure = root.find(".//failure")
    assert failure is not None
    assert failure.attrib["message"] == "measured 7"


def test_margins_are_said_of_what_was_met_and_of_what_was_not() -> None:
    summary: Any = build_summary(facts(slo="rtt p99 < 250ms, connect p95 < 1s"))
    summary["slo"] = [
        {"expression": "rtt p99 < 250ms", "value": 200.0, "verdict": "pass"},
        {"expression": "connect p95 < 1s", "value": 1500.0, "verdict": "fail"},
    ]
    root = strictly(junit.render(summary))
    assert root.findtext(".//testcase/system-out") == "rtt p99 < 250ms: measured 200 ms, 20% to spare"
    failure = root.find(".//failure")
    assert failure is not None
    assert failure.attrib["message"] == "measured 1,500 ms, 50% beyond"


@given(st.text())
def test_any_text_survives(target: str) -> None:
    strictly(junit.render(build_summary(facts(rate=10, measure_s=1, target=target))))
