"""`wps-load plan`: what a run will do and cost, without connecting."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from wps_load.capacity.forecast import forecast
from wps_load.capacity.prices import read_prices
from wps_load.capacity.units import load_guide
from wps_load.commands import plan_text, units_text
from wps_load.commands.parsing import parse_run, run_parser
from wps_load.commands.sample import Sample
from wps_load.errors import ExitCode

MEASURE_S = 1.0
"""How long this machine is measured: batches of 0.5 ms, of which the median is stable to some percent."""

_EXAMPLE = """\
Connections, messages, bytes and billed messages; the fewest units that hold the load at 80 % of Azure's published
figures; workers (this machine's speed is measured for a second), open files, ports and time. Nothing connects.
Cost only from --prices, a file of yours with region, date and currency: docs/capacity.md, docs/prices.example.json.

example:
  wps-load plan --config configs/small-group.conf --users 1000 --growth 2,5,10 --prices prices.json
"""


def run(argv: Sequence[str]) -> int:
    """Prints the plan: 0. Raises ConfigError for settings, growth or prices that cannot be read."""
    parser = run_parser("plan", "Says what a run will do and cost, without connecting.", _EXAMPLE)
    parser.add_argument(
        "--growth", default="", metavar="N,N", help="units and cost for N times the connections too: 2,5,10"
    )
    parser.add_argument("--prices", default=None, metavar="FILE", help="prices, as docs/capacity.md describes")
    arguments, config = parse_run(parser, argv, users=1)
    guide = load_guide()
    growth = units_text.read_growth(arguments.growth)
    prices = None if arguments.prices is None else read_prices(arguments.prices, guide.tiers)
    sample = Sample(config)
    future = forecast(config, sample.sizes())
    costs = sample.costs(MEASURE_S) if config.population.scenario_row.publishes else None
    sys.stdout.write("\n".join(plan_text.lines(config, future, guide, costs, growth, prices)) + "\n")
    return ExitCode.PASSED
