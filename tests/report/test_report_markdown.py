"""summary.md as a reader of a pull request sees it."""

from __future__ import annotations

import re
from typing import Any

import pytest

from tests.report.report_runs import facts
from wps_load.report import markdown
from wps_load.report.model import GeneratorHealth
from wps_load.report.summary import build_summary


def test_passed() -> None:
    text = markdown.render(build_summary(facts(rate=10, measure_s=10)))
    assert re.match(
        r"## ✅ Passed \(EMULATOR\): echo over json\n\nAll 3 SLOs were met.\n\n"
        r"\*\*rtt p9\d\*\* [\d.]+ ms · [\d.]+% to spare, \*\*rtt p50\*\* [\d.]+ ms, ",
        text,
    ), "what the run is about comes first, with its margin"
    assert (
        "echo over json, 50 connections, 50 publishers, 2 messages/s for each publisher, payload 2KiB, "
        "against embedded emulator at http://127.0.0.1:41873, for 13 s.\n\n"
        "### Doubts\n\n"
        "- **few samples**: Percentiles with fewer than 10 samples above them: "
        "rtt p99 (100 samples). "
    ) in text
    assert "| loss = 0 | ✓ met | 0 |" in text


def test_every_table_is_rectangular() -> None:
    failures = {("connect", f"http_{400 + i}"): i + 1 for i in range(30)}
    text = markdown.render(build_summary(facts(failures=failures)))
    for block in text.split("\n\n"):
        if block.startswith("|"):
            assert len({line.replace("\\|", "").count("|") for line in block.splitlines()}) == 1
    assert "and 10 more labels" in text


def test_invalid_says_so_first() -> None:
    text = markdown.render(build_summary(facts(generator=GeneratorHealth(workers_lost=1))))
    assert text.startswith(
        "## ⚠️ Invalid (EMULATOR): echo over json\n\nThe figures of this run cannot be trusted: worker lost."
    )
    assert "- ⚠️ **worker lost**: 1 worker went missing" in text


def test_failed_names_what_was_not_met() -> None:
    text = markdown.render(build_summary(facts(slo="rtt p99 < 1ms, loss = 0")))
    assert "1 of 2 SLOs not met: rtt p99 &lt; 1ms." in text


def test_it_fits_a_step_summary_after_any_run() -> None:
    failures = {("connect", f"closed_{1000 + i}"): 1 for i in range(3000)}
    assert len(markdown.render(build_summary(facts(failures=failures))).encode()) < 20_000


@pytest.mark.parametrize(
    ("text", "safe"),
    [
        ("a|b", "a\\|b"),
        ("<script>", "&lt;script>"),
        ("two\nlines", "two lines"),
        ("*bold* `code`", "\\*bold\\* \\`code\\`"),
        ("a\\|b", "a\\\\\\|b"),
        ("![x](http://evil.example/x.png)", "!\\[x\\](http://evil.example/x.png)"),
        ("</td><img src=x onerror=y>", "&lt;/td>&lt;img src=x onerror=y>"),
    ],
)
def test_escape(text: str, safe: str) -> None:
    assert markdown.escape(text) == safe


def test_names_and_labels_from_outside_are_text_wherever_they_stand() -> None:
    evil = "<img src=x onerror=alert(1)>"
    summary: Any = build_summary(facts(failures={("connect", evil): 3}))
    summary["run"].update({name: evil for name in ("scenario", "protocol", "target")})
    summary["run"]["settings"] = dict.fromkeys(summary["run"]["settings"], evil)
    for doubt in summary["doubts"]:
        doubt.update(name=evil, message=evil, advice=evil)
    summary["metrics"][evil] = summary["metrics"]["rtt"]
    text = markdown.render(summary)
    assert "&lt;img" in text
    assert "<img" not in text
