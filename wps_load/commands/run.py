"""`wps-load run`: Locust with the packaged locustfile, headless, with a live line."""

from __future__ import annotations

import argparse
import math
import os
import subprocess
import sys
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import configargparse

from wps_load.clock import NS_PER_S
from wps_load.commands import ready
from wps_load.commands.parsing import plain_parser
from wps_load.errors import ConfigError, Fault
from wps_load.workload.stages import CapacityRange, Stages
from wps_load.workload.values import duration_ns

_EXAMPLE = """\
SCENARIO: {names}; or a mix of several: {mixes}.
Each has a ready file, which `wps-load init` writes. FILE.conf is a file of your own. The default is smoke, an echo run
of some 20 s. All other arguments are options of the run: `wps-load options` and `locust --help` list them.

  --web        opens Locust's web page, where Start begins the run, instead of running at once
  --wps-table  prints Locust's tables as well

Without -r all users connect within 10 s, at most 1,000 per second. Exit code: 0 passed, 1 request failures, 2 usage,
3 an SLO failed, 4 the run is invalid, 6 stopped by a signal.

example:
  wps-load run
  wps-load run echo -u 500 -t 60s --wps-rate 2
  wps-load run configs/ci.conf --processes 4
"""
_FIRST = "smoke"
_MIX_USERS, _MIX_TIME = "100", "60s"
_CONNECTED_WITHIN_S = 10.0
_CONNECTING_SHARE = 1 / 3
"""The longest ramp, as a share of the run's time."""
_MOST_CONNECTS_PER_S = 1000


def run(argv: Sequence[str]) -> int:
    """Replaces this process by Locust's program, whose exit code counts. Raises ConfigError for an unknown scenario."""
    if argv and argv[0] in ("-h", "--help"):
        _parser().print_help()
        return 0
    command = [sys.executable, "-m", "wps_load.swarm.program", *arguments(argv, os.environ, ready.configs())]
    sys.stdout.flush()
    if os.name == "nt":  # exec returns to the shell at once there
        return subprocess.call(command)
    os.execv(command[0], command)


def _parser() -> argparse.ArgumentParser:
    names, mixes = ", ".join(ready.configs()), ", ".join(ready.mixes())
    parser = plain_parser(
        "run",
        "Runs a scenario: Locust, with the packaged locustfile.",
        _EXAMPLE.format(names=names, mixes=mixes),
    )
    parser.usage = "wps-load run [SCENARIO or FILE.conf] [options]"
    return parser


@dataclass(frozen=True, slots=True)
class _Asked:
    """What is on the command line and, with less precedence, in variables; None: in neither."""

    locustfile: str | None
    config: str | None
    users: str | None
    spawn_rate: str | None
    run_time: str | None
    scenario: str | None
    mix: str | None
    stages: str | None
    capacity: str | None
    web: bool
    table: bool
    worker: bool
    rest: Sequence[str]


def arguments(argv: Sequence[str], environ: Mapping[str, str], configs: Mapping[str, Path]) -> list[str]:
    """Locust's arguments. `configs`: the ready files by name. Raises ConfigError."""
    named, argv = (argv[0], argv[1:]) if argv and not argv[0].startswith("-") else (None, argv)
    asked = _read(argv, environ)
    if named is not None and asked.config is not None:
        raise ConfigError([Fault("--config", asked.config, f"leave it out: {named} is a config file already")])
    mix = _mix_of(named, asked, configs)
    if mix is not None:
        return [*_of_mix(mix, asked), *asked.rest]
    path = Path(asked.config) if asked.config is not None else _config(named or asked.scenario or _FIRST, configs)
    settings = _settings(path) if named is not None or asked.config is None else {}
    made: list[str] = []
    if asked.locustfile is None:
        made += ["-f", str(_locustfile(settings.get("locustfile"), path))]
    if asked.config is None:
        made += ["--config", str(path)]
    made += _shown(asked)
    if asked.spawn_rate is None and (rate := _spawn_rate(asked, settings)) is not None:
        made += ["--spawn-rate", f"{rate}"]
    return [*made, *asked.rest]


def _shown(asked: _Asked) -> list[str]:
    """How the run is shown: on a page, or in a line; a worker's run is shown by its master."""
    place = ["--headful"] if asked.web else [] if asked.worker else ["--headless"]
    return place if asked.table else [*place, "--only-summary"]


def _mix_of(named: str | None, asked: _Asked, configs: Mapping[str, Path]) -> Path | None:
    """The mix that is named in front, else by its option; None: there is none, or a config file decides."""
    if named is not None:
        return _mix(named, configs)
    return None if asked.mix is None or asked.config is not None else Path(asked.mix)


def _mix(name: str, configs: Mapping[str, Path]) -> Path | None:
    """A ready mix by its name, or a mix file of the user's own; None if it is neither."""
    path = ready.mixes().get(name, Path(name)) if name not in configs else Path(name)
    if path.suffix != ".toml":
        return None
    try:
        content = path.read_text("utf-8-sig")
    except (OSError, UnicodeDecodeError):
        return None
    try:
        return path if "population" in tomllib.loads(content) else None
    except tomllib.TOMLDecodeError:
        return path if "[[population" in content else None  # its faults are reported later


def _of_mix(path: Path, asked: _Asked) -> list[str]:
    """Locust's arguments for a mix."""
    made = ["-f", str(ready.locustfile())] if asked.locustfile is None else []
    return [*made, *_shown(asked), *_load_of_mix(path, asked)]


def _load_of_mix(path: Path, asked: _Asked) -> list[str]:
    """A hundred users, or the file's own numbers, for a minute, unless the command line says otherwise."""
    made: list[str] = []
    if asked.users is None:
        users = _numbers_of(path) or _MIX_USERS
        made += ["--users", users]
        asked = replace(asked, users=users)
    if asked.run_time is None:
        made += ["--run-time", _MIX_TIME]
        asked = replace(asked, run_time=_MIX_TIME)
    if asked.spawn_rate is None and (rate := _spawn_rate(asked, {})) is not None:
        made += ["--spawn-rate", f"{rate}"]
    return [*made, "--wps-mix", str(path)]


def _numbers_of(path: Path) -> str | None:
    """The users of a mix whose populations all have numbers; None: it has shares, or faults that are reported later."""
    try:
        tables = tomllib.loads(path.read_text("utf-8-sig"))["population"]
        return str(sum(int(table["users"]) for table in tables))
    except (OSError, ValueError, KeyError, TypeError):
        return None


def as_settings(argv: Sequence[str], environ: Mapping[str, str], configs: Mapping[str, Path]) -> list[str]:
    """The same command line for a command that reads a run's settings but does not run it.

    What is named in front becomes `--config` or `--wps-mix`, with the spawn rate that the run would have. Raises
    ConfigError.
    """
    named, rest = (argv[0], argv[1:]) if argv and not argv[0].startswith("-") else (None, argv)
    asked = _read(rest, environ)
    mix = _mix_of(named, asked, configs)
    if mix is not None:
        return [*_load_of_mix(mix, asked), *rest]
    if named is None:
        return list(argv)
    path = _config(named, configs)
    rate = None if asked.spawn_rate is not None else _spawn_rate(asked, _settings(path))
    return ["--config", str(path), *([] if rate is None else ["--spawn-rate", str(rate)]), *rest]


_READ = (
    ("-f", "--locustfile"), ("--config",), ("-u", "--users"), ("-r", "--spawn-rate"), ("-t", "--run-time"),
    ("--wps-scenario",), ("--wps-mix",), ("--wps-stages",), ("--wps-capacity",),
)  # fmt: skip


def _read(argv: Sequence[str], environ: Mapping[str, str]) -> _Asked:
    parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False, argument_default=None)
    for names in _READ:
        parser.add_argument(*names, nargs="?")
    for flag in ("--web", "--wps-table", "--worker"):
        parser.add_argument(flag, action="store_true")
    found, _ = parser.parse_known_args(list(argv))

    def given(name: str) -> str | None:
        value = getattr(found, name)
        return value if value is not None else environ.get(f"LOCUST_{name.upper()}") or None

    return _Asked(
        locustfile=given("locustfile"),
        config=found.config,
        users=given("users"),
        spawn_rate=given("spawn_rate"),
        run_time=given("run_time"),
        scenario=given("wps_scenario"),
        mix=given("wps_mix"),
        stages=given("wps_stages"),
        capacity=given("wps_capacity"),
        web=found.web,
        table=found.wps_table or environ.get("LOCUST_WPS_TABLE", "").lower() in ("1", "true", "yes", "on"),
        worker=found.worker,
        rest=[each for each in argv if each != "--web"],
    )


def _config(name: str, configs: Mapping[str, Path]) -> Path:
    """A ready file by its name, or a file of the user's own."""
    if name in configs:
        return configs[name]
    path = Path(name)
    if path.is_file():
        return path
    if path.suffix or len(path.parts) > 1:
        raise ConfigError([Fault("FILE.conf", name, "an existing file; `wps-load init` writes some to start from")])
    near = get_close_matches(name, [*configs, *ready.mixes()], 1)
    meant = f"did you mean {near[0]}? One" if near else "one"
    names = ", ".join([*configs, *ready.mixes()])
    raise ConfigError([Fault("SCENARIO", name, f"{meant} of {names}, or a FILE.conf")])


def _settings(path: Path) -> Mapping[str, Any]:
    """The file's settings; Locust's own parser reports wrong lines. Raises ConfigError."""
    toml = path.suffix == ".toml"
    parser = configargparse.TomlConfigParser(["tool.locust"]) if toml else configargparse.DefaultConfigFileParser()
    try:
        with path.open(encoding="utf-8") as file:
            found: Mapping[str, Any] = parser.parse(file)
    except UnicodeDecodeError:  # Locust's parser would end with a traceback
        raise ConfigError([Fault("FILE.conf", str(path), "a text file in UTF-8")]) from None
    except (OSError, configargparse.ConfigFileParserException):
        return {}
    return found


def _locustfile(named: object, config: Path) -> Path:
    """The locustfile that a user's own config names, if it exists; else the packaged one.

    Locust looks for it in the current folder.
    """
    own = None if named is None or config.is_relative_to(ready.folder() / "configs") else Path(str(named))
    return own if own is not None and own.exists() else ready.locustfile()


def _spawn_rate(asked: _Asked, settings: Mapping[str, Any]) -> int | None:
    """Connections a second that connect everybody soon.

    None if the file's own rate fits its own users, or if a number is wrong, which is reported later.
    """
    changed = asked.users is not None or asked.stages is not None or asked.capacity is not None
    if not changed and "spawn-rate" in settings:
        return None
    try:
        users = _users(asked, settings)
        run_time = asked.run_time or settings.get("run-time")
        run_s = _seconds(str(run_time)) if run_time else math.inf
    except ValueError:
        return None
    return max(1, min(_MOST_CONNECTS_PER_S, math.ceil(users / min(_CONNECTED_WITHIN_S, run_s * _CONNECTING_SHARE))))


def _users(asked: _Asked, settings: Mapping[str, Any]) -> int:
    """The most users that the run reaches."""
    stages, capacity = asked.stages or settings.get("wps-stages"), asked.capacity or settings.get("wps-capacity")
    for plan in (Stages.parse(stages) if stages else None, CapacityRange.parse(capacity) if capacity else None):
        if plan is not None and plan.variable == "users":
            return int(plan.peak)
    return int(asked.users or settings.get("users") or 1)


def _seconds(text: str) -> float:
    seconds = float(text) if text.strip().isdigit() else duration_ns(text) / NS_PER_S
    if seconds <= 0:
        raise ValueError("a time above zero")
    return seconds
