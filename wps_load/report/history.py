"""The runs of a report folder, newest first, and the earlier run with which each is compared.

Reading a thousand summaries takes a second; `.index.json` beside them caches what was read, and each of its lines is
valid only while its summary.json is the same file. So it may be deleted, or outdated, at any time.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from threading import Event

import msgspec

from wps_load.report.atomic import put
from wps_load.report.entry import Entry, entry_of

CACHE = ".index.json"
LOCK = ".index.lock"
LOCK_ATTEMPTS, LOCK_PAUSE_S = 250, 0.02
"""Two runs that end at once write the index one after the other; after this time a lock is ignored."""
LARGEST_BYTES = 64 << 20
"""A larger summary.json does not belong to a run: a run of days has some megabytes."""
ABSENT = "no summary.json: it is not a run's, or its run was killed or is in its first seconds"


@dataclass(frozen=True, slots=True)
class Skipped:
    """A folder that is not a run's, and why."""

    folder: str
    reason: str


@dataclass(frozen=True, slots=True)
class History:
    """`runs`: newest first."""

    runs: tuple[Entry, ...]
    skipped: tuple[Skipped, ...] = ()

    def before(self) -> dict[str, Entry]:
        """By folder: the last good run before it with the same settings."""
        found: dict[str, Entry] = {}
        good: dict[str, Entry] = {}
        for run in reversed(self.runs):
            if (last := good.get(run.settings_hash)) is not None:
                found[run.folder] = last
            if run.is_good:
                good[run.settings_hash] = run
        return found


class _Known(msgspec.Struct):
    """What was read in a folder when its summary.json was the file `seen`: its number, length and time."""

    seen: tuple[int, int, int]
    entry: Entry | None = None
    reason: str = ""


class _Cache(msgspec.Struct):
    version: str
    runs: dict[str, _Known]


_VERSION = f"1: {' '.join(Entry.__struct_fields__)}"
"""The cache's version: any other is not read."""


def read_history(folder: Path) -> History:
    """All runs of the folder. Raises OSError if it cannot be listed."""
    known = _cached(folder / CACHE)
    found: dict[str, _Known] = {}
    skipped: list[Skipped] = []
    with os.scandir(folder) as listed:
        names = sorted(each.name for each in listed if not each.name.startswith(".") and each.is_dir())
    for name in names:
        try:
            found[name] = _look(folder, name, known.get(name))
        except FileNotFoundError:
            skipped.append(Skipped(name, ABSENT))
        except OSError as error:
            skipped.append(Skipped(name, f"it cannot be read: {error.strerror or type(error).__name__}"))
    if found != known:
        with suppress(OSError):  # the cache is only for speed
            put(folder / CACHE, [msgspec.json.encode(_Cache(_VERSION, found))])
    runs = [each.entry for each in found.values() if each.entry is not None]
    skipped += [Skipped(name, each.reason) for name, each in found.items() if each.entry is None]
    return History(tuple(newest_first(runs)), tuple(sorted(skipped, key=lambda each: each.folder)))


def newest_first(runs: Sequence[Entry]) -> list[Entry]:
    return sorted(runs, key=lambda run: (run.started, run.folder), reverse=True)


def _cached(path: Path) -> Mapping[str, _Known]:
    try:
        cache = msgspec.json.decode(path.read_bytes(), type=_Cache)
    except (OSError, msgspec.MsgspecError, UnicodeDecodeError):
        return {}
    return cache.runs if cache.version == _VERSION else {}


def _look(folder: Path, name: str, known: _Known | None) -> _Known:
    path = folder / name / "summary.json"
    status = path.stat()
    if not stat.S_ISREG(status.st_mode):
        raise OSError(errno.EINVAL, "summary.json is not a file")
    seen = (status.st_ino, status.st_size, status.st_mtime_ns)
    if known is not None and known.seen == seen:
        return known
    if status.st_size > LARGEST_BYTES:
        return _Known(seen, reason="summary.json is too large for a run's")
    try:
        return _Known(seen, entry_of(name, path.read_bytes()))
    except ValueError as error:
        return _Known(seen, reason=str(error))


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """One process at a time, if the file system has locks; else, and after some seconds, without a lock."""
    file = None
    try:
        import fcntl

        file = os.open(folder / LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
        for _ in range(LOCK_ATTEMPTS):
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                Event().wait(LOCK_PAUSE_S)
    except (ImportError, OSError):  # Windows, or a file system without locks
        pass
    try:
        yield
    finally:
        if file is not None:
            os.close(file)
