"""Adds our parts to Locust's web page: options judged before a run starts, a readable form, a tab, and `/wps`.

Locust's page is a compiled program that gets its data from `template_args` and `/stats/requests`. A tab that is not its
own can contain only a table of texts, so the script `tab.js` makes links of the addresses in it.
"""

from __future__ import annotations

import contextlib
import logging
import re
from collections.abc import Callable, Mapping
from typing import Any

import orjson
from flask import Response, jsonify, request
from locust import HttpUser, argument_parser
from locust.contrib.fasthttp import FastHttpUser
from locust.util.timespan import parse_timespan

from wps_load.errors import ConfigError
from wps_load.settings.groups import on_form
from wps_load.settings.options import BY_FLAG, OPTIONS, PageAccess
from wps_load.swarm import page_guard
from wps_load.swarm.edits import refused_edit
from wps_load.swarm.kinds import connects
from wps_load.swarm.lifecycle import Lifecycle
from wps_load.swarm.page_names import addresses, own_names
from wps_load.swarm.web_page import pages
from wps_load.swarm.web_view import PAGE, REPORT, RunView

logger = logging.getLogger(__name__)

_FIELDS = frozenset(option.dest for option in OPTIONS if option.on_page is not PageAccess.NEVER)
_TAB: Mapping[str, object] = {"title": "Web PubSub", "key": "wps"}
_COLUMNS = (("what", "Web PubSub"), ("now", "Now"), ("so_far", "So far"))
_OFFERED: Mapping[str, list[Mapping[str, object]]] = {
    "extended_tabs": [_TAB],
    "extended_tables": [{"key": _TAB["key"], "structure": [{"key": key, "title": title} for key, title in _COLUMNS]}],
    "extended_csv_files": [
        {"title": "Web PubSub: Live charts", "href": PAGE},
        {"title": "Web PubSub: report of the last run", "href": REPORT},
    ],
}
"""The part of its `template_args` that Locust's page reads; a locustfile may have its own there."""
_LOCUST_FIELDS = {
    **dict.fromkeys(("--users", "-u"), "Number of users"),
    **dict.fromkeys(("--spawn-rate", "-r"), "Ramp up"),
    **dict.fromkeys(("--run-time", "-t"), "Run time"),
}
_LOCUST_OPTION = re.compile(rf"(?<![\w-])(?:{'|'.join(_LOCUST_FIELDS)})(?![\w-])")
_SCRIPTS = b'<script src="./wps/tab.js" defer></script><script src="./wps/form.js" defer></script></body>'


def extend(web_ui: Any, lifecycle: Lifecycle) -> None:
    """Must be called before Locust's page is served: `web_ui` is Locust's, in the process that conducts."""
    view = RunView(lambda: lifecycle.reporter)
    app: Any = web_ui.app
    app.wsgi_app = page_guard.Guard(app.wsgi_app, own_names(lifecycle.parsed))
    app.before_request(_judging(web_ui, lifecycle))
    app.after_request(_telling(view))
    base_path = getattr(lifecycle.environment.parsed_options, "web_base_path", None)
    preview = _preview(lifecycle, lifecycle.environment.host)
    app.register_blueprint(pages(view, preview, base_path or None, web_ui.auth_required_if_enabled))
    app.jinja_env.policies["json.dumps_kwargs"] = {"sort_keys": False}  # the form's fields in our options' order
    _dress(web_ui, lifecycle)
    lifecycle.console.say(page_guard.listening(web_ui.host, web_ui.port, addresses()))


def _dress(web_ui: Any, lifecycle: Lifecycle) -> None:
    """Adds the tab to each load of Locust's page, shortens labels to fit their fields, and makes the host optional."""
    update = web_ui.update_template_args

    def update_template_args() -> None:
        update()
        arguments = web_ui.template_args
        for name, ours in _OFFERED.items():
            arguments[name] = [*(each for each in arguments.get(name) or () if each not in ours), *ours]
        fields = arguments["extra_options"]
        first, groups = on_form()
        for option in (*first, *(each for _, options in groups for each in options)):
            if option.dest not in fields:
                continue
            if page_guard.offered(option.on_page, _may_change_target(lifecycle)):
                fields[option.dest]["help_text"] = option.label
                if option.dest in lifecycle.asked.shown:
                    fields[option.dest]["default_value"] = lifecycle.asked.shown[option.dest]
                fields[option.dest] = fields.pop(option.dest)  # in our order, after fields that are not ours
            else:
                del fields[option.dest]
        arguments["wps_form"] = [
            {"title": group.title, "about": group.about, "names": names}
            for group, options in groups
            if (names := [option.dest for option in options if option.dest in fields])
        ]
        if lifecycle.asked.target:
            fields[BY_FLAG["--wps-target"].dest]["help_text"] += f"; auto: {lifecycle.asked.target}"
        if not any(issubclass(cls, (HttpUser, FastHttpUser)) for cls in lifecycle.environment.user_classes):
            arguments["missing_host_warning"] = False

    web_ui.update_template_args = update_template_args


def _telling(view: RunView) -> Any:
    def tell(response: Response) -> Response:
        if request.endpoint == "locust.request_stats" and response.mimetype == "application/json":
            # Locust caches the response for two seconds and for everybody: it must not be changed
            stats = orjson.loads(response.get_data())
            mine = {"key": _TAB["key"], "data": view.rows()}
            stats["extended_stats"] = [*stats.get("extended_stats", ()), mine]
            return Response(orjson.dumps(stats), mimetype="application/json")
        if request.endpoint == "locust.index" and response.mimetype == "text/html":
            response.set_data(response.get_data().replace(b"</body>", _SCRIPTS))
        return response

    return tell


def _judging(web_ui: Any, lifecycle: Lifecycle) -> Any:
    """Refuses wrong options with a message, before Locust starts a run with them."""

    started_host = lifecycle.environment.host

    def judge() -> Any:
        if sentences := _refused_form(lifecycle, started_host):
            return jsonify(_refusal("; ".join(sentences), lifecycle))
        if lifecycle.running:  # this request changes its number of users
            sentences = [*refused_edit(_form_texts(), _present(lifecycle), lifecycle.fixed_users)]
            sentences = sentences or _refused_growth(lifecycle)
            if sentences:
                return jsonify(_refusal("; ".join(sentences), lifecycle))
            lifecycle.keep_end()
            return None
        try:
            shown = lifecycle.asked.shown.items()
            changed = {name: text for name, text in _changes(request.form).items() if (name, text) not in shown}
            lifecycle.prepare(changed)
        except ConfigError as error:
            return jsonify(_refusal("; ".join(str(fault) for fault in error.faults), lifecycle))
        refused = lifecycle.gate.refusal(lifecycle.ready(), changed) if lifecycle.gate is not None else None
        return None if refused is None else jsonify(_refusal(refused.sentence, lifecycle))

    def judge_settings() -> Any:
        settings = request.get_json(force=True, silent=True)
        name = settings.get("user_class_name") if isinstance(settings, dict) else None
        host = getattr((lifecycle.environment.available_user_classes or {}).get(str(name)), "host", None)
        refused = page_guard.refused_settings(settings, host, allow_target_change=_may_change_target(lifecycle))
        return None if refused is None else (refused, 403)

    # without a login nothing starts, and no emulator either
    guarded, guarded_settings = map(web_ui.auth_required_if_enabled, (judge, judge_settings))

    def before() -> Any:
        if request.method == "POST" and request.endpoint == "locust.update_user":
            return guarded_settings()
        if request.method != "POST" or request.endpoint != "locust.swarm":
            return None
        if lifecycle.ending:
            return jsonify(_refusal("The run is ending; start again when it has stopped", lifecycle))
        return guarded()

    return before


def _preview(lifecycle: Lifecycle, started_host: str | None) -> Callable[[], str]:
    """What Start would do with the form, in a sentence; nothing is started or kept."""

    def preview() -> str:
        if sentences := _refused_form(lifecycle, started_host):
            return _in_words_of_the_form(f"Start will be refused: {'; '.join(sentences)}.")
        try:
            config = lifecycle.asked.read(_changes(request.form))
        except ConfigError as error:
            faults = "; ".join(str(fault) for fault in error.faults)
            return _in_words_of_the_form(f"Start will be refused: {faults}.")
        return f"Start will test: {config.target.describe()}."

    return preview


def _in_words_of_the_form(sentence: str) -> str:
    """Names Locust's own options as their fields are labelled, with the options beside them."""
    return _LOCUST_OPTION.sub(lambda found: f"{_LOCUST_FIELDS[found[0]]} ({found[0]})", sentence)


def _refused_form(lifecycle: Lifecycle, started_host: str | None) -> list[str]:
    allowed = _may_change_target(lifecycle)
    others = argument_parser.ui_extra_args_dict()
    refused = page_guard.refused_fields(request.form, others, allow_target_change=allowed)
    refused += page_guard.refused_secrets(request.form)
    if _has_ours(lifecycle) and "host" in request.form:  # if no users are ours, the host is not our concern
        host = page_guard.refused_host(request.form["host"], started_host, allow_target_change=allowed)
        refused += [] if host is None else [host]
    mode = page_guard.refused_mode(
        request.form.get("wps_target", ""), lifecycle.asked.at_start("wps_target"), allow_target_change=allowed
    )
    return refused + ([] if mode is None else [mode])


def _refused_growth(lifecycle: Lifecycle) -> list[str]:
    """Why this many users do not fit; the log of the run has the sentence too."""
    try:
        sentence = lifecycle.refused_growth(int(request.form.get("user_count", "")))
    except ValueError:
        return []  # Locust has a sentence for it
    if sentence is None:
        return []
    logger.warning("%s", sentence)
    return [sentence]


def _form_texts() -> dict[str, str]:
    """The form's texts; the values of one field are joined."""
    return {name: ",".join(sorted(request.form.getlist(name))) for name in request.form}


def _present(lifecycle: Lifecycle) -> dict[str, str]:
    """The form's texts for the present run, which `refused_edit` compares."""
    environment, run_time = lifecycle.environment, request.form.get("run_time", "")
    values = {name: _text(value) for name, value in lifecycle.parsed.items()} | dict(lifecycle.asked.shown)
    with contextlib.suppress(ValueError):
        same = (parse_timespan(run_time) if run_time else None) == lifecycle.run_time_s
        values["run_time"] = run_time if same else f"not {run_time}"
    shape = environment.shape_class
    return values | {
        "host": environment.host or "",
        "user_classes": ",".join(sorted(cls.__name__ for cls in environment.user_classes)),
        "shape_class": "Default" if shape is None else type(shape).__name__,
        "profile": environment.profile or "",
    }


def _text(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return "" if value is None else str(value)


def _has_ours(lifecycle: Lifecycle) -> bool:
    return any(map(connects, lifecycle.environment.user_classes))


def _may_change_target(lifecycle: Lifecycle) -> bool:
    return str(lifecycle.parsed.get("wps_allow_target_change", "")).lower() in ("true", "1", "yes", "on")


def _refusal(message: str, lifecycle: Lifecycle) -> dict[str, object]:
    """A refusal in the form that Locust's page expects of /swarm."""
    return {"success": False, "message": _in_words_of_the_form(message), "host": lifecycle.environment.host}


def _changes(form: Mapping[str, str]) -> dict[str, object]:
    """What the form changes in the command line; what Locust itself refuses is left to it."""
    changed: dict[str, object] = {name: text for name, text in form.items() if name in _FIELDS}
    with contextlib.suppress(ValueError):
        changed["num_users"] = int(form.get("user_count", ""))
    with contextlib.suppress(ValueError):
        changed["spawn_rate"] = float(form.get("spawn_rate", ""))
    if "host" in form:
        changed["host"] = form["host"].replace("<", "").replace(">", "")  # as Locust takes it
    changed["run_time"] = None  # -t is only the form's default, and Locust obeys the form
    if form.get("run_time"):
        with contextlib.suppress(ValueError):
            changed["run_time"] = parse_timespan(form["run_time"])
    return changed
