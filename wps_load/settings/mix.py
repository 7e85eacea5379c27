"""`--wps-mix`: a TOML file of populations, read and judged at once. `load` interprets their options.

Each `[[population]]` has a name, a number or share of users, and options that shape a load, as on the command line but
without `--wps-`. The options that it does not set come from the command line.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from fractions import Fraction
from pathlib import PurePath
from typing import Any, Final

from wps_load.errors import Fault
from wps_load.settings.options import BY_FLAG, OPTIONS, Option
from wps_load.workload.mixture import MOST_POPULATIONS
from wps_load.workload.values import Share, duration_ns, positive_duration_ns

NAME: Final = re.compile(r"[a-z][a-z0-9-]*")
NAME_ALLOWED: Final = "a small Latin letter, then small letters, digits and hyphens"
USERS_ALLOWED: Final = "a number of users, or a share of them such as 80%; 0 for REST senders alone"
_OWN_KEYS: Final = ("name", "users", "start", "stop", "listens-to")
_NOBODY: Final = Share(count=0)


@dataclass(frozen=True, slots=True)
class PopulationTable:
    """One `[[population]]`.

    `texts`: the options that it sets, by flag, as a command line would have them; a switch's is True or False.
    """

    name: str
    users: Share
    start_ns: int
    stop_ns: int | None
    listens_to: str | None
    texts: Mapping[str, str | bool]

    def key(self, flag: str) -> str:
        """The file's key for an option."""
        return flag.removeprefix("--wps-")


@dataclass(frozen=True, slots=True)
class Mix:
    """A mix file that was read. `name`: its stem, which also names the runs; `file`: its name for messages."""

    name: str
    file: str
    tables: tuple[PopulationTable, ...]

    def where(self, table: PopulationTable, key: str) -> str:
        """The name of a key in a fault's sentence."""
        return f"{self.file}, population {table.name}, {key}"


def population_options(fields: frozenset[str]) -> tuple[Option, ...]:
    """The options that a population may set. `fields`: of `Population`."""
    return tuple(option for option in OPTIONS if option.field in fields | {"payload_file"} and option.field != "seed")


class _Reader:
    """Reads the tables and collects their faults."""

    def __init__(self, file: str, allowed: Mapping[str, Option]) -> None:
        self._file = file
        self._allowed = allowed
        self.faults: list[Fault] = []

    def fault(self, where: str, key: str, value: object, allowed: str) -> None:
        shown = None if value is None else str(value)
        self.faults.append(Fault(", ".join(filter(None, (self._file, where, key))), shown, allowed))

    def table(self, number: int, values: Mapping[str, Any]) -> PopulationTable:
        name = values.get("name")
        where = f"population {name}" if isinstance(name, str) and name else f"population number {number}"
        if not isinstance(name, str) or not NAME.fullmatch(name):
            self.fault(where, "name", name, NAME_ALLOWED)
            name = str(name or number)
        texts: dict[str, str | bool] = {}
        for key, value in values.items():
            if key in _OWN_KEYS:
                continue
            option = self._allowed.get(key)
            if option is None:
                self.fault(where, key, None, _unknown(key, self._allowed))
            elif (text := self._text(where, key, value, option)) is not None:
                texts[option.flag] = text
        start_ns, stop_ns = self._time(where, values, "start", duration_ns) or 0, None
        if "stop" in values:
            stop_ns = self._time(where, values, "stop", positive_duration_ns)
        if stop_ns is not None and stop_ns <= start_ns:
            self.fault(where, "stop", values["stop"], f"later than its start, {values.get('start', '0s')}")
        listens_to = values.get("listens-to")
        if listens_to is not None and not isinstance(listens_to, str):
            self.fault(where, "listens-to", listens_to, "the name of another population")
            listens_to = None
        return PopulationTable(name, self._users(where, values), start_ns, stop_ns, listens_to, texts)

    def _users(self, where: str, values: Mapping[str, Any]) -> Share:
        if "users" not in values:
            self.fault(where, "users", None, USERS_ALLOWED)
            return _NOBODY
        text = _plain(values["users"])
        if text == "0":
            return _NOBODY
        try:
            return Share.parse(text)
        except ValueError:
            self.fault(where, "users", values["users"], USERS_ALLOWED)
            return _NOBODY

    def _time(self, where: str, values: Mapping[str, Any], key: str, parse: Any) -> int | None:
        if key not in values:
            return None
        try:
            return int(parse(_plain(values[key])))
        except ValueError as error:
            self.fault(where, key, values[key], f"{error}, from the start of the run")
            return None

    def _text(self, where: str, key: str, value: object, option: Option) -> str | bool | None:
        if option.is_switch:
            if isinstance(value, bool):
                return value
            self.fault(where, key, value, "true or false")
            return None
        if isinstance(value, list) and value and all(isinstance(each, str) for each in value):
            return ", ".join(value)
        if isinstance(value, bool) or not isinstance(value, (str, int, float)):
            self.fault(where, key, value, f"a text or a number: {option.help}")
            return None
        text = _plain(value)
        if not text.strip():
            self.fault(where, key, value, "it is set but empty: give it a value, or leave it out")
            return None
        return text


def read(content: str, path: str, fields: frozenset[str]) -> tuple[Mix, list[Fault]]:
    """The mix in a file's content, and all of its faults. `fields`: of `Population`."""
    file = PurePath(path).name
    name = PurePath(path).stem or "mix"
    reader = _Reader(file, {option.flag.removeprefix("--wps-"): option for option in population_options(fields)})
    try:
        document = tomllib.loads(content)
    except tomllib.TOMLDecodeError as error:
        return Mix(name, file, ()), [Fault(file, None, f"TOML, but this is not: {error}")]
    for key in document:
        if key != "population":
            reader.fault("", key, None, "only [[population]] tables; give the whole run's options beside --wps-mix")
    rows = document.get("population")
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows) or not rows:
        reader.fault("", "population", None, "at least one [[population]] table, in double brackets")
        return Mix(name, file, ()), reader.faults
    if len(rows) > MOST_POPULATIONS:
        reader.fault("", "population", len(rows), f"at most {MOST_POPULATIONS} of them")
    tables = tuple(reader.table(number, row) for number, row in enumerate(rows, 1))
    reader.faults += _together(file, tables)
    return Mix(name, file, tables), reader.faults


def _together(file: str, tables: tuple[PopulationTable, ...]) -> Iterator[Fault]:
    names = [table.name for table in tables]
    for name in sorted({name for name in names if names.count(name) > 1}):
        yield Fault(
            f"{file}, population {name}, name", None, f"{names.count(name)} populations have it: give each its own"
        )
    shares = sum((table.users.fraction or Fraction(0) for table in tables), Fraction(0))
    if shares > 1:
        yield Fault(f"{file}, users", None, f"the shares add up to {float(shares * 100):g}%: at most 100%")
    for table in tables:
        heard = table.listens_to
        if heard is None:
            continue
        where = f"{file}, population {table.name}, listens-to"
        if heard == table.name:
            yield Fault(where, heard, "another population: it joins its own groups anyway")
        elif heard not in names:
            others = (
                ", ".join(name for name in dict.fromkeys(names) if name != table.name) or "there is no other population"
            )
            yield Fault(where, heard, f"the name of another population: {others}")


def _plain(value: object) -> str:
    """A TOML value as a command line would have it: 1000.0 is 1000."""
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value)


def _unknown(key: str, allowed: Mapping[str, Option]) -> str:
    bare = key.removeprefix("--").removeprefix("wps-").replace("_", "-")
    if bare in allowed or bare in _OWN_KEYS:
        return f"in this file it is {bare}"
    if f"--wps-{bare}" in BY_FLAG:
        return f"it applies to the whole run: give --wps-{bare} beside --wps-mix"
    near = get_close_matches(bare, [*_OWN_KEYS, *allowed], 1)
    meant = f"did you mean {near[0]}? " if near else ""
    return f"{meant}A population has {', '.join([*_OWN_KEYS, *sorted(allowed)])}"
