"""Open files: one a connection. Locust raises the soft limit to 10,000 only."""

from __future__ import annotations

from wps_load.posix import resource


def raise_open_files() -> int:
    """Raises this process's soft limit to the hard one, children inherit it; returns what holds now."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return hard
