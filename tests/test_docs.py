"""The pages: every link leads somewhere, and every line is readable in a diff."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[1]
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
WIDTH = 120
LINK = re.compile(r"\]\((?!https?://|#)([^)#\s]+)")


def test_links_lead_somewhere() -> None:
    assert [
        f"{page.relative_to(ROOT)}: {target}"
        for page in PAGES
        for target in LINK.findall(page.read_text())
        if not (page.parent / target).exists()
    ] == []


def test_lines_are_readable_in_a_diff() -> None:
    """Prose wraps at the width of the code; a row of a table, code and a lone link may be longer."""
    assert [
        f"{page.relative_to(ROOT)}:{number}"
        for page in PAGES
        for number, line in prose_lines(page.read_text())
        if len(line) > WIDTH and " " in line.strip()
    ] == []


def prose_lines(text: str) -> Iterator[tuple[int, str]]:
    is_code = False
    for number, line in enumerate(text.splitlines(), 1):
        if line.lstrip().startswith("```"):
            is_code = not is_code
        elif not is_code and not line.startswith(("|", "    ", "#", "<!--")):
            yield number, line


def test_decisions_are_numbered_without_holes() -> None:
    numbers = [int(page.name[:4]) for page in sorted((ROOT / "docs" / "decisions").glob("*.md"))]
    assert numbers == list(range(1, len(numbers) + 1))
