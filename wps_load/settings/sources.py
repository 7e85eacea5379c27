"""Where a setting comes from: what outdoes what, and how to tell an empty value from none.

Locust's parser stands on `configargparse`, whose order this is: a flag outdoes a `LOCUST_*` variable, which outdoes
a config file. A field of the web page that was changed outdoes them all.
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
    """The lower the value, the more it counts."""

    PAGE = 0
    FLAG = 1
    VARIABLE = 2
    FILE = 3
    LOCUSTFILE = 4
    """The `host` of one of wps-load's User classes."""


@dataclass(frozen=True, slots=True)
class Locustfile:
    """What of a locustfile's User classes and shape matters to a run's settings.

    `plays_scenario`: there are users that play `--wps-scenario`, not only tasks. `other_users`: there are User classes
    that are not of this package, such as HttpUser. `shape`: the name of its own LoadTestShape, which then sets the
    number of users. `hosts`: class and `host` of wps-load's User classes that have one. `classes`: those of
    ours that have tasks of their own.
    """

    plays_scenario: bool = True
    other_users: bool = False
    shape: str | None = None
    hosts: tuple[tuple[str, str], ...] = ()
    classes: tuple[TaskClass, ...] = ()


Settings = Mapping[str, Mapping[str, tuple[Any, Any]]]
"""What `configargparse`'s `get_source_to_settings_dict` answers: action and value by source and key."""

_VARIABLES, _FILE = "environment_variables", "config_file"
_KEY = re.compile(r"(?:--)?(?P<key>[^:=;#\s]+)")


def levels(settings: Settings, argv: Sequence[str], flags: Mapping[str, str]) -> dict[str, SourceLevel]:
    """Where each option comes from, by dest; what is not set anywhere is not in it.

    `flags`: dest by flag (`--wps-rate`). argparse accepts the beginning of a flag too, and refuses what two begin with.
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
    """What looks like an option in front of an argument and is not one; argparse accepts the beginning of one too."""
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
    """Keys that a config file has twice: `configargparse` takes the last one without a word.

    TOML files have none: their grammar refuses them.
    """
    for source in settings:
        kind, _, path = source.partition("|")
        if kind != _FILE or path.endswith(".toml"):
            continue
        try:
            with open(path, encoding="utf-8") as file:
                lines = file.read().splitlines()
        except (OSError, UnicodeDecodeError):
            continue  # it has been read a moment ago; Locust tells what it thinks of it
        for key, numbers in _keys(lines).items():
            if len(numbers) > 1:
                where = ", ".join(map(str, numbers))
                yield Fault(path, None, f"{key} stands in lines {where}: leave one of them")


def _keys(lines: Sequence[str]) -> dict[str, list[int]]:
    """The lines of each key, in the grammar of `configargparse`'s own files."""
    found: dict[str, list[int]] = {}
    for number, line in enumerate(lines, 1):
        text = line.strip()
        if not text or text[0] in "#;[" or text.startswith("---"):
            continue
        if match := _KEY.match(text):
            found.setdefault(match["key"], []).append(number)
    return found
