"""A run's folder: made before the run, snapshots during it, everything at its end.

A file appears whole or not at all (`atomic.put`). So whoever looks into the folder at any time, or after the process
was killed, finds complete files. Those that grow with the run are `appended`'s.
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

    Called before anything connects: raises ConfigError when the folder cannot be made or written to. A second
    run in the same second gets a folder of its own (`-2`, `-3`, ...).
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
"""What a run's files may need: better to learn before the run than after it that there is no room for them."""


def _probe(folder: Path) -> None:
    """Whether a report would fit: a full disk and a spent quota show when something is written. Raises OSError."""
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
    """A finished run's summary, with how it stands against the previous good one in the folder of runs."""
    summary = build_summary(facts)
    summary["previous"] = previous_of(folder, summary)
    return summary


def write_run(folder: Path, facts: RunFacts, summary: Summary | None = None, extras: Extras = NONE) -> Summary:
    """Writes the files of a finished run, as many as can be, and returns the summary. Timeline and log are there.
    `summary`: if it is made already.

    A folder that was removed meanwhile is made again. Raises the first OSError, on a full disk for one.
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
    """Writes the files in the middle of a run (`RunState.RUNNING`), for the case that the process is killed.

    The load runs beside it: `pause` is called between pieces of some milliseconds, and `facts` must not change
    meanwhile. The page has no chart of the percentiles; `wps-load report FOLDER` adds it. Raises OSError.
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
"""Its name, and how the pieces of its content are made."""


def _data(summary: Summary) -> list[_File]:
    return [
        ("settings.json", lambda: [_json(summary["run"]["settings"])]),
        ("summary.json", lambda: _summary_pieces(summary)),
    ]


Render = Callable[[Summary, Mapping[str, Histogram] | None, Extras], Iterable[bytes]]
"""A format: the pieces of a file, each made in some milliseconds. Without histograms it is a snapshot in mid-run."""

FORMATS: dict[str, Render] = {
    "summary.md": lambda summary, _, extras: [markdown.render(summary, extras).encode()],
    "junit.xml": lambda summary, _, extras: [junit.render(summary)],
    "report.html": html.pieces,
}
"""What is made of the summary, by the name of its file."""


def _rendered(summary: Summary, histograms: Mapping[str, Histogram] | None, extras: Extras) -> list[_File]:
    return [(name, partial(render, summary, histograms, extras)) for name, render in FORMATS.items()]


def write_rendered(
    folder: Path, summary: Summary, histograms: Mapping[str, Histogram] | None, extras: Extras = NONE
) -> None:
    """Writes what is made from the summary: report.html, summary.md and junit.xml.

    Without the percentiles' chart where `histograms` is None. Raises OSError; ValueError for settings that
    no run of this version has.
    """
    for name, content in _rendered(summary, histograms, replace(extras, folder=str(folder))):
        put(folder / name, content())


def append_step_summary(environ: Mapping[str, str], summary: Summary) -> bool:
    """Appends summary.md to the file of `$GITHUB_STEP_SUMMARY`, in a GitHub job; whether it did.

    A summary that would not fit any more, or a file that cannot be written, is left out: a report must not fail a job.
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
"""Some milliseconds' work: a run that goes on does not wait for more at once."""


def _summary_pieces(summary: Summary) -> Iterator[bytes]:
    """The document, a line for each row of its timeline, which is the most of it."""
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
        lines = b",\n    ".join(map(orjson.dumps, rows[at : at + PIECE_ROWS]))
        yield (b",\n    " if at else b"[\n    ") + lines
    yield b"\n  ]" if rows else b"[]"


def _json(document: object) -> bytes:
    return orjson.dumps(document, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE)
