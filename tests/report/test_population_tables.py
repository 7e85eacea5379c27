"""Populations in Markdown, HTML and JUnit."""

from __future__ import annotations

from dataclasses import replace
from xml.etree import ElementTree as ET

from tests.report.report_runs import facts, histogram
from wps_load.measure.thresholds import parse
from wps_load.report import html, junit, markdown
from wps_load.report.closing import closing
from wps_load.report.document import Summary
from wps_load.report.model import PairFacts
from wps_load.report.population_tables import matrix_table, population_lines
from wps_load.report.summary import build_summary


def summary(*, viewers_slo: str = "viewers.delivery p99 < 1s") -> Summary:
    """Hosts whose messages viewers hear; each population has a whole run's figures."""
    slos = [*parse("hosts.rtt p99 < 250ms"), *parse(viewers_slo), *parse("loss = 0")]
    whole = facts(rate=200)
    hosts = replace(whole, scenario="big-group", slos=slos[:1])
    viewers = replace(whole, scenario="listener", protocol="simple", has_messages=False, slos=slos[1:2])
    pair = PairFacts("hosts", "viewers", 100, 98, histogram([5_000_000] * 98))
    return build_summary(
        replace(whole, slos=slos, populations={"hosts": hosts, "viewers": viewers}, pairs=[pair], scenario="chat")
    )


def test_each_population_has_a_row_and_each_pair_says_what_was_lost_between_them() -> None:
    text = markdown.render(summary())
    assert "### Populations" in text
    assert "| hosts | big-group over json | 50 |" in text
    assert "| viewers | listener over simple | 50 |" in text
    assert "| hosts | viewers | 100 | 98 | 2 |" in text
    found = matrix_table(summary())
    assert found is not None
    assert [cell.text for cell in found.rows[0]][:5] == ["hosts", "viewers", "100", "98", "2"]


def test_a_run_of_one_population_has_neither() -> None:
    plain = build_summary(facts())
    assert plain["populations"] is None
    assert plain["matrix"] is None
    assert "Populations" not in markdown.render(plain)


def test_junit_has_a_suite_for_each_and_counts_each_demand_once() -> None:
    root = ET.fromstring(junit.render(summary()))
    suites = {suite.get("name"): suite for suite in root}
    assert set(suites) == {"wps-load.chat", "wps-load.chat.hosts", "wps-load.chat.viewers"}
    assert [case.get("name") for case in suites["wps-load.chat.hosts"]] == ["hosts.rtt p99 < 250ms"]
    assert root.get("tests") == str(sum(len(suite.findall("testcase")) for suite in suites.values()))
    assert root.get("failures") == str(sum(len(suite.findall("testcase/failure")) for suite in suites.values()))


def test_the_worst_population_comes_first_in_the_closing_lines() -> None:
    lines = [*population_lines(summary(viewers_slo="viewers.delivery p99 < 1ms"))]
    assert lines[0].startswith("viewers: 50 users, ")
    assert any("viewers: 50 users" in said.text for said in closing(summary(), report=None))


def test_the_tightest_demand_comes_first_in_the_closing_lines_of_a_mix() -> None:
    """Those that everybody meets easily would fill the five lines that there are."""
    found = summary(viewers_slo="viewers.rtt p99 < 60s, viewers.rtt p99 < 28ms")
    passed = [said.text for said in closing(found, report=None) if said.text.startswith("  pass")]
    assert [text.split("(")[0].split(maxsplit=1)[1].strip() for text in passed] == [
        "viewers.rtt p99 < 28ms",
        "hosts.rtt p99 < 250ms",
        "viewers.rtt p99 < 60s",
        "loss = 0",
    ]


def test_messages_that_are_in_no_account_are_not_told_as_part_of_the_sums() -> None:
    found = summary()
    rows = found["populations"]
    assert rows is not None
    assert "not measured" not in " ".join(population_lines(found))
    rows[1]["messages"] |= {"expected": None, "lost": None}
    lines = {line.split(":")[0]: line for line in population_lines(found)}
    assert " delivered, not measured" in lines["viewers"]
    assert "not measured" not in lines["hosts"]
    assert "Not in the sums: viewers, where nothing was measured." in html.render(found, None).decode()
    found["messages"]["expected"] = None
    assert "not measured" not in " ".join(population_lines(found)), "nothing is: the run's are traffic too"


def test_a_population_says_what_there_is_to_say() -> None:
    found = summary()
    rows = found["populations"]
    assert rows is not None
    rows[0]["messages"] |= {"published": 0, "delivered": 0, "lost": 0}
    rows[0]["metrics"] = {}
    rows[0]["connections"]["failed"], rows[0]["users"] = 7, 1
    lines = {line.split(":")[0]: line for line in population_lines(found)}
    assert lines["hosts"] == "hosts:   1 user, 7 failed, no message"
    assert lines["viewers"].startswith("viewers: 50 users, ")
