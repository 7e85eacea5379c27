"""`wps-load compare`: whether runs got worse."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path

from wps_load.commands.parsing import plain_parser
from wps_load.errors import ConfigError, ExitCode, Fault
from wps_load.report import compare_junit, compare_markdown
from wps_load.report.atomic import put
from wps_load.report.compare import Comparison, compare
from wps_load.report.figures import Floors
from wps_load.report.latest import latest
from wps_load.report.run_folder import PastRun, load_run
from wps_load.workload.values import number, whole

_EXAMPLE = """\
Compares two runs, BASE NEW, or several runs per side, which shows how much equal runs differ: put `--` between the
sides, or use --base and --new. A run is its folder, or a summary.json (then there are no figures by second).
--last N FOLDER compares the folder's newest run with up to N runs before it that had the same settings.
Runs with different settings are refused. Exit code 0: no regression, or no earlier run; 5: a figure got worse, beyond
both the tolerance and its 99 % confidence interval; 2: the runs cannot be compared.

example:
  wps-load compare reports/main reports/branch
  wps-load compare reports/main-* -- reports/branch-*
  wps-load compare --last 5 reports --junit compare.xml
  wps-load compare --base reports/main-* --new reports/branch-* --tolerance 10% --json
"""
_SIDES = "give BASE NEW, or several on each side: BASE... -- NEW..., or --base A B --new C D"


def run(argv: Sequence[str]) -> int:
    """Prints the comparison as Markdown or JSON: 0, or 5 for a regression.

    Raises BrokenRun, NotComparable, ConfigError.
    """
    parser = plain_parser("compare", "Compares finished runs, with statistics.", _EXAMPLE)
    parser.add_argument("runs", nargs="*", metavar="RUN", help="base, then new")
    parser.add_argument("--base", nargs="+", default=[], metavar="RUN", help="runs of the base side")
    parser.add_argument("--new", nargs="+", default=[], metavar="RUN", help="runs of the new side")
    parser.add_argument("--last", metavar="N", help="compare the newest run of a folder with the last N like it")
    parser.add_argument("--tolerance", default="5%", metavar="SHARE", help="smaller changes do not count (default 5%%)")
    parser.add_argument("--junit", metavar="FILE", help="also write a JUnit file in which a regression is a failure")
    parser.add_argument("--json", action="store_true", help="print JSON instead of Markdown")
    before, behind = _split(argv)
    arguments = parser.parse_args(before)
    if arguments.last is not None:
        base, new = _latest(arguments.last, [*arguments.runs, *arguments.base, *arguments.new, *(behind or ())])
        if not base:
            sys.stdout.write(
                f"{Path(new[0]).name} is the first run with its settings: there is nothing to compare it with yet.\n"
            )
            _keep(arguments.junit, None)
            return int(ExitCode.PASSED)
    else:
        base, new = _sides(arguments.runs, arguments.base, arguments.new, behind)
    floors = Floors(relative=_tolerance(arguments.tolerance))
    result = compare(_load(base), _load(new), floors=floors)
    text = json.dumps(result.to_json(), indent=2) + "\n" if arguments.json else compare_markdown.render(result)
    sys.stdout.write(text)
    _keep(arguments.junit, result)
    return result.exit_code


def _keep(path: str | None, result: Comparison | None) -> None:
    """Writes junit.xml, if it was requested. Raises ConfigError."""
    if path is None:
        return
    try:
        put(Path(path), [compare_junit.render(result)])
    except OSError as error:
        raise ConfigError([Fault("--junit", path, f"a file that can be written: {error.strerror}")]) from None


def _latest(count: str, folders: list[str]) -> tuple[list[str], list[str]]:
    """The newest run of the folder, and earlier runs like it. Raises ConfigError, BrokenRun."""
    try:
        most = whole(count)
    except ValueError as error:
        raise ConfigError([Fault("--last", count, str(error))]) from None
    if len(folders) != 1:
        raise ConfigError([Fault("--last", None, "one folder of runs, such as reports")])
    like = latest(Path(folders[0]), most)
    return [str(path) for path in like.before], [str(like.newest)]


def _split(argv: Sequence[str]) -> tuple[list[str], list[str] | None]:
    """The arguments before and after `--`, which argparse would drop."""
    if "--" not in argv:
        return list(argv), None
    at = list(argv).index("--")
    return list(argv[:at]), list(argv[at + 1 :])


def _sides(runs: list[str], base: list[str], new: list[str], behind: list[str] | None) -> tuple[list[str], list[str]]:
    if base or new:
        if not runs and not behind and base and new:
            return base, new
    elif behind is not None:
        if runs and behind:
            return runs, behind
    elif len(runs) == 2:
        return runs[:1], runs[1:]
    raise ConfigError([Fault("RUN", None, f"which runs are to be compared with which? {_SIDES}")])


def _tolerance(text: str) -> float:
    try:
        value = float(number(text.strip().removesuffix("%"))) / (100 if text.strip().endswith("%") else 1)
    except ValueError:
        value = -1.0
    if not 0 <= value <= 1:
        raise ConfigError([Fault("--tolerance", text, "a share from 0% to 100%, such as 5%")])
    return value


def _load(paths: Sequence[str]) -> list[PastRun]:
    return [load_run(Path(path)) for path in paths]
