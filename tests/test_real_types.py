"""What tests may hold and call: types of the package or declared ones, by what they show to everybody."""

from __future__ import annotations

import ast
from itertools import chain
from pathlib import Path

from tests.source import MODULES, TESTS, tree_of

PUBLIC_UNDERSCORES = {"_replace", "_asdict", "_fields", "_make", "_exit", "_is_coroutine"}
"""Of named tuples and of `os`."""
PRIVATE = {
    "the network ends a connection, or has not yet: only its socket can say so": {
        "client/test_connection_endings.py: client.connection._sock",
        "client/test_conversation.py: talk._link.connection._sock",
        "client/test_conversation.py: talk._link",
        "client/test_presence_runs.py: member.link.connection._sock",
    },
    "a task's client is cut as a network would, or its books are read, which a locustfile has no business with": {
        "client/test_measured_tasks.py: client._account",
        "client/test_measured_tasks.py: member._account",
        "client/test_measured_tasks.py: member._account._receiver",
        "client/test_measured_tasks.py: member._connector",
        "client/test_measured_tasks.py: server._rest",
        "client/test_measured_tasks.py: server._rest._base",
        "client/test_mqtt_runs.py: hearer._connector",
        "client/test_task_streams.py: pair.publisher._connector",
    },
    "Locust's master has a dispatcher only while it hands out users": {
        "swarm/locust_parts.py: runner._users_dispatcher",
    },
    "who publishes after users came and went": {
        "client/test_coming_and_going.py: engine.populations[0].plan._publishers",
        "client/test_coming_and_going.py: plan._publisher_count",
    },
    "what is kept has a bound, which shows nowhere else": {
        "client/test_rest.py: cache._tokens",
        "measure/test_histogram.py: histogram._kept",
        "measure/test_retention.py: day._levels",
        "protocol/test_frames.py: reader._fragments",
        "protocol/test_frames.py: reader._pending",
        "protocol/test_protobuf_fast.py: template._heads",
        "report/test_kept_rows.py: kept._kept",
        "report/test_kept_rows.py: kept._kinds",
    },
    "the peer that never answers a ping is the emulator's": {"emulator/test_emulator_server.py: live.service._slots"},
    "another library's": {
        "emulator/test_emulator_frames.py: client._serialize_frame",
        "emulator/test_emulator_sdks.py: client._ws",
    },
}
"""Private attributes that tests use, and why there is no other way."""


def test_there_are_real_types_or_declared_ones_only() -> None:
    """A namespace that was made up agrees with whatever is asked of it; a class is checked by mypy."""
    sources = {path.name: path.read_text() for path in [*MODULES, *TESTS.rglob("*.py")] if path != Path(__file__)}
    assert [name for name, source in sources.items() if "SimpleNamespace" in source] == []


def private_of(node: ast.AST) -> str | None:
    """A private attribute of something else than `self` or `cls`, as in `found._step`."""
    if not isinstance(node, ast.Attribute) or not node.attr.startswith("_") or node.attr in PUBLIC_UNDERSCORES:
        return None
    inside = isinstance(node.value, ast.Name) and node.value.id in {"self", "cls"}
    return None if inside or node.attr.startswith("__") else ast.unparse(node)


def test_tests_make_no_private_calls() -> None:
    found = {
        f"{path.relative_to(TESTS).as_posix()}: {private}"
        for path in TESTS.rglob("*.py")
        for node in ast.walk(tree_of(path))
        if (private := private_of(node)) is not None
    }
    assert found == set(chain.from_iterable(PRIVATE.values()))
