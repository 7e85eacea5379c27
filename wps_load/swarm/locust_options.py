"""Our options in Locust's parser, and a RunConfig from Locust's parsed options."""

from __future__ import annotations

import os
import sys
from argparse import ArgumentTypeError
from collections.abc import Iterator, Mapping, Sequence
from difflib import get_close_matches
from typing import Any

from wps_load.auth import redact
from wps_load.errors import Fault
from wps_load.settings.load import load
from wps_load.settings.options import OPTIONS, OptionValues, PageAccess
from wps_load.settings.run_config import RunConfig
from wps_load.settings.sources import Locustfile, Settings, SourceLevel, levels, repeated_keys, stranger_before
from wps_load.settings.target import HOST
from wps_load.swarm.locust_seam import judge_types, settings_of


class Suggestions(list[str]):
    """Choices that the web form offers in a list but argparse does not judge: we report all faults at once."""

    def __contains__(self, item: object) -> bool:
        return True


def _user_class(text: str) -> str:
    """A positional argument: the name of a User class.

    For any other word Locust itself ends with 1, the code of failed requests. Usually that is the second word of a
    value, or the value of an option that does not exist; argparse reads it before it reports the option.
    """
    from locust import User  # importing Locust patches the process, which tests of options must not do

    if text not in {cls.__name__ for cls in _subclasses(User) if not cls.__dict__.get("abstract")}:
        flags = _flags_of_all()
        if stranger := stranger_before(text, sys.argv[1:], flags):
            _parsers[0].error(_no_option(stranger, flags))
        raise ArgumentTypeError(f"{text!r} is not a User class of the locustfile; a value with a space needs quotes")
    return text


def _flags_of_all() -> list[str]:
    return [flag for parser in _parsers for action in parser._actions for flag in action.option_strings]


def _no_option(stranger: str, flags: Sequence[str]) -> str:
    near = get_close_matches(stranger, flags, 1)
    meant = f"did you mean {near[0]}? " if near else ""
    return f"{stranger} is not an option: {meant}`wps-load options` and `locust --help` list them"


def _subclasses(base: Any) -> Iterator[Any]:
    for cls in base.__subclasses__():
        yield cls
        yield from _subclasses(cls)


def _processes(text: str) -> int:
    """Reads `--processes` as Locust does, before Locust forks."""
    if not text.strip().removeprefix("-").isdecimal() or not (int(text) == -1 or int(text) >= 1):
        raise ArgumentTypeError(f"{text!r} is neither at least 1 nor -1 (one for each processor)")
    return int(text)


_STRICTER = {"user_classes": _user_class, "processes": _processes}
"""Locust's own options whose wrong values it refuses with another exit code, or not at all."""


def add_arguments(parser: Any) -> None:
    """For Locust's `init_command_line_parser`, which fires again for each load of its page."""
    if not _parsers:
        _parsers.append(parser)
    complain = parser.error
    parser.error = lambda message: complain(redact(message))  # an unknown option may contain a key
    judge_types(parser, _STRICTER)
    for option in OPTIONS:
        shared: dict[str, Any] = {
            "help": option.argparse_help,
            "env_var": option.env_var,
            "include_in_web_ui": option.on_page is not PageAccess.NEVER,
            "is_secret": option.secret,
        }
        if option.is_switch:
            parser.add_argument(option.flag, action="store_true", default=False, **shared)
        else:
            choices = {"choices": Suggestions(option.choices)} if option.choices else {}
            parser.add_argument(option.flag, default=option.default, metavar="", **choices, **shared)


def read(
    parsed: OptionValues,
    *,
    sources: Mapping[str, SourceLevel] | None = None,
    environ: Mapping[str, str] | None = None,
    locustfile: Locustfile | None = None,
    judged: bool = False,
    mix: tuple[str, str] | None = None,
) -> RunConfig:
    """The run that Locust's parsed options describe (`vars(environment.parsed_options)`). Raises ConfigError.

    `sources`: None means those of this process's own command line. `judged`: whether the master that sent it has judged
    it. `mix`: the master's, as path and content.
    """
    users, run_time = parsed.get("num_users"), parsed.get("run_time")
    shaped = locustfile is not None and locustfile.shape is not None
    return load(
        parsed,
        users=users,
        users_if_unset=None if shaped or judged else 1,
        spawn_rate=parsed.get("spawn_rate"),
        run_time_s=None if run_time is None else float(run_time),
        environ=os.environ if environ is None else environ,
        sources=own_sources() if sources is None else sources,
        locustfile=locustfile,
        judged=judged,
        mix=mix,
    )


def own_sources(argv: Sequence[str] | None = None) -> dict[str, SourceLevel]:
    """The source of each of this process's options, by dest."""
    return levels(_settings(), sys.argv[1:] if argv is None else argv, _FLAGS)


def repeated() -> list[Fault]:
    """Keys that a config file of this process has twice."""
    return list(repeated_keys(_settings()))


def unsupported(parsed: Any) -> list[Fault]:
    """Locust's options that do not work with connections that stay."""
    if not getattr(parsed, "enable_rebalancing", False):
        return []
    why = "rebalancing closes connections and opens them on other workers in the middle of a run: leave it out"
    return [Fault("--enable-rebalancing", None, why)]


def _settings() -> Settings:
    """The settings of the parser that read the command line: the first one, because Locust's page makes more."""
    return settings_of(_parsers[0]) if _parsers else {}


_parsers: list[Any] = []
_FLAGS = {option.flag: option.dest for option in OPTIONS} | {"--host": HOST, "-H": HOST}
