"""The commands that repeat a finished run, unchanged or with changes."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from pathlib import PurePath

from wps_load.report.document import Summary
from wps_load.settings.options import OPTIONS
from wps_load.settings.target import AZURE_VARIABLE
from wps_load.workload.scenarios import SCENARIOS

_LOCUST_SETTINGS = ("users", "spawn-rate", "run-time")
_NOT_REPEATED = frozenset({"wps-seed", "wps-report-dir"})
_PACKAGE = PurePath(__file__).parents[1]
_READY = (_PACKAGE / "_ready" / "configs", _PACKAGE.parent / "configs")
"""The folders of the ready files: of a wheel, and of a checkout (`commands/ready.py`)."""
_TARGETS = ("wps-connection-string", "wps-client-url", "wps-negotiate-url", "wps-endpoint")


def reproduce(summary: Summary) -> str:
    """A shell command, over several lines, with everything that differs from the defaults, and the seed that was used.

    Secrets are not kept: the variables that must hold them precede the command, as `NAME=...`.
    """
    run = summary["run"]
    settings = run["settings"]
    first = ["locust", "-f", "locustfile.py", "--headless"]
    for name in _LOCUST_SETTINGS:
        if (value := settings.get(name)) is not None:
            first += [f"--{name}", _plain(name, value)]
    lines, variables = [first], []
    for option in OPTIONS:
        value = settings.get(option.key)
        if option.key in _NOT_REPEATED or value in (None, "", option.default):
            continue
        if option.secret:
            variables.append(option.env_var)
        else:
            lines.append([option.flag] if option.is_switch else [option.flag, str(value)])
    if run["seed"] is not None:
        lines.append(["--wps-seed", str(run["seed"])])
    variables += _azure(summary)
    command = " \\\n  ".join(shlex.join(line) for line in lines)
    return "".join(f"{variable}=... " for variable in variables) + command


_IN_READY_FILES = frozenset({"wps-rate", "wps-payload", "wps-protocol", "wps-slo", "wps-warmup", "wps-publishers"})
"""Options that a ready file may set otherwise: they are written out, even if they have the default."""


def again(summary: Summary, changes: Mapping[str, object]) -> str:
    """`wps-load run SCENARIO ...` in one line: the run with other values of some settings; None removes one."""
    run = summary["run"]
    settings = {**run["settings"], **changes}
    words, mix = ["wps-load", "run"], ready_mix(settings)
    if mix is not None:
        words.append(mix)
    elif run["scenario"] in SCENARIOS and not settings.get("wps-mix"):
        words.append(run["scenario"])
    for flag, name in (("-u", "users"), ("-r", "spawn-rate"), ("-t", "run-time")):
        if (value := settings.get(name)) is not None:
            words += [flag, _plain(name, value)]
    variables = []
    for option in OPTIONS:
        value = settings.get(option.key)
        plain = value in (None, "") or (value == option.default and option.key not in _IN_READY_FILES)
        if plain or option.key in _NOT_REPEATED or option.key == "wps-scenario":
            continue
        if option.key == "wps-mix" and mix is not None:
            continue
        if option.secret:
            variables.append(option.env_var)
        else:
            words += [option.flag] if option.is_switch else [option.flag, str(value)]
    return "".join(f"{variable}=... " for variable in [*variables, *_azure(summary)]) + shlex.join(words)


def ready_mix(settings: Mapping[str, object]) -> str | None:
    """The name of the run's mix, if it is one of the ready ones, which are named before a command's options."""
    path = PurePath(str(settings.get("wps-mix") or ""))
    return path.stem if path.parent in _READY else None


def _plain(name: str, value: object) -> str:
    """A number as an option accepts it: never with an exponent."""
    text = f"{value:.12g}"
    return f"{text}s" if name == "run-time" else text


def _azure(summary: Summary) -> list[str]:
    """The variable that held the target, if no option did."""
    run = summary["run"]
    given = any(run["settings"].get(name) for name in _TARGETS)
    return [] if given or run["target"].startswith("embedded emulator") else [AZURE_VARIABLE]
