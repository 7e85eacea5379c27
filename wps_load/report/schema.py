"""The JSON Schema of summary.json, made from the types in `document`, and the check of documents that are read.

`make schema` writes summary.schema.json. It is closed: what we write has no other names. A reader checks only the names
of the types; other names belong to a later version and are ignored.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import msgspec

from wps_load.report.document import SCHEMA, MetricRow, Summary
from wps_load.report.document_course import TimelineRow

SCHEMA_PATH = Path(__file__).with_name("summary.schema.json")

_OPEN = {TimelineRow.__name__: {"type": ["number", "string", "null"]}}
"""Objects that may have other names too, and the type of their values."""


def json_schema() -> dict[str, Any]:
    """The JSON Schema of the document. Objects are closed: what we write has no other names."""
    (root,), parts = msgspec.json.schema_components([Summary], ref_template="#/$defs/{name}")
    parts = dict(parts)
    whole = parts.pop(Summary.__name__)
    for name, part in {**parts, "": whole}.items():
        if "properties" in part:
            part["additionalProperties"] = _OPEN.get(name, False)
        if "description" in part:
            part["description"] = " ".join(part["description"].split())
        part.pop("title", None)
    assert root == {"$ref": f"#/$defs/{Summary.__name__}"}
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": "https://wps-load.invalid/schemas/summary-2.json",
        "title": SCHEMA,
        **whole,
        "$defs": parts,
    }


def schema_text() -> str:
    """summary.schema.json, as it must be in the repository."""
    return json.dumps(json_schema(), indent=2) + "\n"


_FAULT = re.compile(r"(?P<what>.*?)(?: - at `(?:key in )?\$(?P<at>[^`]*)`)?", re.DOTALL)


def first_fault(document: object) -> str | None:
    """The first place where a document breaks its types, such as `messages.lost: expected ...`; None: there is none."""
    whole = _fault(document, Summary)
    if whole is None or not isinstance(document, dict):
        return whole and ": ".join(whole)
    at, what = whole
    if at.startswith("metrics[...]"):  # msgspec names no keys
        for name, row in document["metrics"].items():
            if (found := _fault(row, MetricRow)) is not None:
                at = f"metrics.{name}" + ("" if found[0] == _ROOT else f".{found[0]}")
                break
    return f"{at}: {what}"


_ROOT = "the document"


def _fault(value: object, kind: Any) -> tuple[str, str] | None:
    try:
        msgspec.convert(value, kind)
    except msgspec.ValidationError as error:
        found = _FAULT.fullmatch(str(error))
        assert found is not None
        at, what = (found["at"] or "").removeprefix("."), found["what"]
        return at or _ROOT, what[:1].lower() + what[1:]
    return None


if __name__ == "__main__":
    SCHEMA_PATH.write_text(schema_text())
