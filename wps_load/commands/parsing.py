"""Argument parsers of the commands, and a run's settings read from flags, files and variables as Locust does.

Locust itself is not imported: that would patch the process. `configargparse`, on which its own parser is built, reads
the same files (`~/.locust.conf`, `locust.conf`, `pyproject.toml`, `--config`) and the same precedence.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Mapping, Sequence
from typing import Any, NoReturn

import configargparse

from wps_load.auth import redact
from wps_load.clock import NS_PER_S
from wps_load.errors import ConfigError, ExitCode, Fault
from wps_load.settings.load import load
from wps_load.settings.options import BY_FLAG, OPTIONS
from wps_load.settings.overrides import without_overridden
from wps_load.settings.run_config import RunConfig
from wps_load.settings.sources import levels, repeated_keys
from wps_load.settings.target import HOST
from wps_load.workload.values import duration_ns, number, whole

CONFIG_FILES = ("~/.locust.conf", "locust.conf", "pyproject.toml")

_LOCUST_OPTIONS = (
    ("-u", "--users", "LOCUST_USERS", "N", "connections, as for locust"),
    ("-r", "--spawn-rate", "LOCUST_SPAWN_RATE", "N", "new connections per second, as for locust"),
    ("-t", "--run-time", "LOCUST_RUN_TIME", "TIME", "how long the run lasts: 300s, 20m, 1h30m"),
    ("-H", "--host", "LOCUST_HOST", "URL", "as for locust: a Client URL with its token, or the target's endpoint"),
)
_LOCUST_VALUES = (
    ("-f", "--locustfile"), ("--processes",), ("--csv",), ("--html",), ("--json-file",), ("--logfile",),
    ("-L", "--loglevel"), ("--web-host",), ("-P", "--web-port"), ("--expect-workers",), ("-s", "--stop-timeout"),
)  # fmt: skip
_LOCUST_SWITCHES = (
    ("--headless",), ("--headful",), ("--web",), ("--only-summary",), ("--autostart",), ("--master",), ("--skip-log",),
)  # fmt: skip
_KNOWN_KEYS = frozenset({"users", "spawn-rate", "run-time", "host", "processes"})
_FLAGS = {option.flag: option.dest for option in OPTIONS} | {"--host": HOST, "-H": HOST}


def plain_parser(name: str, description: str, example: str) -> argparse.ArgumentParser:
    """A parser for a command that takes no run's settings."""
    return _Parser(
        prog=f"wps-load {name}",
        description=description,
        epilog=example,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )


def run_parser(name: str, description: str, example: str) -> Any:
    """A parser for a command that takes a run's settings; add its own options, then call `parse_run`."""
    parser = _RunParser(
        prog=f"wps-load {name}",
        usage=f"wps-load {name} [options]",
        description=description,
        epilog=example,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        default_config_files=list(CONFIG_FILES),
        config_file_parser_class=_ConfigFile,
        add_env_var_help=False,
        add_config_file_help=False,
        allow_abbrev=False,
    )
    group = parser.add_argument_group("the run", "As for locust: flags, keys of a config file, or LOCUST_* variables.")
    group.add_argument("--config", is_config_file_arg=True, metavar="FILE", help="a Locust config file")
    for short, flag, variable, metavar, text in _LOCUST_OPTIONS:
        group.add_argument(short, flag, env_var=variable, metavar=metavar, help=text)
    for option in OPTIONS:
        shared = {"env_var": option.env_var, "help": option.argparse_help}
        if option.is_switch:
            group.add_argument(option.flag, action="store_true", default=False, **shared)
        else:
            group.add_argument(option.flag, default=option.default, metavar="", **shared)
    return parser


def take_locust_options(parser: Any) -> None:
    """Accepts Locust's options that do not change what the command says, for a run's own command line."""
    for names in _LOCUST_VALUES:
        parser.add_argument(*names, help=argparse.SUPPRESS)
    for names in _LOCUST_SWITCHES:
        parser.add_argument(*names, action="store_true", help=argparse.SUPPRESS)


def parse_run(
    parser: Any,
    argv: Sequence[str],
    environ: Mapping[str, str] | None = None,
    *,
    users: int | None = None,
) -> tuple[argparse.Namespace, RunConfig]:
    """The command's arguments, and the run that they describe. `users`: the default number; None: unknown.

    Raises ConfigError with every fault; raises SystemExit for arguments that no parser knows.
    """
    environ = os.environ if environ is None else environ
    arguments: argparse.Namespace = parser.parse_args(list(argv), env_vars=environ)
    faults: list[Fault] = list(repeated_keys(parser.get_source_to_settings_dict()))
    found = _Locust(arguments, faults)
    count = found.read("--users", whole)
    spawn_rate = found.read("--spawn-rate", _positive)
    run_time_s = found.read("--run-time", _seconds)
    sources = without_overridden(vars(arguments), levels(parser.get_source_to_settings_dict(), argv, _FLAGS))
    try:
        config = load(
            vars(arguments),
            users=count,
            users_if_unset=users,
            spawn_rate=spawn_rate,
            run_time_s=run_time_s,
            environ=environ,
            sources=sources,
        )
    except ConfigError as error:
        faults += error.faults
    if faults:
        raise ConfigError(faults)
    return arguments, config


class _Locust:
    """Locust's own options, whose texts we read ourselves to report all faults at once."""

    def __init__(self, arguments: argparse.Namespace, faults: list[Fault]) -> None:
        self._values = vars(arguments)
        self._faults = faults

    def read(self, flag: str, parse: Any) -> Any:
        text = self._values[flag.removeprefix("--").replace("-", "_")]
        if text is None or not str(text).strip():
            return None
        try:
            return parse(str(text))
        except ValueError as error:
            self._faults.append(Fault(flag, str(text), str(error)))
            return None


def _positive(text: str) -> float:
    value = float(number(text))
    if value <= 0:
        raise ValueError("a number above zero")
    return value


def _seconds(text: str) -> float:
    """Reads Locust's run time: seconds, or a duration."""
    if text.strip().isdigit():
        return float(whole(text))
    return duration_ns(text) / NS_PER_S


class _OneSentence:
    """Prints faults in one sentence, without possible secrets; argparse would print the whole usage first."""

    prog: str

    def error(self, message: str) -> NoReturn:
        sys.stderr.write(f"{self.prog}: {redact(message)}; see {self.prog} --help\n")
        raise SystemExit(int(ExitCode.USAGE))


class _Parser(_OneSentence, argparse.ArgumentParser):
    pass


class _RunParser(_OneSentence, configargparse.ArgumentParser):  # type: ignore[misc]
    pass


class _ConfigFile(configargparse.ConfigFileParser):  # type: ignore[misc]
    """A Locust config file, of which only the keys of a run's settings are read: the rest belongs to Locust."""

    def parse(self, stream: Any) -> dict[str, Any]:
        toml = stream.name.endswith(".toml")
        parser = configargparse.TomlConfigParser(["tool.locust"]) if toml else _DEFAULT()
        found: dict[str, Any] = parser.parse(stream)
        ours = {key: value for key, value in found.items() if _is_ours(key)}
        for key in ours:
            if key not in _KNOWN_KEYS and f"--{key}" not in BY_FLAG:
                raise configargparse.ConfigFileParserException(f"{stream.name} has an unknown key {key}")
        return ours


_DEFAULT = configargparse.DefaultConfigFileParser


def _is_ours(key: str) -> bool:
    return key in _KNOWN_KEYS or key.startswith("wps")
