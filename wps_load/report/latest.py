"""The newest run of a report folder, and earlier ones with the same settings."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TypedDict

import msgspec

from wps_load.report.run_folder import BrokenRun


@dataclass(frozen=True, slots=True)
class Latest:
    """`before`: oldest first."""

    newest: Path
    before: tuple[Path, ...]


def latest(folder: Path, most: int) -> Latest:
    """The newest finished run in `folder`, and at most `most` earlier ones that it can be compared with.

    Those have the same settings, and figures that can be trusted. Raises BrokenRun if there is no run.
    """
    found = sorted(
        (run for path in folder.glob("*/summary.json") if (run := _run(path)) is not None),
        key=lambda run: run[1]["run"]["started_at"],
    )
    if not found:
        raise BrokenRun(f"{folder} has no finished run: give the folder of all runs, such as reports.")
    *earlier, (newest, summary) = found
    wanted = summary["run"]["settings_hash"]
    like = [path for path, each in earlier if each["run"]["settings_hash"] == wanted and each["verdict"] != "invalid"]
    return Latest(newest, tuple(like[-most:]))


class _Run(TypedDict):
    started_at: str
    settings_hash: str


class _Head(TypedDict):
    """The part of a summary that is needed to choose among runs: its timeline is not read."""

    run: _Run
    verdict: str


_DECODER = msgspec.json.Decoder(_Head)


def _run(path: Path) -> tuple[Path, _Head] | None:
    """A run's folder and its head; None if it is not a finished run."""
    try:
        summary = _DECODER.decode(path.read_bytes())
    except (OSError, ValueError, RecursionError):  # msgspec's errors are ValueErrors
        return None
    run = summary["run"]
    return (path.parent, summary) if run["settings_hash"] and run["started_at"] and summary["verdict"] else None
