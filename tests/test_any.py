"""What may be anything, and why: all else in the rooms of the result and of the swarm has a type."""

from __future__ import annotations

import ast
from itertools import chain

from tests.source import NAMES, room, tree_of

ROOMS = {"capacity", "report", "swarm"}
REASONS = {
    "what is Locust's: its environment, runner, parser, user classes and events, whose types would import Locust": {
        "swarm.app_server_user", "swarm.asked", "swarm.ending", "swarm.gate", "swarm.install", "swarm.kinds",
        "swarm.lifecycle", "swarm.locust_options", "swarm.locust_seam", "swarm.locust_stats", "swarm.preflight",
        "swarm.quiet", "swarm.shapes", "swarm.signals", "swarm.users", "swarm.wanted", "swarm.web", "swarm.web_page",
        "swarm.webpubsub_user",
    },
    "plain data of the wire where it is read and written": {
        "swarm.bus", "swarm.epoch_report", "swarm.message_wire", "swarm.rehearsal", "swarm.stream_finals",
    },
    "a table from a type to what is done with a value of it": {"swarm.agent", "swarm.conductor"},
    "any function, or any thread, which it wraps": {"swarm.forks", "swarm.guard"},
    "greenlets and their jobs, whose types in gevent have three parameters": {
        "swarm.exports", "swarm.players", "swarm.seats", "swarm.snapshots",
    },
    "what is OpenTelemetry's, which need not be installed": {"swarm.otel_metrics", "swarm.otel_spans"},
    "an option or attribute whose row says of which type it is": {"report.measured", "swarm.user_attributes"},
    "what msgspec and Jinja2 give without types: a JSON Schema, a template's macros": {
        "report.schema", "report.templates",
    },
}  # fmt: skip
LOOSE = {
    "report.schema": "a JSON Schema",
    "swarm.locust_options": "the keywords of argparse",
    "swarm.locust_seam": "Locust's options by source",
    "swarm.locust_stats": "a row of Locust's own table, which it adds to",
    "swarm.otel_metrics": "OpenTelemetry's temporalities by the kind of instrument",
    "swarm.user_attributes": "attributes of a class, as keywords of what is made of them",
}
"""Who has objects whose names may hold anything."""


def test_what_may_be_anything_has_a_reason() -> None:
    found = {
        name
        for name, path in NAMES.items()
        if room(name) in ROOMS
        for node in ast.walk(tree_of(path))
        if isinstance(node, ast.ImportFrom) and node.module == "typing" and "Any" in {each.name for each in node.names}
    }
    assert found == set(chain.from_iterable(REASONS.values()))


def test_objects_that_may_hold_anything_have_a_reason() -> None:
    found = {
        name
        for name, path in NAMES.items()
        if room(name) in ROOMS
        for node in ast.walk(tree_of(path))
        if isinstance(node, ast.Subscript) and ast.unparse(node) in {"Mapping[str, Any]", "dict[str, Any]"}
    }
    assert found == set(LOOSE)
