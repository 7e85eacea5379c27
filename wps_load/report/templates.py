"""The HTML templates: Jinja with autoescape, so that no text of a run can become markup."""

from __future__ import annotations

import re
from functools import cache
from importlib.resources import files
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape


@cache
def environment() -> Environment:
    made = Environment(
        loader=PackageLoader("wps_load.report", "assets"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters["prose"] = prose
    return made


def preload() -> None:
    """Compiles all templates and reads the assets: some 70 ms, which must be spent before a run, not during it."""
    for name in environment().list_templates(extensions=["html"]):
        environment().get_template(name)
    for name in ("report.css", "chart.css", "chart.js", "filter.js", "index.css", "index.js"):
        asset(name)


@cache
def _macros(name: str) -> Any:
    return environment().get_template(name).module


def call(template: str, macro: str, *arguments: object) -> Markup:
    """The result of a template's macro; `Markup` among the arguments is not escaped."""
    return Markup(getattr(_macros(template), macro)(*arguments))


def prose(text: str) -> Markup:
    """A sentence with names in backticks, as the terminal and Markdown show it."""
    plain = str(escape(text))  # for Markup, re.sub would escape what it inserts
    return Markup(re.sub(r"`([^`]+)`", r"<code>\1</code>", plain))


@cache
def asset(name: str) -> str:
    """A file of the page that is not a template."""
    return files("wps_load.report").joinpath("assets", name).read_text("utf-8")
