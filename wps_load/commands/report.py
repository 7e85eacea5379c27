"""`wps-load report`: a finished run's files, rendered again."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from datetime import datetime
from fractions import Fraction
from pathlib import Path
from typing import Any, NamedTuple

from wps_load.capacity.prices import Prices, read_prices
from wps_load.capacity.units import Guide, load_guide
from wps_load.commands import units_text
from wps_load.commands.parsing import plain_parser
from wps_load.commands.row_texts import rate, row
from wps_load.errors import ConfigError, ExitCode, Fault, Finding
from wps_load.plurals import counted
from wps_load.report import tables
from wps_load.report.appended import TIMELINE
from wps_load.report.azure import AzureMetrics, of_documents, read_azure
from wps_load.report.document import Summary
from wps_load.report.extras import Extras
from wps_load.report.files import write_rendered
from wps_load.report.index import INDEX, write_index
from wps_load.report.measured import guided_by, measured_load
from wps_load.report.run_folder import BrokenRun, PastRun, load_run
from wps_load.settings.entra import CREDENTIALS, AzureResource, Identity, resource_id
from wps_load.settings.options import BY_FLAG

_EXAMPLE = """\
Reads summary.json and histograms.hlog of each folder, which stay as they are, and writes report.html, summary.md and
junit.xml again: after an update of wps-load, or for a run that was killed and has a page without charts.

With --azure-metrics: Azure Monitor's Server Load, quota, connections and close reasons on the run's time axis, from
`az monitor metrics list ... --interval PT1M --output json`: docs/capacity.md has the commands.

With --azure-resource: the same, fetched from Azure Monitor; it needs the extra wps-load[entra] and the role Monitoring
Reader.

With --growth or --prices: also the units that hold the measured load and N times it, and their cost: on the page, in
summary.md and on stdout.

For a folder of runs it writes index.html, which lists them newest first with their verdicts, trends and links.

example:
  wps-load report reports
  wps-load report reports/20261124T141500Z-echo
  wps-load report reports/20261124T141500Z-echo --growth 2,5,10 --prices prices.json
  wps-load report reports/20261124T141500Z-echo --azure-metrics metrics.json
  wps-load report reports/20261124T141500Z-echo --azure-credential cli --azure-resource /subscriptions/ID/...
"""


def run(argv: Sequence[str]) -> int:
    """Renders each folder: 0.

    Raises BrokenRun for a folder that is not a run's, ConfigError for one that can't be written.
    """
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
    parser.add_argument(
        "--azure-resource", default=None, metavar="ID", help="fetch the metrics of this resource id from Azure Monitor"
    )
    parser.add_argument(
        "--azure-credential",
        default="default",
        choices=CREDENTIALS,
        help="the Entra ID credential for them: " + ", ".join(CREDENTIALS) + " (%(default)s)",
    )
    arguments = parser.parse_args(argv)
    azure = Azure(arguments.azure_metrics, _resource(arguments.azure_resource, arguments.azure_credential))
    guide = load_guide()
    growth = units_text.read_growth(arguments.growth)
    prices = None if arguments.prices is None else read_prices(arguments.prices, guide.tiers)
    for name in arguments.folders:
        if _holds_runs(Path(name)):
            _index(Path(name))
            continue
        found = _render(Path(name), growth, prices, azure)
        if growth or prices is not None:
            sys.stdout.write(_units(found, guide, growth, prices))
    return ExitCode.PASSED


class Azure(NamedTuple):
    """The sources of Azure Monitor's view of a run: files, and a resource that is queried."""

    paths: Sequence[str]
    resource: AzureResource | None

    def metrics_of(self, run: PastRun) -> AzureMetrics | None:
        """The metrics; None: none are requested. Raises ConfigError, which says in one sentence what is wrong."""
        told = run.summary["run"]
        started_at, duration_s = datetime.fromisoformat(told["started_at"]), told["duration_s"]
        found = [read_azure(self.paths, started_at, duration_s)] if self.paths else []
        if self.resource is not None:
            found.append(fetched(self.resource, started_at, duration_s))
        return AzureMetrics(tuple(series for each in found for series in each.series)) if found else None


def fetched(resource: AzureResource, started_at: datetime, duration_s: float) -> AzureMetrics:
    """A resource's metrics from Azure Monitor. Raises ConfigError."""
    # imported here: everything else only reads files, without a network and on any system
    from wps_load.client import azure_monitor
    from wps_load.client.entra_tokens import judge_extra
    from wps_load.client.stream import Network

    judge_extra(resource.identity)
    try:
        network = Network.create(environ=os.environ)
        return of_documents(azure_monitor.metrics_of(resource, started_at, duration_s, network), started_at, duration_s)
    except Finding as finding:
        said = f"{finding.message}{'; ' + finding.advice if finding.advice else ''}"
    except ValueError as error:
        said = f"{error}. Azure needs some minutes until a run's last points are there"
    raise ConfigError([Fault("--azure-resource", None, said)])


def _resource(text: str | None, credential: str) -> AzureResource | None:
    if text is None:
        return None
    try:
        return AzureResource(resource_id(text), Identity(credential, ""))
    except ValueError as error:
        raise ConfigError([Fault("--azure-resource", text, str(error))]) from None


def _holds_runs(folder: Path) -> bool:
    """Whether it is a folder of runs, even of unfinished ones, not a run's folder."""
    if (folder / "summary.json").exists():
        return False
    return any(next(folder.glob(f"*/{name}"), None) is not None for name in ("summary.json", TIMELINE))


def _index(folder: Path) -> None:
    """Writes the page of a folder of runs again, and says what is in it. Raises ConfigError."""
    try:
        history = write_index(folder)
    except OSError as error:
        fault = Fault("FOLDER", str(folder), f"a folder that can be written to ({error.strerror})")
        raise ConfigError([fault]) from error
    lines = [counted(len(history.runs), "run")]
    lines += [f"skipped {each.folder}: {each.reason}" for each in history.skipped]
    sys.stdout.write("\n".join([*lines, str(folder / INDEX), ""]))


def _render(folder: Path, growth: Sequence[Fraction], prices: Prices | None, azure: Azure) -> PastRun:
    """Writes the folder's files, and prints the verdict and the path of the page."""
    if not folder.is_dir():
        raise BrokenRun(f"{folder} is not a folder: give the folder of a run, as the run printed it.")
    found = load_run(folder)
    extras = Extras(growth, prices, azure.metrics_of(found))
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


def _units(run: PastRun, guide: Guide, growth: Sequence[Fraction], prices: Prices | None) -> str:
    """Raises BrokenRun for settings that no run of wps-load has."""
    summary = run.summary
    try:
        load, bought = measured_load(summary), _bought(summary)
    except (KeyError, ValueError) as error:
        raise BrokenRun(f"{run.name} has settings that this version of wps-load does not know: {error}.") from error
    lines = ["", row("measured", f"{counted(load.connections, 'connection')}")]
    if load.inbound_per_s is not None and load.outbound_per_s is not None:
        lines.append(row("", f"{rate(load.inbound_per_s)} in, {rate(load.outbound_per_s)} out"))
    lines += units_text.lines(guided_by(summary), load, guide, growth, prices, **bought)
    return "\n".join([*lines, ""])


def _bought(summary: Summary) -> dict[str, Any]:
    settings = summary["run"]["settings"]
    found = {}
    for key, flag in (("units", "--wps-units"), ("sku", "--wps-tier")):
        text = settings.get(flag.removeprefix("--"))
        found[key] = BY_FLAG[flag].read(str(text)) if text else None
    return found
