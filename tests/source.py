"""The source as its walls see it: the modules of `wps_load`, what each imports and reaches, the names that it uses."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path

PACKAGE = Path(__file__).parents[1] / "wps_load"
TESTS = Path(__file__).parent
MODULES = sorted(path for path in PACKAGE.rglob("*.py") if not path.name.endswith("_pb2.py"))


def name_of(path: Path) -> str:
    return ".".join(path.relative_to(PACKAGE).with_suffix("").parts).removesuffix(".__init__")


def room(module: str) -> str:
    return module.partition(".")[0]


@cache
def tree_of(path: Path) -> ast.Module:
    return ast.parse(path.read_text())


NAMES = {name_of(path): path for path in MODULES}


def imported(node: ast.AST) -> Iterator[str]:
    """What one statement imports; this package's modules without its name."""
    if isinstance(node, ast.Import):
        yield from (inside(alias.name) for alias in node.names)
    elif isinstance(node, ast.ImportFrom) and node.module:
        module = inside(node.module)
        prefix = "" if module == "__init__" else f"{module}."
        yield from {name if (name := f"{prefix}{alias.name}") in NAMES else module for alias in node.names}


def inside(module: str) -> str:
    """The name of a module as it is written here: a file of this package without the package's name."""
    return "__init__" if module == "wps_load" else module.removeprefix("wps_load.")


@cache
def imports(path: Path) -> frozenset[str]:
    """Every module that a file imports, in functions and type-checking blocks too."""
    return frozenset(name for node in ast.walk(tree_of(path)) for name in imported(node))


@cache
def ours(path: Path) -> frozenset[str]:
    return imports(path) & NAMES.keys() - {name_of(path)}


def reached(name: str, within: str | None = None) -> set[str]:
    """All modules of ours that a module imports, directly or by way of others; `within`: of this room, through it."""
    seen: set[str] = set()
    new = {name}
    while new:
        seen |= new
        new = {other for each in new for other in ours(NAMES[each]) if within in {None, room(other)}} - seen
    return seen - {name}


def spelled_out(path: Path) -> Iterator[tuple[int, str]]:
    """The lines and whole names of what a file uses: `dt.now` is `datetime.datetime.now` if its imports say so."""
    nodes = list(ast.walk(tree_of(path)))
    names = {
        alias.asname or alias.name.partition(".")[0]: alias.name if alias.asname else alias.name.partition(".")[0]
        for node in nodes
        if isinstance(node, ast.Import)
        for alias in node.names
    } | {
        alias.asname or alias.name: f"{node.module}.{alias.name}"
        for node in nodes
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }
    for node in nodes:
        if isinstance(node, ast.Name | ast.Attribute):
            first, _, rest = ast.unparse(node).partition(".")
            yield node.lineno, f"{names.get(first, first)}.{rest}".removesuffix(".")
