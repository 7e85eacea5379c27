"""A run's folder: made before the run, snapshots during it, everything at its end.

A file appears complete or not at all (`atomic.put`). So the folder has only complete files at any time, even after the
process was killed. `appended` writes those that grow with the run.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import orjson

from wps_load.errors import ConfigError, Fault
from wps_load.measure.histogram import Histogram
from wps_load.report import html, junit, markdown
from wps_load.report.atomic import put
from wps_load.report.document import Summary
from wps_load.report.extras import NONE, Extras
from wps_load.report.model import RunFacts
from wps_load.report.previous import previous_of
from wps_load.report.summary import build_summary

_STEP_SUMMARY_LIMIT = 1024 * 1024
"""GitHub refuses a step summary above 1 MiB, and with it the step's whole summary."""


def prepare(report_dir: str, scenario: str, now: datetime) -> Path | None:
    """Makes the run's folder `<report_dir>/<UTC time>-<scenario>`, or returns None for an empty `report_dir`.

    Called before anything connects: raises ConfigError if the folder cannot be made or written to. A second run in the
    same second gets a folder of its own (`-2`, `-3`, ...).
    """
    if not report_dir:
        return None
    stem = f"{now.astimezone(UTC):%Y%m%dT%H%M%SZ}-{scenario}"
    try:
        Path(report_dir).mkdir(parents=True, exist_ok=True)
        folder = _fresh(Path(report_dir), stem)
        _probe(folder)
    except OSError as error:
        reason = error.strerror or type(error).__name__
        fault = Fault("--wps-report-dir", report_dir, f"a folder that can be written to ({reason}); empty for no files")
        raise ConfigError([fault]) from error
    return folder


ROOM_BYTES = 1 << 20
"""The space that a run's files may need: it is better to learn before the run that it is missing."""


def _probe(folder: Path) -> None:
    """Whether a report would fit: a full disk or a used-up quota shows only in a write. Raises OSError."""
    probe = folder / ".writable"
    try:
        probe.write_bytes(bytes(ROOM_BYTES))
    except OSError:
        with suppress(OSError):
            probe.unlink(missing_ok=True)
            folder.rmdir()
        raise
    probe.unlink()


def _fresh(parent: Path, stem: str) -> Path:
    for attempt in range(1, 1000):
        folder = parent / (stem if attempt == 1 else f"{stem}-{attempt}")
        try:
            folder.mkdir()
        except FileExistsError:
            continue
        return folder
    raise FileExistsError(17, "a thousand runs began in this second", str(parent / stem))


def summarize(folder: Path, facts: RunFacts) -> Summary:
    """A finished run's summary, with its comparison with the previous good one in the folder of runs."""
    summary = build_summary(facts)
    summary["previous"] = previous_of(folder, summary)
    return summary


def write_run(folder: Path, facts: RunFacts, summary: Summary | None = None, extras: Extras = NONE) -> Summary:
    """Writes as many files of a finished run as possible, and returns the summary; timeline and log exist already.

    `summary`: if it exists already. A folder that was removed meanwhile is created again. Raises the first OSError, for
    example on a full disk.
    """
    summary = summarize(folder, facts) if summary is None else summary
    folder.mkdir(parents=True, exist_ok=True)
    first: OSError | None = None
    extras = replace(extras, folder=str(folder))
    for name, content in (*_data(summary), *_rendered(summary, facts.histograms, extras)):
        try:
            put(folder / name, content())
        except OSError as error:
            first = first or error
    if first is not None:
        raise first
    return summary


def write_snapshot(folder: Path, facts: RunFacts, pause: Callable[[], None]) -> None:
    """Writes the files during the run (`RunState.RUNNING`), in case the process is killed.

    The load runs meanwhile: `pause` is called between pieces of some milliseconds, and `facts` must not change. The
    page has no percentile chart; `wps-load report FOLDER` adds it. Raises OSError.
    """
    summary = build_summary(facts)
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in (*_data(summary), *_rendered(summary, None, Extras(folder=str(folder)))):
        pieces = []
        for piece in content():
            pieces.append(piece)
            pause()
        put(folder / name, pieces)


_File = tuple[str, Callable[[], Iterable[bytes]]]
"""The file's name, and how the pieces of its content are made."""


def _data(summary: Summary) -> list[_File]:
    return [
        ("settings.json", lambda: [_json(summary["run"]["settings"])]),
        ("summary.json", lambda: _summary_pieces(summary)),
    ]


Render = Callable[[Summary, Mapping[str, Histogram] | None, Extras], Iterable[bytes]]
"""A format: the pieces of a file, each made in some milliseconds. Without histograms it is a snapshot."""

FORMATS: dict[str, Render] = {
    "summary.md": lambda summary, _, extras: [markdown.render(summary, extras).encode()],
    "junit.xml": lambda summary, _, extras: [junit.render(summary)],
    "report.html": html.pieces,
}
"""The files that are made from the summary, by name."""


def _rendered(summary: Summary, histograms: Mapping[str, Histogram] | None, extras: Extras) -> list[_File]:
    return [(name, partial(render, summary, histograms, extras)) for name, render in FORMATS.items()]


def write_rendered(
    folder: Path, summary: Summary, histograms: Mapping[str, Histogram] | None, extras: Extras = NONE
) -> None:
    """Writes the files that are made from the summary: report.html, summary.md and junit.xml.

    Without the percentiles' chart if `histograms` is None. Raises OSError; ValueError for settings that no run of this
    version has.
    """
    for name, content in _rendered(summary, histograms, replace(extras, folder=str(folder))):
        put(folder / name, content())


def append_step_summary(environ: Mapping[str, str], summary: Summary) -> bool:
    """Appends summary.md to the file of `$GITHUB_STEP_SUMMARY`, in a GitHub job; returns whether it did.

    A summary that would not fit, or a file that cannot be written, is left out: a report must not fail a job.
    """
    path = environ.get("GITHUB_STEP_SUMMARY")
    if not path:
        return False
    text = markdown.render(summary).encode() + b"\n"
    try:
        with open(path, "ab") as file:
            if file.tell() + len(text) > _STEP_SUMMARY_LIMIT:
                return False
            file.write(text)
    except OSError:
        return False
    return True


PIECE_ROWS = 200
"""A few milliseconds' work: a run in progress must not wait longer at once."""


def _summary_pieces(summary: Summary) -> Iterator[bytes]:
    """The document, with a line for each row of its timeline, which is most of it."""
    comma = b"{"
    for name, value in summary.items():
        yield comma + b'\n  "%s": ' % name.encode()
        if name == "timeline":
            yield from _rows(summary["timeline"])
        elif name == "populations" and summary.get("populations"):
            yield from _rows(summary.get("populations") or ())  # whose courses would be a line a value
        else:
            yield orjson.dumps(value, option=orjson.OPT_INDENT_2).replace(b"\n", b"\n  ")
        comma = b","
    yield b"\n}\n"


def _rows(rows: Sequence[object]) -> Iterator[bytes]:
    for at in range(0, len(rows), PIECE_ROWS):
        lines = bytearray()
        for row in rows[at : at + PIECE_ROWS]:  # one by one: each text is in a buffer of 8 KB
            lines += b",\n    " if lines or at else b"[\n    "
            lines += orjson.dumps(row)
        yield bytes(lines)
    yield b"\n  ]" if rows else b"[]"


def _json(document: object) -> bytes:
    return orjson.dumps(document, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE)
