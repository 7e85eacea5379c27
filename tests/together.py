"""Which tests go to one process of pytest-xdist: those of a module that share what one of them has made.

That is a run, which a fixture of the module has made, or source that a cached function has read; each other process
would do it again. xdist's own `--dist loadgroup` is no help: it writes the group into the test's id, which pytest 9.2
no longer lets it do, and says nothing.
"""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path

from xdist.scheduler import LoadScopeScheduling  # type: ignore[import-untyped]

ROOT = Path(__file__).parents[1]
SHARED = re.compile(r'scope="(?:module|class)"|^@cache$', re.MULTILINE)
MANY = re.compile(r"\b(?:ThreadPoolExecutor|execute_all)\(")
SEVERAL_PROGRAMS = "several programs at once"
PARSED = re.compile(r"\btree_of\(")
ALL_SOURCE = "all source, parsed"


@cache
def group_of(module: str) -> str | None:
    """The group of a module's tests; None: they have nothing in common.

    Modules that run several programs at once are one group: one after the other, for the machine has few cores. So are
    those that read all source: parsed, it takes 200 MB and two seconds.
    """
    source = (ROOT / module).read_text()
    if PARSED.search(source):
        return ALL_SOURCE
    if not SHARED.search(source):
        return None
    return SEVERAL_PROGRAMS if MANY.search(source) else module


class Together(LoadScopeScheduling):  # type: ignore[misc]
    """A module's tests where they share something; all others go wherever there is room. Large groups come first."""

    def _split_scope(self, nodeid: str) -> str:
        return group_of(nodeid.partition("::")[0]) or nodeid
