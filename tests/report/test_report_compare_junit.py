"""A comparison's junit.xml: red where the exit code is 5, counts that add up."""

from __future__ import annotations

from xml.etree import ElementTree as ET

from wps_load.errors import ExitCode
from wps_load.report import compare_junit
from wps_load.report.compare import Comparison
from wps_load.report.figures import Difference

WORSE = Difference("rtt p99", "ms", 10.0, 15.0, 0.5, 0.4, 0.6, "worse")
SAME = Difference("rtt p50", "ms", 2.0, 2.0, 0.0, -0.01, 0.01, "same")
UNCLEAR = Difference("viewers.delivery p99", "ms", 3.0, 4.0, reason="only 2 samples <above> it on a side")


def compared(*differences: Difference) -> Comparison:
    return Comparison(("main",), ("branch",), "rtt", differences, ())


def parsed(found: Comparison | None) -> ET.Element:
    root = ET.fromstring(compare_junit.render(found))
    for kind in ("failure", "skipped"):
        named = {"failure": "failures", "skipped": "skipped"}[kind]
        assert int(root.get(named, "-1")) == len([*root.iter(kind)])
    assert int(root.get("tests", "-1")) == len([*root.iter("testcase")])
    return root


def test_a_regression_is_a_failure_with_its_figures() -> None:
    comparison = compared(SAME, WORSE, UNCLEAR)
    assert comparison.exit_code is ExitCode.REGRESSION
    root = parsed(comparison)
    (failure,) = root.iter("failure")
    message = failure.get("message", "")
    assert message.startswith("rtt p99: 10.0 ms before, 15.0 ms now, +50.0%")
    (skipped,) = root.iter("skipped")
    assert skipped.get("message") == "only 2 samples <above> it on a side"


def test_without_a_regression_nothing_fails() -> None:
    comparison = compared(SAME, UNCLEAR)
    assert comparison.exit_code is ExitCode.PASSED
    assert not [*parsed(comparison).iter("failure")]


def test_where_there_is_nothing_to_compare_with_that_is_said() -> None:
    (skipped,) = parsed(None).iter("skipped")
    assert "no earlier run" in skipped.get("message", "")
