"""Our options in Locust's parser, and Locust's parsed options as a RunConfig."""

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
    """Choices that the web form offers in a list, and argparse does not judge: we tell all faults at once."""

    def __contains__(self, item: object) -> bool:
        return True


def _user_class(text: str) -> str:
    """A positional argument: the name of a User class.

    Locust itself ends with 1, the code of failed requests, for any other word. Mostly that is the second word of a
    value, or the value of an option that does not exist; argparse reads it before it reports the option.
    """
    from locust import User  # importing Locust patches the process, which tests of options must not do

    if text not in {cls.__name__ for cls in _subclasses(User) if not cls.__dict__.get("abstract")}:
        flags = _flags_of_all()
        if stranger := stranger_before(text, sys.argv[1:], flags):
            _parsers[0].error(_no_option(stranger, flags))
        raise ArgumentTypeError(f"{text!r} is no User class of the locustfile; a value with a blank needs quotes")
    return text


def _flags_of_all() -> list[str]:
    return [flag for parser in _parsers for action in parser._actions for flag in action.option_strings]


def _no_option(stranger: str, flags: Sequence[str]) -> str:
    near = get_close_matches(stranger, flags, 1)
    meant = f"did you mean {near[0]}? " if near else ""
    return f"{stranger} is no option: {meant}`wps-load options` and `locust --help` list them"


def _subclasses(base: Any) -> Iterator[Any]:
    for cls in base.__subclasses__():
        yield cls
        yield from _subclasses(cls)


def _processes(text: str) -> int:
    """As Locust reads it, before it forks."""
    if not text.strip().removeprefix("-").isdecimal() or not (int(text) == -1 or int(text) >= 1):
        raise ArgumentTypeError(f"{text!r} is not at least 1, nor -1 for one of each processor")
    return int(text)


_STRICTER = {"user_classes": _user_class, "processes": _processes}
"""Options of Locust's own whose wrong values it refuses with another exit code, or not at all."""


def add_arguments(parser: Any) -> None:
    """For Locust's `init_command_line_parser`, which it fires again for each load of its page."""
    if not _parsers:
        _parsers.append(parser)
    complain = parser.error
    parser.error = lambda message: complain(redact(message))  # what is no option of anybody's may hold a key
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
) -> RunConfig:
    """The run of Locust's parsed options (`vars(environment.parsed_options)`). Raises ConfigError.

    `sources`: those of this process's own command line if None. `judged`: by the master that sent it.
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
    )


def own_sources(argv: Sequence[str] | None = None) -> dict[str, SourceLevel]:
    """Where this process's options come from, by dest."""
    return levels(_settings(), sys.argv[1:] if argv is None else argv, _FLAGS)


def repeated() -> list[Fault]:
    """Keys that a config file of this process has twice."""
    return list(repeated_keys(_settings()))


def unsupported(parsed: Any) -> list[Fault]:
    """Options of Locust's that cannot be together with connections that stay."""
    if not getattr(parsed, "enable_rebalancing", False):
        return []
    why = "rebalancing closes connections and opens them on other workers in the middle of a run: leave it out"
    return [Fault("--enable-rebalancing", None, why)]


def _settings() -> Settings:
    """Of the parser that Locust has parsed its command line with: the first one; its page makes more."""
    return settings_of(_parsers[0]) if _parsers else {}


_parsers: list[Any] = []
_FLAGS = {option.flag: option.dest for option in OPTIONS} | {"--host": HOST, "-H": HOST}
