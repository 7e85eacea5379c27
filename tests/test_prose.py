"""What can be held of the prose by a machine: a docstring's first line is whole, and says it in the field's words."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from tests.source import NAMES, tree_of

WHOLE = re.compile(r"[.!?:][)\"'`]?$")
FOREIGN = re.compile(
    r"\bby and by\b|\bso many a second\b|\bhas was\b|\bfor want of\b|\bbe they\b|\basked for\b|\bwhose doing\b",
    re.IGNORECASE,
)


def docstrings() -> Iterator[tuple[str, str]]:
    for name, path in NAMES.items():
        for node in ast.walk(tree_of(path)):
            if not isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
                continue
            if text := ast.get_docstring(node):
                yield name, text


def test_the_first_line_is_whole() -> None:
    lines = [(name, text.splitlines()[0]) for name, text in docstrings()]
    assert len(lines) > 1000
    assert [(name, line) for name, line in lines if not WHOLE.search(line)] == []


def test_no_phrase_that_readers_stumbled_over() -> None:
    assert [(name, found[0]) for name, text in docstrings() if (found := FOREIGN.search(text))] == []
