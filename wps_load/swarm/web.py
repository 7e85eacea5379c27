"""Locust's web page: options judged before a run starts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from flask import jsonify, request

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
        changed: dict[str, Any] = {name: text for name, text in request.form.items() if name in _FIELDS}
        users = request.form.get("user_count", "")
        if users.isdigit():
            changed["num_users"] = int(users)
        try:
            lifecycle.judge(changed)
        except ConfigError as error:
            message = "; ".join(str(fault) for fault in error.faults)
            return jsonify({"success": False, "message": message, "host": lifecycle.environment.host})
        return None

    web_ui.app.before_request(judge)
