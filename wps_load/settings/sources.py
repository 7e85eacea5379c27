"""Where a setting comes from: what overrides what, and how an empty value differs from none.

Locust's parser is built on `configargparse`, which gives the order: a flag overrides a `LOCUST_*` variable, which
overrides a config file. A field that was changed on the web page overrides them all.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import IntEnum
from itertools import pairwise
from typing import Any

from wps_load.errors import Fault
from wps_load.settings.classes import TaskClass


class SourceLevel(IntEnum):
    """The precedence of a source: the lowest value wins."""

    PAGE = 0
    FLAG = 1
    VARIABLE = 2
    FILE = 3
    LOCUSTFILE = 4
    """The `host` of one of wps-load's User classes."""


@dataclass(frozen=True, slots=True)
class Locustfile:
    """The part of a locustfile's User classes and shape that matters to a run's settings.

    `plays_scenario`: there are users that play `--wps-scenario`, not only tasks. `other_users`: there are User classes
    that are not from this package, such as HttpUser. `shape`: the name of its own LoadTestShape, which then sets the
    number of users. `hosts`: class and `host` of each wps-load User class that has one. `classes`: those of our classes
    that have tasks of their own.
    """

    plays_scenario: bool = True
    other_users: bool = False
    shape: str | None = None
    hosts: tuple[tuple[str, str], ...] = ()
    classes: tuple[TaskClass, ...] = ()


Settings = Mapping[str, Mapping[str, tuple[Any, Any]]]
"""The result of `configargparse`'s `get_source_to_settings_dict`: action and value by source and key."""

_VARIABLES, _FILE = "environment_variables", "config_file"
_KEY = re.compile(r"(?:--)?(?P<key>[^:=;#\s]+)")


def levels(settings: Settings, argv: Sequence[str], flags: Mapping[str, str]) -> dict[str, SourceLevel]:
    """The source of each option that is set, by dest.

    `flags`: dest by flag (`--wps-rate`). argparse also accepts a flag's unambiguous prefix.
    """
    found: dict[str, SourceLevel] = {}
    for source, entries in settings.items():
        level = {_VARIABLES: SourceLevel.VARIABLE, _FILE: SourceLevel.FILE}.get(source.partition("|")[0])
        if level is not None:
            found |= {action.dest: level for action, _ in entries.values() if action is not None}
    for argument in argv:
        if argument == "--":
            break
        found |= dict.fromkeys(_named(argument.partition("=")[0], flags), SourceLevel.FLAG)
    return found


def _named(text: str, flags: Mapping[str, str]) -> Iterator[str]:
    if text in flags:
        yield flags[text]
    elif text.startswith("--") and len(text) > 2:
        yield from (dest for flag, dest in flags.items() if flag.startswith(text))
    elif text.startswith("-") and text[:2] in flags:  # -Hhttps://...
        yield flags[text[:2]]


def stranger_before(text: str, argv: Sequence[str], flags: Sequence[str]) -> str | None:
    """An unknown option in front of an argument, if there is one; argparse also accepts the prefix of a known one."""
    for before, argument in pairwise(argv):
        looks = before.startswith("--") and "=" not in before
        if argument == text and looks and not any(flag.startswith(before) for flag in flags):
            return before
    return None


def given_as(flag: str, env_var: str, level: SourceLevel) -> str:
    """An option as the user has written it: the flag, the variable, or the file's key."""
    if level is SourceLevel.VARIABLE:
        return env_var
    return f"{flag.removeprefix('--')} in a config file" if level is SourceLevel.FILE else flag


def repeated_keys(settings: Settings) -> Iterator[Fault]:
    """Keys that a config file has twice: `configargparse` silently takes the last one.

    TOML files have none, because their grammar forbids it.
    """
    for source in settings:
        kind, _, path = source.partition("|")
        if kind != _FILE or path.endswith(".toml"):
            continue
        try:
            with open(path, encoding="utf-8") as file:
                lines = file.read().splitlines()
        except (OSError, UnicodeDecodeError):
            continue  # it was readable a moment ago; Locust reports what is wrong
        for key, numbers in _keys(lines).items():
            if len(numbers) > 1:
                where = ", ".join(map(str, numbers))
                yield Fault(path, None, f"{key} is set in lines {where}: keep one of them")


def _keys(lines: Sequence[str]) -> dict[str, list[int]]:
    """The line numbers of each key, in the grammar of `configargparse`'s own files."""
    found: dict[str, list[int]] = {}
    for number, line in enumerate(lines, 1):
        text = line.strip()
        if not text or text[0] in "#;[" or text.startswith("---"):
            continue
        if match := _KEY.match(text):
            found.setdefault(match["key"], []).append(number)
    return found
