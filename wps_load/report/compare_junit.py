"""A comparison as junit.xml: a test case for each figure, which fails where it got worse."""

from __future__ import annotations

from xml.etree import ElementTree as ET

from wps_load.report import compare_markdown
from wps_load.report.compare import Comparison
from wps_load.report.figures import Difference
from wps_load.report.junit import xml_text

_SUITE = "wps-load.compare"


def render(comparison: Comparison | None) -> bytes:
    """The document in UTF-8. None: there is nothing to compare with, so the test is skipped."""
    found = comparison.differences if comparison is not None else ()
    worse = sum(each.verdict == "worse" for each in found)
    skipped = sum(each.verdict == "unclear" for each in found) if found else 1
    counts = {
        "tests": str(len(found) or 1), "failures": str(worse), "errors": "0", "skipped": str(skipped), "time": "0",
    }  # fmt: skip
    root = ET.Element("testsuites", {"name": "wps-load", **counts})
    suite = ET.SubElement(root, "testsuite", {"name": _SUITE, **counts})
    if not found:
        _skip(_case(suite, "no regression"), "there is no earlier run with the same settings")
    for each in found:
        _figure(suite, each)
    ET.indent(root)
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{ET.tostring(root, encoding="unicode")}\n'.encode()


def _figure(suite: ET.Element, found: Difference) -> None:
    name, _, base, new, change, interval = compare_markdown.texts(found)
    said = f"{name}: {base} before, {new} now, {change} (interval {interval})"
    case = _case(suite, name)
    if found.verdict == "worse":
        ET.SubElement(case, "failure", {"message": xml_text(said), "type": "regression"}).text = xml_text(said)
    elif found.verdict == "unclear":
        _skip(case, found.reason or f"unclear: {said}")
    else:
        ET.SubElement(case, "system-out").text = xml_text(said)


def _case(suite: ET.Element, name: str) -> ET.Element:
    return ET.SubElement(suite, "testcase", {"classname": _SUITE, "name": xml_text(name), "time": "0"})


def _skip(case: ET.Element, reason: str) -> None:
    ET.SubElement(case, "skipped", {"message": xml_text(reason)})
