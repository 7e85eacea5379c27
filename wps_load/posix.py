"""The parts of the standard library that Windows lacks: there the program ends with one sentence, not a traceback.

The limit of open files is here too, because each connection is an open file.
"""

from __future__ import annotations

import contextlib
import sys

try:
    import resource
except ModuleNotFoundError:
    sys.stderr.write("wps-load: runs on Linux and macOS, and this is neither; on Windows, use WSL 2\n")
    raise SystemExit(2) from None

__all__ = ["raise_open_files", "resource"]


def raise_open_files() -> int:
    """Raises the soft limit of open files to the hard one, which child processes inherit; returns the new limit.

    The soft limit is often 1,024, and Locust raises it to 10,000 only. macOS refuses a limit that is unlimited.
    """
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with contextlib.suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return resource.getrlimit(resource.RLIMIT_NOFILE)[0]
