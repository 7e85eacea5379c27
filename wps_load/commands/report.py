"""`wps-load report`: a finished run's files, rendered again."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from datetime import datetime
from fractions import Fraction
from pathlib import Path
from typing import Any

from wps_load.capacity.prices import Prices, read_prices
from wps_load.capacity.units import Guide, load_guide
from wps_load.commands import units_text
from wps_load.commands.parsing import plain_parser
from wps_load.commands.words import rate, row
from wps_load.errors import ConfigError, ExitCode, Fault
from wps_load.report import tables
from wps_load.report.azure import AzureMetrics, read_azure
from wps_load.report.document import Summary
from wps_load.report.extras import Extras
from wps_load.report.files import write_rendered
from wps_load.report.index import INDEX, write_index
from wps_load.report.load import BrokenRun, Run, load_run
from wps_load.report.measured import measured_load
from wps_load.settings.options import BY_FLAG

_EXAMPLE = """\
Reads summary.json and histograms.hlog of each folder, which stay as they are, and writes report.html, summary.md and
junit.xml again: after an update of wps-load, or for a run that was killed and has a page without charts.

With --azure-metrics: Azure Monitor's Server Load, quota, connections and close reasons on the run's time axis, from
`az monitor metrics list ... --interval PT1M --output json`: docs/capacity.md has the commands.

With --growth or --prices: also the units that hold the measured load and N times it, and their cost: on the page, in
summary.md and on stdout.

Of a folder of runs: index.html, which lists them newest first with their verdicts, trends and links.

example:
  wps-load report reports
  wps-load report reports/20261124T141500Z-echo
  wps-load report reports/20261124T141500Z-echo --growth 2,5,10 --prices prices.json
  wps-load report reports/20261124T141500Z-echo --azure-metrics metrics.json
"""


def run(argv: Sequence[str]) -> int:
    """Renders each folder: 0. Raises BrokenRun for one that is no run's, ConfigError for one not writable."""
    parser = plain_parser("report", "Renders finished runs again.", _EXAMPLE)
    parser.add_argument("folders", nargs="+", metavar="FOLDER", help="a run's folder, or a folder of runs")
    parser.add_argument("--growth", default="", metavar="N,N", help="units for N times the measured load: 2,5,10")
    parser.add_argument("--prices", default=None, metavar="FILE", help="prices, as docs/capacity.md describes")
    parser.add_argument(
        "--azure-metrics",
        action="append",
        default=[],
        metavar="FILE",
        help="JSON of `az monitor metrics list`; repeatable",
    )
    arguments = parser.parse_args(argv)
    guide = load_guide()
    growth = units_text.read_growth(arguments.growth)
    prices = None if arguments.prices is None else read_prices(arguments.prices, guide.tiers)
    for name in arguments.folders:
        if _holds_runs(Path(name)):
            _index(Path(name))
            continue
        found = _render(Path(name), growth, prices, arguments.azure_metrics)
        if growth or prices is not None:
            sys.stdout.write(_units(found, guide, growth, prices))
    return ExitCode.PASSED


def _holds_runs(folder: Path) -> bool:
    """It is no run's folder, but one of runs."""
    return not (folder / "summary.json").exists() and next(folder.glob("*/summary.json"), None) is not None


def _index(folder: Path) -> None:
    """Makes the page of a folder of runs anew, and says what is in it. Raises ConfigError."""
    try:
        history = write_index(folder)
    except OSError as error:
        fault = Fault("FOLDER", str(folder), f"a folder that can be written to ({error.strerror})")
        raise ConfigError([fault]) from error
    count = len(history.runs)
    lines = [f"{count:,} run{'' if count == 1 else 's'}"]
    lines += [f"skipped {each.folder}: {each.reason}" for each in history.skipped]
    sys.stdout.write("\n".join([*lines, str(folder / INDEX), ""]))


def _render(folder: Path, growth: Sequence[Fraction], prices: Prices | None, azure_metrics: Sequence[str]) -> Run:
    """Writes the folder's files, and says the verdict and where the page is."""
    if not folder.is_dir():
        raise BrokenRun(f"{folder} is no folder: give the folder of a run, as the run printed it.")
    found = load_run(folder)
    extras = Extras(growth, prices, _azure(azure_metrics, found) if azure_metrics else None)
    try:
        write_rendered(folder, found.summary, found.histograms, extras)
    except ValueError as error:
        raise BrokenRun(f"{found.name} has settings that this version of wps-load does not know: {error}.") from error
    except OSError as error:
        fault = Fault("FOLDER", str(folder), f"a folder that can be written to ({error.strerror})")
        raise ConfigError([fault]) from error
    word = tables.verdict_word(found.summary)
    sys.stdout.write(f"{word}: {tables.verdict_sentence(found.summary)}\n{folder / 'report.html'}\n")
    return found


def _azure(paths: Sequence[str], run: Run) -> AzureMetrics:
    told = run.summary["run"]
    return read_azure(paths, datetime.fromisoformat(told["started_at"]), told["duration_s"])


def _units(run: Run, guide: Guide, growth: Sequence[Fraction], prices: Prices | None) -> str:
    """Raises BrokenRun for settings that no run of ours has."""
    summary = run.summary
    try:
        load, bought = measured_load(summary), _bought(summary)
    except (KeyError, ValueError) as error:
        raise BrokenRun(f"{run.name} has settings that this version of wps-load does not know: {error}.") from error
    lines = ["", row("measured", f"{load.connections:,} connections")]
    if load.inbound_per_s is not None and load.outbound_per_s is not None:
        lines.append(row("", f"{rate(load.inbound_per_s)} in, {rate(load.outbound_per_s)} out"))
    lines += units_text.lines(summary["run"]["scenario"], load, guide, growth, prices, **bought)
    return "\n".join([*lines, ""])


def _bought(summary: Summary) -> dict[str, Any]:
    settings = summary["run"]["settings"]
    found = {}
    for key, flag in (("units", "--wps-units"), ("sku", "--wps-tier")):
        text = settings.get(flag.removeprefix("--"))
        found[key] = BY_FLAG[flag].read(str(text)) if text else None
    return found
