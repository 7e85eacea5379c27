"""docs/architecture.md says what the source is: its rooms, the client's floors, the names on a message's way."""

from __future__ import annotations

import ast
import re

from tests.source import MODULES, NAMES, PACKAGE, room, tree_of
from tests.test_architecture import ALLOWED, CLIENT_FLOORS

PAGE = PACKAGE.parent / "docs" / "architecture.md"


def test_the_page_says_which_room_may_import_which() -> None:
    """Each cell: a row has the rooms that it is about, and all that they may import, by name."""
    page = PAGE.read_text()
    table = page[page.index("| room | may import |") : page.index("### Inside the client")]
    rows = [line.strip("|").split("|") for line in table.splitlines()[2:] if line.startswith("|")]
    said = [(name, cell.strip()) for rooms, cell in rows for name in re.findall(r"`(\w+)`", rooms)]
    assert sorted(name for name, _ in said) == sorted(ALLOWED), "a room without a row, or with two"
    cells = {name: set() if cell == "nobody" else set(cell.split(", ")) for name, cell in said}
    assert cells == {name: {f"`{other}`" for other in allowed} for name, allowed in ALLOWED.items()}
    assert {room(name) for name in NAMES} == ALLOWED.keys()


def test_the_page_has_the_floors_of_the_client() -> None:
    page = PAGE.read_text()
    block = page[page.index("### Inside the client") :].split("```")[1]
    rows = [set(line.split("  ")[0].split(", ")) for line in block.strip().splitlines()]
    assert rows[: len(CLIENT_FLOORS)] == list(CLIENT_FLOORS)


def test_the_page_names_what_is_on_the_way_of_a_message() -> None:
    """`Class.method`, each a definition of the source, so that the page is true as long as this test passes."""
    page = PAGE.read_text()
    way = page[page.index("## The path of one message") : page.index("## Words")]
    named = re.findall(r"`([A-Z]\w+)(?:\.(\w+))?`", way)
    assert len(named) > 15
    classes = {
        node.name: node for path in MODULES for node in ast.walk(tree_of(path)) if isinstance(node, ast.ClassDef)
    }
    assert [name for name, member in named if name not in classes or (member and not has(classes[name], member))] == []


def has(node: ast.ClassDef, member: str) -> bool:
    """Whether a class defines a method, or sets an attribute of itself by this name."""
    return any(
        (isinstance(each, ast.FunctionDef) and each.name == member)
        or (isinstance(each, ast.Attribute) and each.attr == member and ast.unparse(each.value) == "self")
        for each in ast.walk(node)
    )
