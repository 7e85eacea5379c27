"""Checks a document against the part of JSON Schema that summary.schema.json uses.

Enough to refuse a broken summary with the place of its fault; the tests hold the documents that we write
against the full standard with the jsonschema package, which users need not install.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from typing import Any

_TYPES: Mapping[str, tuple[type, ...]] = {
    "object": (dict,),
    "array": (list,),
    "string": (str,),
    "boolean": (bool,),
    "integer": (int,),
    "number": (int, float),
    "null": (type(None),),
}


@cache
def summary_schema() -> dict[str, Any]:
    """summary.schema.json."""
    text = files("wps_load.report").joinpath("summary.schema.json").read_text("utf-8")
    schema: dict[str, Any] = json.loads(text)
    return schema


def first_fault(document: object, schema: Mapping[str, Any] | None = None, at: str = "") -> str | None:
    """Where and how a document breaks the schema, such as `metrics.rtt is not an object`; None when it does
    not."""
    schema = summary_schema() if schema is None else schema
    if "$ref" in schema:
        schema = summary_schema()["$defs"][schema["$ref"].rpartition("/")[2]]
    return _own_fault(document, schema, at or "the document") or _part_fault(document, schema, at)


def _own_fault(value: object, schema: Mapping[str, Any], at: str) -> str | None:
    allowed = schema.get("type")
    names = [allowed] if isinstance(allowed, str) else allowed or []
    types = tuple(kind for name in names for kind in _TYPES[name])
    # Python's bool is an int, JSON's is not
    if types and (not isinstance(value, types) or (isinstance(value, bool) and bool not in types)):
        return f"{at} is not {' or '.join(names)}"
    if "const" in schema and value != schema["const"]:
        return f"{at} is not {schema['const']}"
    if "enum" in schema and value not in schema["enum"]:
        return f"{at} is none of {', '.join(map(str, schema['enum']))}"
    if "minimum" in schema and isinstance(value, (int, float)) and value < schema["minimum"]:
        return f"{at} is below {schema['minimum']}"
    return None


def _part_fault(value: object, schema: Mapping[str, Any], at: str) -> str | None:
    if isinstance(value, dict):
        missing = [name for name in schema.get("required", ()) if name not in value]
        if missing:
            return f"{at or 'the document'} has no {', '.join(missing)}"
        known, others = schema.get("properties", {}), schema.get("additionalProperties", True)
        for name, part in value.items():
            place = f"{at}.{name}" if at else str(name)
            if name not in known and others is False:
                return f"{place} is unknown"
            found = known.get(name, others)
            if isinstance(found, dict) and (fault := first_fault(part, found, place)):
                return fault
    elif isinstance(value, list):
        for i, part in enumerate(value):
            if fault := first_fault(part, schema.get("items", {}), f"{at}[{i}]"):
                return fault
    return None
