"""`wps-load plan`: what a run will do and cost, without connecting."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Sequence

from wps_load.capacity.forecast import forecast
from wps_load.capacity.mix_forecast import PopulationForecast
from wps_load.capacity.prices import read_prices
from wps_load.capacity.sizing import bought
from wps_load.capacity.units import Guide, Load, load_guide
from wps_load.commands import mix_plan, plan_text, ready, units_text
from wps_load.commands.parsing import parse_run, run_parser, take_locust_options
from wps_load.commands.run import as_settings
from wps_load.commands.sample import Sample
from wps_load.errors import ConfigError, ExitCode, Fault
from wps_load.settings.run_config import RunConfig

MEASURE_S = 1.0
"""How long this machine is measured: batches of 0.5 ms, whose median is stable to a few percent."""

_EXAMPLE = """\
Shows connections, messages, bytes and billed messages; the fewest units that hold the load at 80 % of Azure's published
figures; workers (it measures this machine's speed for a second), open files, ports and time. Nothing connects.
Cost needs --prices, a file of yours with region, date and currency: docs/capacity.md, docs/prices.example.json.

A run's own command line is accepted, also with the name of a scenario, a mix or a FILE.conf in front. For a mix it
shows each population and the sum: a publication belongs to its publisher's population, a delivery to its receiver's.

example:
  wps-load plan small-group -u 1000 --growth 2,5,10 --prices prices.json
  wps-load plan configs/ci.conf --wps-units 2 --check
  wps-load plan chat -u 2000 -t 10m --wps-units 5 --check
"""


def run(argv: Sequence[str]) -> int:
    """Prints the plan: 0, or 3 if --check was given and the units do not hold the load.

    Raises ConfigError for settings, growth or prices that cannot be read.
    """
    parser = run_parser("plan", "Says what a run will do and cost, without connecting.", _EXAMPLE)
    parser.add_argument(
        "--growth", default="", metavar="N,N", help="also units and cost for N times the connections: 2,5,10"
    )
    parser.add_argument("--prices", default=None, metavar="FILE", help="prices, as docs/capacity.md describes")
    parser.add_argument(
        "--check",
        action="store_true",
        help="exit with 3 if the units of --wps-units or --wps-tier do not hold it",
    )
    take_locust_options(parser)
    parser.usage = "wps-load plan [SCENARIO or FILE.conf] [options]"
    arguments, config = parse_run(parser, as_settings(argv, os.environ, ready.configs()), users=1)
    if arguments.check and config.units is None and config.tier is None:
        raise ConfigError([Fault("--check", None, "--wps-units or --wps-tier, which must hold the load")])
    guide = load_guide()
    growth = units_text.read_growth(arguments.growth)
    prices = None if arguments.prices is None else read_prices(arguments.prices, guide.tiers)
    if config.mix is None:
        sample = Sample(config.population)
        future = forecast(config, sample.sizes())
        costs = sample.costs(MEASURE_S) if config.population.scenario_row.publishes else None
        populations: Sequence[PopulationForecast] = ()
        grow: Callable[[float], Load] | None = None
    else:
        found = mix_plan.samples(config)
        mixed = mix_plan.planned(config, found)
        future, populations = mixed.whole, mixed.populations
        costs = mix_plan.costs(config, found, MEASURE_S)
        grow = mix_plan.growing(config, found)
    text = plan_text.lines(config, future, guide, costs, growth, prices, populations, grow)
    sys.stdout.write("\n".join(text) + "\n")
    return ExitCode.SLO_FAILED if arguments.check and not _held(config, future.peak, guide) else ExitCode.PASSED


def _held(config: RunConfig, load: Load, guide: Guide) -> bool:
    """Whether the bought units hold `load`; nothing holds an unknown load."""
    size = bought(plan_text.scenario_of(config), load, guide, units=config.units, sku=config.tier)
    known = load.outbound_per_s is not None or not plan_text.publishes(config)
    return size is not None and size.holds and known
