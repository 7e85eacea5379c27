"""`wps-load doctor`: checks the path to the target before a run."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from itertools import chain
from typing import Any

from wps_load import machine
from wps_load.capacity.units import load_guide
from wps_load.client import checks
from wps_load.client.access import judge_way
from wps_load.client.checks import Check, Level
from wps_load.client.local_addresses import Sources
from wps_load.client.stream import Network
from wps_load.client.ways import ways_checks
from wps_load.clock import NS_PER_S, DeadlineTimer
from wps_load.commands import machine_checks, packages, ready
from wps_load.commands.parsing import parse_run, run_parser
from wps_load.commands.run import as_settings
from wps_load.emulator.process import EmulatorFailed, EmulatorProcess
from wps_load.errors import ConfigError, Fault
from wps_load.plurals import counted
from wps_load.settings.run_config import RunConfig
from wps_load.settings.texts import TIERS
from wps_load.workload.values import whole

_EXAMPLE = """\
Checks the installation (packages, imports), this machine (open files, local ports, processors, timer) and the path to
the target: Client URL and token (who made it, claims, roles for the scenario), name (public or private, aliases), TCP
(how far), TLS (certificate, expiry), health (what answers), clock, upgrade, one echo, and REST if the scenario uses it.
It opens one connection and sends one small message; a REST send goes to that connection only. Without a target it
starts an embedded emulator. For a mix it checks each combination of protocol, hub and credential once.
--machine checks no target: it says how many connections this machine holds, and which limit more of them would hit.

A run's own command line is accepted, also with the name of a scenario, a mix or a FILE.conf in front.
Exit code 0: passed, perhaps with warnings; 1: a check failed; 2: usage.

examples:
  wps-load doctor chat
  wps-load doctor --machine --processes -1
  wps-load doctor --config configs/broadcast.conf --users 1000 --processes 2
"""


def run(argv: Sequence[str]) -> int:
    """Prints each check as it is done: 0, or 1 if one failed. Raises ConfigError."""
    parser = run_parser("doctor", "Checks the path to the target before a run.", _EXAMPLE)
    parser.add_argument(
        "--processes",
        env_var="LOCUST_PROCESSES",
        default="1",
        metavar="N",
        help="workers on this machine, as for locust (-1: one for each processor)",
    )
    parser.add_argument(
        "--machine",
        action="store_true",
        help="only this installation, and how many connections this machine holds; no target",
    )
    parser.add_argument("--json", action="store_true", help="print one JSON document instead of lines")
    parser.usage = "wps-load doctor [SCENARIO or FILE.conf] [options]"
    arguments, config = parse_run(parser, as_settings(argv, os.environ, ready.configs()))
    processes = _processes(arguments.processes)
    if arguments.machine:
        Sources(config.bind or ()).judge()
        alone = chain(packages.checks(), machine_checks.checks_of(config, processes))
        return _print(config, alone, "this machine", as_json=arguments.json)
    network = Network.create(
        ca_file=config.ca_file,
        insecure=config.insecure,
        environ=os.environ,
        connect_host=config.connect_host,
        bind=config.bind or (),
    )
    judge_way(config, network)
    emulator = _emulator(config)
    try:
        if emulator is not None:
            config = config.with_emulator(emulator.connection_string)
        found = _all(config, network, processes, on_emulator=emulator is not None)
        return _print(config, found, config.target.describe(), as_json=arguments.json)
    finally:
        if emulator is not None:
            emulator.stop()


def _print(config: RunConfig, found: Iterator[Check], target: str, *, as_json: bool) -> int:
    """Prints each check as it is done, or all as one document; returns the exit code."""
    scenario = config.mix or config.population.scenario
    what = f"{scenario} over {config.protocols}"
    if as_json:
        done = list(found)
        rows = [{key: str(value) for key, value in asdict(check).items()} for check in done]
        code = int(checks.exit_code(done))
        document = {"target": target, "scenario": scenario, "exit_code": code, "checks": rows}
        sys.stdout.write(json.dumps(document, indent=2) + "\n")
        return code
    sys.stdout.write(f"Target: {target}, {what}\n")
    done, way = [], ""
    for check in found:
        if check.way != way:
            sys.stdout.write(f"{check.way or 'All of them'}:\n")
            way = check.way
        sys.stdout.write(_line(check))
        sys.stdout.flush()
        done.append(check)
    sys.stdout.write(_last_line(done))
    return checks.exit_code(done)


def _installed(config: RunConfig, processes: int, *, on_emulator: bool) -> Iterator[Check]:
    yield from packages.checks()
    yield checks.open_files(machine.hard_open_files(), config.peak_users, processes)
    yield checks.processors(machine.cpu_count(), processes, machine.load_average(), emulator=on_emulator)
    yield checks.precise_timer(DeadlineTimer.available())


def _ports(config: RunConfig, addresses: int) -> Check:
    sources = max(1, len(config.bind or ()))
    return checks.local_ports(machine.port_range(), config.peak_users, addresses * sources, _reopened_per_s(config))


def _bought(config: RunConfig) -> Iterator[Check]:
    """Units and tier, if they are given: a hint of what the target can hold."""
    if config.units is None and config.tier is None:
        return
    tier, units = load_guide().tiers[config.tier or TIERS["standard"]], config.units or 1
    room, users = tier.connections_per_unit * units, config.peak_users
    found = f"{tier.sku}, {counted(units, 'unit')}: {room:,} connections"
    if users is not None and users > room:
        yield Check("units", Level.WARN, f"{found}, but {users:,} are requested", "add units, or use fewer users")
    else:
        yield Check("units", Level.PASS, found)


def _say(kind: str, sentence: str) -> None:
    sys.stderr.write(f"{sentence}\n")
    sys.stderr.flush()


def _all(config: RunConfig, network: Network, processes: int, *, on_emulator: bool) -> Iterator[Check]:
    yield from _installed(config, processes, on_emulator=on_emulator)
    addresses = [1]
    yield from ways_checks(config, network, _say, addresses.append)
    yield from _bought(config)
    yield _ports(config, addresses[-1])


def _reopened_per_s(config: RunConfig) -> float:
    """Connections that a run closes itself, per second."""
    if config.peak_users is None:
        return 0.0
    counts = config.mixture(config.peak_users).counts
    return sum(
        count * NS_PER_S / each.lifetime_ns
        for each, count in zip(config.populations, counts, strict=True)
        if each.lifetime_ns
    )


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
