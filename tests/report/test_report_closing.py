"""The closing summary: the verdict first, at most 25 lines, an answer last, colour only where it can be seen."""

from __future__ import annotations

from typing import Any

import pytest

from tests.report.capacity_runs import searched
from tests.report.report_runs import facts
from tests.report.test_population_tables import summary as of_a_mix
from wps_load.measure.thresholds import parse
from wps_load.report import html, markdown, words
from wps_load.report.closing import MOST_LINES, Paint, Said, closing
from wps_load.report.document import SloVerdict
from wps_load.report.margins import margin
from wps_load.report.model import Outside
from wps_load.report.schema import first_fault
from wps_load.report.summary import build_summary

REPORT = "reports/20260314T092653Z-echo/report.html"


def texts(summary: Any, **more: Any) -> list[str]:
    given = {"report": REPORT, **more}
    return [line.text for line in closing(summary, **given)]


def test_what_a_passed_run_says() -> None:
    lines = texts(build_summary(facts()))
    assert lines[0] == "Verdict: pass (EMULATOR)"
    assert lines[-2] == f"Report: {REPORT}"
    assert lines[-1].startswith("Next: WebPubSubConnectionString='Endpoint=...' wps-load doctor")
    assert sum(line.startswith("  connections  50 requested, 50 opened, 0 failed") for line in lines) == 1
    assert any(line.startswith("  rtt          p50 ") for line in lines)
    assert any(line.startswith("  pass    rtt p99 < ") and line.endswith("% to spare)") for line in lines)


def test_the_worst_case_fits() -> None:
    """Everything that can be said at once: many SLOs, failures, doubts, reasons."""
    summary: Any = build_summary(facts(failures={("connect", f"http_{400 + i}"): i + 1 for i in range(30)}))
    doubt = {"name": "x", "level": "warning", "message": "m", "advice": "a"}
    summary["doubts"] = [doubt] * 20 + [{**doubt, "level": "error", "message": "first"}]
    metrics = ("rtt", "rtt_service", "connect", "connect_dns", "connect_tcp", "connect_tls", "connect_upgrade")
    summary["slo"] = [{"expression": f"{name} p90 < 1ms", "value": 2.0, "verdict": "fail"} for name in metrics] * 3
    summary["messages"]["missed"] = 3
    summary["run"]["reset_s"] = 1.0
    summary["messages"]["send_failed_by"] = {"service": 1, "plan": 2, "generator": 3}
    capacity = {"variable": "rate", "value": 900.0, "low": 900.0, "high": None, "bound_by": "service", "steps": []}
    summary["capacity"] = {**capacity, "answer": "900/s"}
    summary["exit"] = {"code": 4, "reasons": [{"code": n, "message": "why", "judged": False} for n in range(5)]}
    assert len(texts(summary, notes=["  index.html could not be written"])) <= MOST_LINES
    summary["populations"] = [*(of_a_mix()["populations"] or ())] * 3
    lines = texts(summary, notes=["  index.html could not be written", "  the push failed"])
    assert len(lines) <= MOST_LINES
    assert [line for line in lines if line.startswith("  error:")] == ["  error: first a"]
    assert lines[-1].startswith("900/s. SLO: ")


def test_the_answer_of_a_search_is_last() -> None:
    summary: Any = build_summary(searched())
    lines = texts(summary)
    assert lines[-3:] == [
        f"Report: {REPORT}",
        "Next: wps-load report reports/20260314T092653Z-echo --growth 2,5,10   # units for more load",
        f"{summary['capacity']['answer']}. SLO: rtt p99 < 100ms, loss = 0.",
    ]


def test_a_report_that_is_lost_is_reported() -> None:
    lines = texts(build_summary(facts(outside=Outside(unwritten="the disk is full"))), report=None)
    assert "  Exit code 4: the disk is full." in lines
    assert not any(line.startswith("Report:") for line in lines)


@pytest.mark.parametrize(
    ("expression", "value", "verdict", "words"),
    [
        ("rtt p99 < 1s", 250.0, "pass", "75% to spare"),
        ("rtt p99 < 1s", 1500.0, "fail", "50% beyond"),
        ("rtt p99 < 1s", 62_400.0, "fail", "6,140% beyond"),
        ("delivery rate >= 3000/s", 3600.0, "pass", "20% to spare"),
        ("connected >= 50%", 25.0, "fail", "25 points beyond"),
        ("connected >= 99%", 100.0, "pass", "1 point to spare"),
        ("connect fail_ratio < 1%", 0.25, "pass", "0.75 points to spare"),
        ("loss = 0", 0.0, "pass", ""),
        ("rtt p99 < 1s", None, "no_data", ""),
    ],
)
def test_margins(expression: str, value: float | None, verdict: SloVerdict, words: str) -> None:
    parse(expression)
    assert margin({"expression": expression, "value": value, "verdict": verdict}) == words


def test_colour() -> None:
    assert Paint(True).line(Said("Verdict: fail (EMULATOR)", "fail")) == "Verdict: \x1b[1;31mfail\x1b[0m (EMULATOR)"
    assert Paint(True).line(Said("  pass    loss = 0", "pass")) == "  \x1b[1;32mpass\x1b[0m    loss = 0"
    assert Paint(True).line(Said("Report: x")) == "Report: x"
    assert Paint(False).line(Said("Verdict: fail", "fail")) == "Verdict: fail"


def test_a_reset_of_the_statistics_is_said_wherever_figures_are() -> None:
    summary = build_summary(facts(reset_s=1.3))
    said = "The statistics were reset 1.3 s after the start: counts and times are from then on"
    assert first_fault(summary) is None
    assert any("counted from the reset 1.3 s after the start" in line for line in texts(summary))
    for text in (markdown.render(summary), html.render(summary, None).decode()):
        assert said in text
    assert "reset" not in "\n".join([*texts(build_summary(facts())), words.reset_sentence(build_summary(facts()))])
