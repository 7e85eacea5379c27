"""`wps-load report`: a finished run's files, rendered again."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from wps_load.commands.parsing import plain_parser
from wps_load.errors import ConfigError, ExitCode, Fault
from wps_load.report import tables
from wps_load.report.files import write_rendered
from wps_load.report.load import BrokenRun, load_run

_EXAMPLE = """\
Reads summary.json and histograms.hlog of each folder, which stay as they are, and writes report.html, summary.md and
junit.xml again: after an update of wps-load, or for a run that was killed and has a page without charts.

example:
  wps-load report reports/20261124T141500Z-echo
"""


def run(argv: Sequence[str]) -> int:
    """Renders each folder: 0. Raises BrokenRun for one that is no run's, ConfigError for one not writable."""
    parser = plain_parser("report", "Renders finished runs again.", _EXAMPLE)
    parser.add_argument("folders", nargs="+", metavar="FOLDER", help="a run's folder")
    for name in parser.parse_args(argv).folders:
        folder = Path(name)
        if not folder.is_dir():
            raise BrokenRun(f"{folder} is no folder: give the folder of a run, as the run printed it.")
        found = load_run(folder)
        try:
            write_rendered(folder, found.summary, found.histograms)
        except OSError as error:
            fault = Fault("FOLDER", name, f"a folder that can be written to ({error.strerror})")
            raise ConfigError([fault]) from error
        word = tables.VERDICT_WORDS[found.summary["verdict"]]
        sys.stdout.write(f"{word}: {tables.verdict_sentence(found.summary)}\n{folder / 'report.html'}\n")
    return ExitCode.PASSED
