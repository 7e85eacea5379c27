"""What the package imports is declared in pyproject.toml, and what is declared is imported."""

from __future__ import annotations

import ast
import re
import sys
import tomllib
from functools import cache
from importlib.metadata import packages_distributions
from pathlib import Path

ROOT = Path(__file__).parents[1]


def canonical(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def declared() -> set[str]:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"]
    requirements = [*project["dependencies"], *extras["entra"], *extras["otel"]]
    names = (re.match(r"[A-Za-z0-9._-]+", requirement) for requirement in requirements)
    return {canonical(name[0]) for name in names if name is not None}


@cache
def imported() -> dict[str, str]:
    """Top-level module -> a file that imports it, also inside functions."""
    found: dict[str, str] = {}
    for path in sorted((ROOT / "wps_load").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom) and node.module and not node.level:
                names = [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
            for name in names:
                top = "google.protobuf" if name.startswith("google.protobuf") else name.partition(".")[0]
                found.setdefault(top, path.name)
    ours = {"wps_load", "google", *sys.stdlib_module_names}
    return {name: file for name, file in found.items() if name not in ours}


@cache
def distributions() -> dict[str, set[str]]:
    """Top-level module -> the distributions that bring it."""
    found = {module: set(map(canonical, names)) for module, names in packages_distributions().items()}
    return {**found, "google.protobuf": {"protobuf"}, "opentelemetry": {"opentelemetry-sdk"}}  # shared by several


def test_what_is_imported_is_declared() -> None:
    brought, known = distributions(), declared()
    missing = {module: file for module, file in imported().items() if not brought.get(module, {module}) & known}
    assert missing == {}


def test_what_is_declared_is_imported() -> None:
    brought = distributions()
    used = {name for module in imported() for name in brought.get(module, {canonical(module)})}
    assert declared() - used == set()
