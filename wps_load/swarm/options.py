"""Our options in Locust's parser, and Locust's parsed options as a RunConfig."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence
from typing import Any

from wps_load.config import OPTIONS, RunConfig, load
from wps_load.options import Page


class Suggestions(list[str]):
    """Choices that the web form offers in a list, and argparse does not judge: we tell all faults at once."""

    def __contains__(self, item: object) -> bool:
        return True


def add_arguments(parser: Any) -> None:
    """For Locust's `init_command_line_parser`, which it fires again for each load of its page."""
    for option in OPTIONS:
        shared: dict[str, Any] = {
            "help": option.argparse_help,
            "env_var": option.env_var,
            "include_in_web_ui": option.on_page is not Page.NEVER,
            "is_secret": option.secret,
        }
        if option.is_switch:
            parser.add_argument(option.flag, action="store_true", default=False, **shared)
        else:
            choices = {"choices": Suggestions(option.choices)} if option.choices else {}
            parser.add_argument(option.flag, default=option.default, metavar="", **choices, **shared)


def read(
    parsed: Mapping[str, Any], *, argv: Sequence[str] | None = None, environ: Mapping[str, str] | None = None
) -> RunConfig:
    """The run of Locust's parsed options (`vars(environment.parsed_options)`). Raises ConfigError."""
    users = parsed.get("num_users")
    run_time = parsed.get("run_time")
    return load(
        parsed,
        users=1 if users is None else users,
        spawn_rate=parsed.get("spawn_rate"),
        run_time_s=float(run_time) if run_time else None,
        environ=os.environ if environ is None else environ,
        sources=sources(sys.argv[1:] if argv is None else argv, os.environ if environ is None else environ),
    )


def sources(argv: Sequence[str], environ: Mapping[str, str]) -> dict[str, str]:
    """Where each option comes from, by `dest`: a flag outdoes a file, which outdoes a variable, as in Locust."""
    flags = {argument.partition("=")[0] for argument in argv if argument.startswith("--")}
    return {
        option.dest: "flag" if option.flag in flags else "environment" if environ.get(option.env_var) else "file"
        for option in OPTIONS
    }
