"""`wps-load doctor`: checks the way to the target before a run."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Sequence
from typing import Any

from wps_load.client import checks
from wps_load.client.access import judge_way
from wps_load.client.checks import Check, Level
from wps_load.client.stream import Network
from wps_load.client.way import Way
from wps_load.clock import NS_PER_S, DeadlineTimer
from wps_load.commands import machine, packages
from wps_load.commands.parsing import parse_run, run_parser
from wps_load.emulator.process import EmulatorFailed, EmulatorProcess
from wps_load.errors import ConfigError, Fault
from wps_load.settings.run_config import RunConfig
from wps_load.workload.values import whole

_EXAMPLE = """\
This installation: packages, imports. This machine: open files, local ports, processors, timer. The way: Client URL and
token (claims, roles for the scenario), name, TCP, TLS (certificate, expiry), clock, upgrade, one echo, REST where the
scenario sends by it.
One connection, one small message; a REST send goes to that connection only. Without a target: an embedded emulator.
Exit code 0: passed, perhaps with warnings; 1: a check failed; 2: usage.

example:
  wps-load doctor --config configs/broadcast.conf --users 1000 --processes 2
"""


def run(argv: Sequence[str]) -> int:
    """Prints each check as it is done: 0, or 1 if one failed. Raises ConfigError."""
    parser = run_parser("doctor", "Checks the way to the target before a run.", _EXAMPLE)
    parser.add_argument(
        "--processes",
        env_var="LOCUST_PROCESSES",
        default="1",
        metavar="N",
        help="workers on this machine, as for locust (-1: one for each processor)",
    )
    arguments, config = parse_run(parser, argv)
    processes = _processes(arguments.processes)
    network = Network.create(
        ca_file=config.ca_file, insecure=config.insecure, environ=os.environ, connect_host=config.connect_host
    )
    judge_way(config, network)
    emulator = _emulator(config)
    try:
        if emulator is not None:
            config = config.with_emulator(emulator.connection_string)
        sys.stdout.write(
            f"Target: {config.target.describe()}, {config.population.scenario} over {config.population.protocol}\n"
        )
        done = []
        for check in _all(config, network, processes, on_emulator=emulator is not None):
            sys.stdout.write(_line(check))
            sys.stdout.flush()
            done.append(check)
    finally:
        if emulator is not None:
            emulator.stop()
    sys.stdout.write(_last_line(done))
    return checks.exit_code(done)


def _all(config: RunConfig, network: Network, processes: int, *, on_emulator: bool) -> Iterator[Check]:
    users = config.peak_users
    yield from packages.checks()
    yield checks.open_files(machine.hard_open_files(), users, processes)
    yield checks.processors(machine.cpu_count(), processes, machine.load_average(), emulator=on_emulator)
    yield checks.precise_timer(DeadlineTimer.available())
    way = Way(config, network, config.run_time_s)
    yield from way.checks()
    yield checks.local_ports(machine.port_range(), users, way.addresses, _reopened_per_s(config))


def _reopened_per_s(config: RunConfig) -> float:
    """Connections that a run itself closes a second."""
    if not config.population.lifetime_ns:
        return 0.0
    return (config.peak_users or 0) * NS_PER_S / config.population.lifetime_ns


def _emulator(config: RunConfig) -> EmulatorProcess | None:
    if not config.target.is_emulator:
        return None
    try:
        return EmulatorProcess.start(faults=config.emulator_faults, units=config.emulator_units)
    except EmulatorFailed as error:
        raise ConfigError([Fault("no target is given, and the embedded emulator", None, str(error))]) from None


def _processes(text: Any) -> int:
    if str(text).strip() == "-1":
        return machine.cpu_count()
    try:
        return whole(str(text))
    except ValueError:
        raise ConfigError([Fault("--processes", str(text), "a number of at least 1, or -1")]) from None


def _line(check: Check) -> str:
    text = f"  {check.level.value:<4}  {check.name:<12} {check.found}\n"
    return text + (f"{'':8}{'':12} -> {check.advice}\n" if check.advice else "")


def _last_line(done: Sequence[Check]) -> str:
    count = {level: sum(check.level is level for check in done) for level in Level}
    return f"{count[Level.PASS]} passed, {count[Level.WARN]} warned, {count[Level.FAIL]} failed.\n"
