"""Locust's web page: options judged before a run starts."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from flask import jsonify, request
from locust.util.timespan import parse_timespan

from wps_load.config import OPTIONS
from wps_load.errors import ConfigError

if TYPE_CHECKING:
    from wps_load.swarm.lifecycle import Lifecycle

_FIELDS = frozenset(option.dest for option in OPTIONS if not option.secret)


def extend(web_ui: Any, lifecycle: Lifecycle) -> None:
    """Refuses wrong options with a message, before Locust starts a run with them."""
    def judge() -> Any:
        if request.method != "POST" or not request.path.endswith("/swarm"):
            return None
        if lifecycle.running:
            return None  # the number of users is changed while a run is on
        try:
            lifecycle.prepare(_changes(request.form))
        except ConfigError as error:
            message = "; ".join(str(fault) for fault in error.faults)
            return jsonify({"success": False, "message": message, "host": lifecycle.environment.host})
        return None

    web_ui.app.before_request(judge)


def _changes(form: Mapping[str, str]) -> dict[str, Any]:
    """What the form says differently from the command line; what Locust itself will refuse is left to it."""
    changed: dict[str, Any] = {name: text for name, text in form.items() if name in _FIELDS}
    with contextlib.suppress(ValueError):
        changed["num_users"] = int(form.get("user_count", ""))
    with contextlib.suppress(ValueError):
        changed["spawn_rate"] = float(form.get("spawn_rate", ""))
    if form.get("run_time"):
        with contextlib.suppress(ValueError):
            changed["run_time"] = parse_timespan(form["run_time"])
    return changed
