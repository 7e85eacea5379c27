"""The one command that runs a finished run again."""

from __future__ import annotations

import shlex

from wps_load.report.document import Summary
from wps_load.settings.options import OPTIONS
from wps_load.settings.target import AZURE_VARIABLE

_LOCUST_SETTINGS = ("users", "spawn-rate", "run-time")
_NOT_REPEATED = frozenset({"wps-seed", "wps-report-dir"})
_TARGETS = ("wps-connection-string", "wps-client-url", "wps-negotiate-url")


def reproduce(summary: Summary) -> str:
    """A shell command, over several lines, with what differs from the defaults, and the seed that was used.

    Secrets are not kept: the variables that must hold them stand before the command, as `NAME=...`.
    """
    run = summary["run"]
    settings = run["settings"]
    first = ["locust", "-f", "locustfile.py", "--headless"]
    for name in _LOCUST_SETTINGS:
        if (value := settings.get(name)) is not None:
            first += [f"--{name}", f"{value:g}s" if name == "run-time" else f"{value:g}"]
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
    if not any(settings.get(name) for name in _TARGETS) and not run["target"].startswith("embedded emulator"):
        variables.append(AZURE_VARIABLE)
    command = " \\\n  ".join(shlex.join(line) for line in lines)
    return "".join(f"{variable}=... " for variable in variables) + command
