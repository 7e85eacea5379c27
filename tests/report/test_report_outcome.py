"""The exit code, and that every reason for it is in the document and in each report."""

from __future__ import annotations

from dataclasses import replace
from html import unescape
from typing import Any
from xml.etree import ElementTree as ET

import pytest

from tests.report.report_runs import facts
from wps_load.errors import ExitCode, worst
from wps_load.report import html, junit, markdown, tables
from wps_load.report.model import Outside
from wps_load.report.schema import first_fault
from wps_load.report.summary import build_summary

LOST_WORKER = replace(facts().generator, workers_lost=1)
STOPPED = {"stopped_by": "SIGTERM after 3 s"}
FAILED = {"failed": 12, "failures": ["GET /cart 10", "POST /pay <b> 2"]}


def test_the_worst_of_several_wins() -> None:
    order = [2, 4, 3, 5, 6, 1, 0]
    for at, code in enumerate(order):
        assert worst([ExitCode(each) for each in order[at:]]) == code


@pytest.mark.parametrize(
    ("changes", "outside", "codes"),
    [
        ({}, {}, []),
        ({"slo": ""}, {}, []),
        ({}, FAILED, [1]),
        ({}, {"exceptions": 1}, [1]),
        ({}, {**FAILED, "exit_code_on_error": 0}, []),
        ({}, {**FAILED, "exit_code_on_error": 17}, [17]),
        ({}, STOPPED, [6]),
        ({}, {**STOPPED, **FAILED}, [6, 1]),
        ({"generator": LOST_WORKER}, {"misused": "--wps-rate: too much"}, [2, 4]),
        ({"slo": "rtt p99 < 1ms"}, {}, [3]),
        ({"slo": "rtt p99 < 1ms"}, {**FAILED, "exit_code_on_error": 3}, [3, 3]),
        ({"slo": "delivery p99 < 1s"}, {**STOPPED, **FAILED}, [3, 6, 1]),
        ({"generator": LOST_WORKER}, {}, [4]),
        ({"generator": LOST_WORKER, "slo": "rtt p99 < 1ms"}, {**STOPPED, **FAILED}, [4, 3, 6, 1]),
        ({}, {"unwritten": "the report could not be written to reports/a: No space left on device"}, [4]),
        ({"generator": LOST_WORKER}, {"unwritten": "the disk is full", **STOPPED}, [4, 4, 6]),
        ({}, {"set_code": 9}, [9]),
        ({}, {"set_code": 3}, [3]),
        ({"slo": "rtt p99 < 1ms"}, {"set_code": 9, **FAILED}, [9, 3, 1]),
    ],
)
def test_every_reason_has_its_code_and_stands_in_every_report(
    changes: dict[str, Any], outside: dict[str, Any], codes: list[int]
) -> None:
    summary = build_summary(facts(**changes, outside=Outside(**outside)))
    assert first_fault(summary) is None
    block = summary["exit"]
    assert block["code"] == (codes[0] if codes else 0)
    assert [reason["code"] for reason in block["reasons"]] == codes

    others = tables.exit_sentences(summary)
    assert len(others) == len(outside.keys() & {"stopped_by", "misused", "unwritten", "set_code"}) + (
        bool(outside.get("failed") or outside.get("exceptions")) and outside.get("exit_code_on_error", 1) != 0
    )
    text, page = markdown.render(summary), html.render(summary, None).decode()
    cases = ET.fromstring(junit.render(summary)).findall(".//failure[@type='exit']")
    assert [case.get("message") for case in cases] == others
    names = [case.get("name") for case in ET.fromstring(junit.render(summary)).iter("testcase")]
    assert len(names) == len(set(names)), "a CI server tells test cases apart by name"
    for sentence in others:
        start = sentence.partition("<")[0]
        assert start in text
        assert start in unescape(page)
    assert "<b>" not in text + page


EXITS: dict[ExitCode, tuple[dict[str, Any], dict[str, Any]]] = {
    ExitCode.REQUEST_FAILURES: ({}, FAILED),
    ExitCode.USAGE: ({}, {"misused": "--wps-rate: too much"}),
    ExitCode.SLO_FAILED: ({"slo": "rtt p99 < 1ms"}, {}),
    ExitCode.INVALID: ({"generator": LOST_WORKER}, {}),
    ExitCode.STOPPED: ({}, STOPPED),
}


@pytest.mark.parametrize("code", [code for code in ExitCode if code not in (ExitCode.PASSED, ExitCode.REGRESSION)])
def test_junit_is_red_whenever_the_exit_code_is_not_zero(code: ExitCode) -> None:
    """A regression is `compare`'s, which makes no run."""
    changes, outside = EXITS[code]
    summary = build_summary(facts(**changes, outside=Outside(**outside)))
    assert summary["exit"]["code"] == code
    root = ET.fromstring(junit.render(summary))
    assert int(root.get("failures", 0)) + int(root.get("errors", 0)) == 1
    (found,) = (*root.iterfind(".//failure"), *root.iterfind(".//error"))
    assert found.get("message")
    assert found.text


def test_a_locustfile_that_sets_zero_has_its_way_and_the_reasons_stay() -> None:
    summary = build_summary(facts(slo="rtt p99 < 1ms", outside=Outside(set_code=0)))
    assert summary["exit"]["code"] == 0
    assert [reason["cause"] for reason in summary["exit"]["reasons"]] == ["slo"]
    assert first_fault(summary) is None


def test_failures_are_named_by_who_failed() -> None:
    summary = build_summary(facts(outside=Outside(failed=1, failures=["GET / 1"], exceptions=2)))
    assert tables.exit_sentences(summary) == [
        "Exit code 1: 1 failed request (GET / 1) and 2 exceptions in tasks in Locust's table; "
        "--exit-code-on-error 0 leaves them out."
    ]
    many = [f"GET /{i} 1" for i in range(50)]
    assert "GET /4 1, ...)" in tables.exit_sentences(build_summary(facts(outside=Outside(failed=50, failures=many))))[0]


def test_a_code_that_a_worse_one_beats_is_named_as_what_it_would_have_been() -> None:
    summary = build_summary(facts(slo="rtt p99 < 1ms", outside=Outside(failed=1, failures=["GET / 1"])))
    assert summary["exit"]["code"] == 3
    assert tables.exit_sentences(summary) == [
        "This alone would be exit code 1: 1 failed request (GET / 1) in Locust's table; "
        "--exit-code-on-error 0 leaves them out."
    ]


def test_a_summary_of_an_older_version_has_no_sentences() -> None:
    summary = build_summary(facts())
    del summary["exit"]
    assert tables.exit_sentences(summary) == []
    assert first_fault(summary) is None
