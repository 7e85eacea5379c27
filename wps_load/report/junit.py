"""junit.xml: one test case for the run's validity, one for a search, and one for each SLO, as CI servers show them.

A test suite for each population.

The common dialect (testsuites/testsuite/testcase with failure, error, properties), which Jenkins, GitLab, Azure
Pipelines and GitHub's actions read. An invalid run is an `error` (the test itself broke), an unmet SLO a `failure`.
"""

from __future__ import annotations

import re
from xml.etree import ElementTree as ET

from wps_load.report import tables
from wps_load.report.document import Cause, PopulationRow, SloRow, Summary
from wps_load.report.margins import margin
from wps_load.report.population_tables import populations

# What XML 1.0 cannot carry, not even as a reference (section 2.2, Char).
_NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")

_SUMMED = ("tests", "failures", "errors", "skipped")
_NAMES: dict[Cause, str] = {
    "settings": "the settings were usable",
    "unwritten": "the report was written",
    "stopped": "the run had its time",
    "requests": "no request failed",
    "locustfile": "the locustfile set no exit code",
}
"""Test cases for what may fail a run besides doubts and SLOs."""


def render(summary: Summary) -> bytes:
    """The document in UTF-8, with its XML declaration."""
    run = summary["run"]
    errors = [doubt for doubt in summary["doubts"] if doubt["level"] == "error"]
    of_parts = {slo["expression"] for each in populations(summary) for slo in each["slo"]}
    own = [slo for slo in summary["slo"] if slo["expression"] not in of_parts]
    unmet = [slo for slo in own if slo["verdict"] != "pass"]
    searched = tables.is_search(summary)
    nothing_held = summary["capacity"] is not None and summary["capacity"]["value"] is None
    others = tables.exit_sentences(summary)
    counts = {
        "tests": str(1 + len(own) + searched + len(others)),
        "failures": str(len(unmet) + nothing_held + len(others)),
        "errors": "1" if errors else "0",
        "skipped": "0",
        "time": f"{run['duration_s']:.3f}",
    }
    parts = [_counts(each) for each in populations(summary)]
    whole = {key: str(int(counts[key]) + sum(int(part[key]) for part in parts)) for key in _SUMMED}
    root = ET.Element("testsuites", {"name": "wps-load", **counts, **whole})
    started = run["started_at"].split("+")[0].removesuffix("Z")
    suite = ET.SubElement(root, "testsuite", {"name": f"wps-load.{run['scenario']}", **counts, "timestamp": started})
    properties = ET.SubElement(suite, "properties")
    for name in ("id", "scenario", "protocol", "target", "settings_hash", "seed"):
        ET.SubElement(properties, "property", {"name": name, "value": xml_text(str(run[name]))})
    class_name = f"wps-load.{run['scenario']}.{run['protocol']}"

    emulator = " (EMULATOR)" if tables.on_emulator(summary) else ""
    case = _testcase(suite, class_name, f"the run is valid{emulator}")
    if errors:
        body = "\n".join(f"{doubt['name']}: {doubt['message']} {doubt['advice']}" for doubt in errors)
        _outcome(case, "error", f"{tables.verdict_word(summary)}: {tables.verdict_sentence(summary)}", "invalid", body)
    if searched:
        case = _testcase(suite, class_name, "a step of the search held")
        if nothing_held:
            sentence = tables.capacity_sentence(summary)
            _outcome(case, "failure", sentence, "fail", sentence)
    for slo in own:
        _slo(suite, class_name, slo)
    for sentence, reason in zip(others, tables.exit_reasons(summary), strict=True):
        known = _NAMES.get(reason["cause"]) if "cause" in reason else None  # older versions do not have it
        case = _testcase(suite, class_name, known or f"nothing made the exit code {reason['code']}")
        _outcome(case, "failure", sentence, "exit", sentence)
    warnings = [f"{doubt['name']}: {doubt['message']}" for doubt in summary["doubts"] if doubt["level"] != "error"]
    if warnings:
        ET.SubElement(suite, "system-out").text = xml_text("\n".join(warnings))
    for each, part in zip(populations(summary), parts, strict=True):
        name = f"{class_name.rpartition('.')[0]}.{each['name']}"
        suite = ET.SubElement(root, "testsuite", {"name": name, **part, "timestamp": started})
        for slo in each["slo"]:
            _slo(suite, name, slo)
    ET.indent(root)
    text = ET.tostring(root, encoding="unicode")
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{text}\n'.encode()


def _counts(each: PopulationRow) -> dict[str, str]:
    unmet = sum(slo["verdict"] != "pass" for slo in each["slo"])
    return {"tests": str(len(each["slo"])), "failures": str(unmet), "errors": "0", "skipped": "0"}


def _slo(suite: ET.Element, class_name: str, slo: SloRow) -> None:
    case = _testcase(suite, class_name, slo["expression"])
    found = "no data" if slo["verdict"] == "no_data" else f"measured {tables.slo_value(slo)}"
    found = ", ".join(filter(None, (found, margin(slo))))
    if slo["verdict"] == "pass":
        ET.SubElement(case, "system-out").text = xml_text(f"{slo['expression']}: {found}")
    else:
        _outcome(case, "failure", found, slo["verdict"], f"{slo['expression']}: {found}")


def _testcase(suite: ET.Element, class_name: str, name: str) -> ET.Element:
    return ET.SubElement(suite, "testcase", {"classname": xml_text(class_name), "name": xml_text(name), "time": "0"})


def _outcome(case: ET.Element, kind: str, message: str, type_: str, body: str) -> None:
    ET.SubElement(case, kind, {"message": xml_text(message), "type": type_}).text = xml_text(body)


def xml_text(text: str) -> str:
    """A text without characters that XML cannot contain."""
    return _NOT_XML.sub("\ufffd", text)
