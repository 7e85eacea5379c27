"""The settings of a run in words: its scenario or mix, its load, its target."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import PurePath

from wps_load.plurals import counted
from wps_load.report import tables
from wps_load.report.document import Scalar, Summary
from wps_load.report.topology import population_words, roles_words
from wps_load.workload.scenarios import SCENARIOS


def scenario_words(summary: Summary) -> str:
    """The scenario, or the mix by its file's name."""
    run = summary["run"]
    mix = run["settings"].get("wps-mix")
    return f"mix {PurePath(str(mix)).name}" if mix else run["scenario"]


def settings_words(summary: Summary) -> str:
    """The requested load, in a few words: the same for all runs with the same settings."""
    run, settings = summary["run"], summary["run"]["settings"]
    parts = [f"{scenario_words(summary)} over {run['protocol']}"]
    if isinstance(users := settings.get("users"), int):
        parts.append(counted(tables.number(users), "user"))
    scenario = SCENARIOS.get(run["scenario"])
    if scenario is not None and scenario.publishes:
        parts += [load_words(settings), payload_words(settings)]
    return ", ".join(parts)


def what_ran(summary: Summary) -> str:
    """What was run against which target: scenario, protocol, size, load, target and duration in one sentence."""
    run = summary["run"]
    parts = [
        f"{scenario_words(summary)} over {run['protocol']}",
        counted(tables.number(summary["connections"]["target"]), "connection"),
        *roles_words(summary),
    ]
    if mixed := summary.get("populations"):
        named = "; ".join(f"{each['name']} ({population_words(each)})" for each in mixed[:_NAMED])
        more = f"; {len(mixed) - _NAMED} more" if len(mixed) > _NAMED else ""
        parts[-1] += f" in {counted(len(mixed), 'population')}: {named}{more}"
    elif summary["messages"]["offered"] and summary["messages"]["published"]:  # tasks of a locustfile have no rate
        parts += [load_words(run["settings"]), payload_words(run["settings"])]
    return f"{', '.join(parts)}, against {run['target']}, for {tables.seconds(run['duration_s'])}."


_NAMED = 6
"""The most populations that a sentence names."""


def load_words(settings: Mapping[str, Scalar]) -> str:
    """The requested rate."""
    if explored := settings.get("wps-capacity"):
        return f"searched {explored}"
    if stages := settings.get("wps-stages"):
        return f"in {len(str(stages).split(','))} stages"
    if (total := settings.get("wps-total-rate")) is not None:
        return f"{counted(str(total), 'message')}/s in total"
    rate = settings.get("wps-rate")
    return "closed loop" if rate == "max" else f"{counted(tables.shown(rate), 'message')}/s for each publisher"


def payload_words(settings: Mapping[str, Scalar]) -> str:
    """The messages' payload."""
    if samples := settings.get("wps-payload-file"):
        return f"payload from {PurePath(str(samples)).name}"
    return f"payload {tables.shown(settings.get('wps-payload'))}"


def reset_sentence(summary: Summary) -> str:
    """The effect of a reset of the statistics on the figures; empty if there was none."""
    reset_s = summary["run"].get("reset_s")
    if reset_s is None:
        return ""
    return (
        f"The statistics were reset {tables.seconds(reset_s)} after the start: counts and times are from then on, so "
        "what was opened, failed or was dropped before is in none of them."
    )
