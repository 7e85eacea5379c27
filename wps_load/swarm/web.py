"""Locust's web page with ours in it: options judged before a run starts, a form that reads well, a tab, and `/wps`.

Locust's page is a compiled program that gets its data from `template_args` and `/stats/requests`. A tab that is not its
own can hold a table of texts only: the script `tab.js` makes links of the addresses in it.
"""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import orjson
from flask import Response, jsonify, request
from locust import HttpUser
from locust.contrib.fasthttp import FastHttpUser
from locust.util.timespan import parse_timespan

from wps_load.config import OPTIONS
from wps_load.errors import ConfigError
from wps_load.options import BY_FLAG
from wps_load.swarm.web_page import pages
from wps_load.swarm.web_view import PAGE, REPORT, RunView

if TYPE_CHECKING:
    from wps_load.swarm.lifecycle import Lifecycle

_FIELDS = frozenset(option.dest for option in OPTIONS if not option.secret)
_TAB = {"title": "Web PubSub", "key": "wps"}
_COLUMNS = (("what", "Web PubSub"), ("now", "Now"), ("so_far", "So far"))
_OFFERED: Mapping[str, list[dict[str, Any]]] = {
    "extended_tabs": [_TAB],
    "extended_tables": [{"key": _TAB["key"], "structure": [{"key": key, "title": title} for key, title in _COLUMNS]}],
    "extended_csv_files": [
        {"title": "Web PubSub: charts that move", "href": PAGE},
        {"title": "Web PubSub: report of the last run", "href": REPORT},
    ],
}
"""What Locust's page takes from its `template_args`; a locustfile may have its own there."""
_SCRIPT = b'<script src="./wps/tab.js" defer></script></body>'


def extend(web_ui: Any, lifecycle: Lifecycle) -> None:
    """Before Locust's page is served: `web_ui` is Locust's, of the process that conducts."""
    view = RunView(lambda: lifecycle.reporter)
    app: Any = web_ui.app
    app.before_request(_judging(web_ui, lifecycle))
    app.after_request(_telling(view))
    base_path = getattr(lifecycle.environment.parsed_options, "web_base_path", None)
    app.register_blueprint(pages(view, base_path or None, web_ui.auth_required_if_enabled))
    app.jinja_env.policies["json.dumps_kwargs"] = {"sort_keys": False}  # the form's fields in our options' order
    _dress(web_ui, lifecycle)


def _dress(web_ui: Any, lifecycle: Lifecycle) -> None:
    """With each load of Locust's page: the tab, labels that fit their fields, and no demand for a host nobody needs."""
    update = web_ui.update_template_args

    def update_template_args() -> None:
        update()
        arguments = web_ui.template_args
        for name, ours in _OFFERED.items():
            arguments[name] = [*(each for each in arguments.get(name) or () if each not in ours), *ours]
        for option in OPTIONS:
            if option.dest in arguments["extra_options"]:
                arguments["extra_options"][option.dest]["help_text"] = option.label
        if not any(issubclass(cls, (HttpUser, FastHttpUser)) for cls in lifecycle.environment.user_classes):
            arguments["missing_host_warning"] = False

    web_ui.update_template_args = update_template_args


def _telling(view: RunView) -> Any:
    def tell(response: Response) -> Response:
        if request.endpoint == "locust.request_stats" and response.mimetype == "application/json":
            # Locust keeps the response for two seconds and for everybody: it must stay as it is
            stats = orjson.loads(response.get_data())
            mine = {"key": _TAB["key"], "data": view.rows()}
            stats["extended_stats"] = [*stats.get("extended_stats", ()), mine]
            return Response(orjson.dumps(stats), mimetype="application/json")
        if request.endpoint == "locust.index" and response.mimetype == "text/html":
            response.set_data(response.get_data().replace(b"</body>", _SCRIPT))
        return response

    return tell


def _judging(web_ui: Any, lifecycle: Lifecycle) -> Any:
    """Refuses wrong options with a message, before Locust starts a run with them."""

    def judge() -> Any:
        try:
            lifecycle.prepare(_changes(request.form))
        except ConfigError as error:
            return jsonify(_refusal("; ".join(str(fault) for fault in error.faults), lifecycle))
        return None

    guarded = web_ui.auth_required_if_enabled(judge)  # who has not logged in starts nothing, and no emulator either

    def before() -> Any:
        starts = request.method == "POST" and request.endpoint == "locust.swarm"
        if not starts:
            return None
        if lifecycle.ending:
            return jsonify(_refusal("The run is ending; start again when it has stopped", lifecycle))
        # while a run is on, this changes its number of users
        return None if lifecycle.running else guarded()

    return before


def _refusal(message: str, lifecycle: Lifecycle) -> dict[str, Any]:
    """As Locust's page expects it of /swarm."""
    return {"success": False, "message": message, "host": lifecycle.environment.host}


def _changes(form: Mapping[str, str]) -> dict[str, Any]:
    """What the form says differently from the command line; what Locust itself will refuse is left to it."""
    changed: dict[str, Any] = {name: text for name, text in form.items() if name in _FIELDS}
    if changed.get("wps_report_dir") == "":
        changed["wps_report_dir"] = BY_FLAG["--wps-report-dir"].default  # emptied is "not set"; "no files" is a flag's
    with contextlib.suppress(ValueError):
        changed["num_users"] = int(form.get("user_count", ""))
    with contextlib.suppress(ValueError):
        changed["spawn_rate"] = float(form.get("spawn_rate", ""))
    if form.get("run_time"):
        with contextlib.suppress(ValueError):
            changed["run_time"] = parse_timespan(form["run_time"])
    return changed
