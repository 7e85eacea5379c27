"""`/wps`, the page "Live charts", and its requests. It is under Locust's base path and behind its login."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from importlib.metadata import version
from importlib.resources import files
from pathlib import Path
from typing import Any

import orjson
from flask import Blueprint, Response, request, send_from_directory
from markupsafe import Markup

from wps_load.report import axes
from wps_load.report.drawing import Chart, Polyline, drawn
from wps_load.report.html import page_css
from wps_load.report.index import INDEX
from wps_load.report.templates import asset, environment
from wps_load.swarm.web_view import RunView

_KEPT = "private, max-age=86400"
"""Caching for addresses that contain a version."""


def pages(view: RunView, preview: Callable[[], str], base_path: str | None, guard: Callable[[Any], Any]) -> Blueprint:
    """The routes.

    `preview`: what Start would do with this request's form. `guard`: Locust's `auth_required_if_enabled`.
    """
    blueprint = Blueprint("wps", __name__, url_prefix=base_path)

    def page() -> Response:
        return _typed(_page(), "text/html")

    def data() -> Response:
        since = request.args.get("since", 0, type=int)
        return _typed(orjson.dumps(view.data(request.args.get("key", ""), since)), "application/json")

    def target() -> Response:
        return _typed(orjson.dumps({"says": preview()}), "application/json")

    def chart() -> Response:
        return _typed(asset("chart.js"), "text/javascript", cached=_KEPT)

    def script(name: str) -> Response:
        return _typed(_asset(name), "text/javascript", cached=_KEPT)

    def report(name: str) -> Response:
        folder = view.folder
        return _sent(None if folder is None or name.startswith(".") else folder / name)

    def index() -> Response:
        return _sent(None if view.runs is None else view.runs / INDEX)

    def earlier(folder: str, name: str) -> Response:
        """A file of another run in the same folder, to which index.html and a report link."""
        runs = view.runs
        if runs is None or folder.startswith(".") or name not in _FILES:
            return _sent(None)
        return _sent(runs / folder / name if (runs / folder / "summary.json").is_file() else None)

    for route, endpoint in {
        "/wps": page,
        "/wps/data": data,
        "/wps/chart.js": chart,
        "/wps/<any('live.js', 'tab.js', 'form.js'):name>": script,
        "/wps/report/<name>": report,
        "/wps/index.html": index,
        "/wps/<folder>/<name>": earlier,
    }.items():
        blueprint.add_url_rule(route, endpoint.__name__, guard(endpoint))
    blueprint.add_url_rule("/wps/target", "target", guard(target), methods=["POST"])
    return blueprint


_FILES = frozenset({"report.html", "summary.json", "summary.md", "timeline.csv", "histograms.hlog", "junit.xml"})


def _sent(path: Path | None) -> Response:
    if path is None or not path.is_file():
        return Response("No run has written this file.", 404, mimetype="text/plain")  # Locust's guard swallows abort()
    return send_from_directory(path.parent.resolve(), path.name, max_age=0)


def _typed(content: bytes | str, mimetype: str, cached: str = "no-store") -> Response:
    return Response(content, mimetype=mimetype, headers={"Cache-Control": cached})


_CHARTS = {
    "latency": ("latency over time", "ms", (("p50", 1), ("p99", 2))),
    "messages": ("messages over time", "per second", (("due", 6), ("published", 1), ("delivered", 3), ("missing", 4))),
    "connections": ("connections over time", "connections", (("open", 1), ("opened", 3), ("failed", 4))),
    "generator": ("CPU of the generator", "% of a core", (("CPU, % of a core", 1),)),
    "lag": ("lag of the generator", "ms", (("loop lag p99", 2), ("send lag p99", 5))),
}
"""The charts without their data, which live.js loads: label, unit, and the lines with their colours."""


@cache
def _page() -> str:
    return (
        environment()
        .from_string(_asset("live.html"))
        .render(
            css=Markup(page_css() + _asset("live.css")),
            version=version("wps-load"),
            charts={name: drawn(_empty(name, *spec)) for name, spec in _CHARTS.items()},
        )
    )


def _empty(name: str, label: str, unit: str, lines: tuple[tuple[str, int], ...]) -> Chart:
    x = axes.linear(0.0, 10.0, "seconds since the start", fitted=True)
    size = "low" if name in ("generator", "lag") else ""
    made = [Polyline(words, (), (), slot, wide=words == "due") for words, slot in lines]
    return Chart(name, label, x, axes.linear(0.0, 1.0, unit), made, unit=unit, size=size, linked=True)


@cache
def _asset(name: str) -> str:
    return files("wps_load.swarm").joinpath("assets", name).read_text("utf-8")
