"""Files that appear complete or not at all."""

from __future__ import annotations

import os
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path


def put(path: Path, pieces: Iterable[bytes]) -> None:
    """Writes `pieces` to `path` in one step for every reader.

    It is written beside its place, then renamed (a POSIX rename is atomic within a file system). Raises OSError.

    No fsync: a killed process, not a power cut, is the risk, and a sync may take longer than a message's latency.
    """
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with beside.open("wb") as file:
            file.writelines(pieces)
        os.replace(beside, path)
    except BaseException:
        with suppress(OSError):
            beside.unlink(missing_ok=True)
        raise
