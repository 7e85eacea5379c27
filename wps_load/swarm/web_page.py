"""`/wps`, the page of ours with charts that move, and what it asks for. Under Locust's base path, behind its login."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from importlib.metadata import version
from importlib.resources import files
from string import Template
from typing import Any

import orjson
from flask import Blueprint, Response, request, send_from_directory
from plotly.offline import get_plotlyjs  # type: ignore[import-untyped]

from wps_load.swarm.web_view import RunView

_KEPT = "private, max-age=86400"
"""For what an address with a version in it names."""


def pages(view: RunView, base_path: str | None, guard: Callable[[Any], Any]) -> Blueprint:
    """The routes. `guard`: Locust's `auth_required_if_enabled`."""
    blueprint = Blueprint("wps", __name__, url_prefix=base_path)

    def page() -> Response:
        return _typed(_page(), "text/html")

    def data() -> Response:
        since = request.args.get("since", 0, type=int)
        return _typed(orjson.dumps(view.data(request.args.get("key", ""), since)), "application/json")

    def plotly() -> Response:
        return _typed(get_plotlyjs(), "text/javascript", cached=_KEPT)

    def script(name: str) -> Response:
        return _typed(_asset(name), "text/javascript", cached=_KEPT)

    def report(name: str) -> Response:
        folder = view.folder
        if folder is None or name.startswith(".") or not (folder / name).is_file():
            return Response("No run has left this file.", 404, mimetype="text/plain")  # Locust's guard swallows abort()
        return send_from_directory(folder.resolve(), name, max_age=0)

    for route, endpoint in {
        "/wps": page,
        "/wps/data": data,
        "/wps/plotly.js": plotly,
        "/wps/<any('live.js', 'tab.js'):name>": script,
        "/wps/report/<name>": report,
    }.items():
        blueprint.add_url_rule(route, endpoint.__name__, guard(endpoint))
    return blueprint


def _typed(content: bytes | str, mimetype: str, cached: str = "no-store") -> Response:
    return Response(content, mimetype=mimetype, headers={"Cache-Control": cached})


@cache
def _page() -> str:
    return Template(_asset("live.html")).substitute(
        css=files("wps_load.report").joinpath("assets", "report.css").read_text("utf-8") + _asset("live.css"),
        version=version("wps-load"),
        plotly_version=version("plotly"),
    )


@cache
def _asset(name: str) -> str:
    return files("wps_load.swarm").joinpath("assets", name).read_text("utf-8")
