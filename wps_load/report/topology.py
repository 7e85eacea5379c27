"""Who publishes and in how many groups, according to a finished run's settings."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from wps_load.plurals import counted
from wps_load.report.document import PopulationRow, Scalar, Summary
from wps_load.workload.chaos import SlowPlan
from wps_load.workload.layout import layout, publisher_count
from wps_load.workload.scenarios import SCENARIOS, Topology
from wps_load.workload.values import Share


@dataclass(frozen=True, slots=True)
class _Settings:
    """The settings that `workload.population` needs."""

    scenario: str
    protocol: str
    groups: int | None
    group_size: int | None
    publishers: Share | None
    no_echo: bool = False
    slow: SlowPlan | None = None
    seed: int = 0


def roles_words(summary: Summary) -> list[str]:
    """`20 publishers`, `10 groups`; nothing if the settings do not say: for a mix, or users that come and go."""
    run, users = summary["run"], summary["connections"]["target"]
    row, settings = SCENARIOS.get(run["scenario"]), run["settings"]
    if row is None or not row.publishes or not users or settings.get("wps-mix"):
        return []
    try:
        found = _settings(run["scenario"], run["protocol"], settings)
        publishers = publisher_count(found, users)
        groups = layout(found, users).occupied if row.topology is Topology.GROUPS else 0
    except (ValueError, KeyError):
        return []
    kind = "REST sender" if row.needs_key else "publisher"
    words = [counted(publishers, kind)]
    return [*words, counted(groups, "group")] if groups else words


def population_words(each: PopulationRow) -> str:
    """A population's users, what they play, and how many of them publish in how many groups."""
    row = SCENARIOS.get(each["scenario"])
    parts = [] if each["users"] is None else [counted(each["users"], "user")]
    parts.append(f"{each['scenario']} over {each['protocol']}")
    if publishers := each.get("publishers"):
        parts.append(counted(publishers, "REST sender" if row is not None and row.needs_key else "publisher"))
    if groups := each.get("groups"):
        parts.append(counted(groups, "group"))
    return ", ".join(parts)


def _settings(scenario: str, protocol: str, settings: Mapping[str, Scalar]) -> _Settings:
    """Raises ValueError for texts that no run of wps-load has."""

    def whole(name: str) -> int | None:
        return int(text) if (text := settings.get(name)) else None

    share = settings.get("wps-publishers")
    publishers = Share.parse(str(share)) if share else None
    return _Settings(scenario, protocol, whole("wps-groups"), whole("wps-group-size"), publishers)
