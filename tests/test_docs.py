"""The pages: every link leads somewhere, every line is readable in a diff, and the changelog is short."""

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


def test_the_changelog_is_grouped_and_short() -> None:
    """What a reader wants of a version: its groups, and no more lines than fit into a few minutes."""
    versions = re.split(r"^## ", (ROOT / "CHANGELOG.md").read_text(), flags=re.MULTILINE)[1:]
    assert re.findall(r"^### (\w+)", versions[0], re.MULTILINE) == ["Added", "Changed", "Fixed", "Security"]
    assert [version.splitlines()[0] for version in versions if len(version.splitlines()) > 200] == []


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
