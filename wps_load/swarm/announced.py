"""The lines that announce a run: what is played, by whom, and which SLOs apply. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from wps_load.measure.thresholds import Slo
from wps_load.plurals import counted
from wps_load.settings.run_config import Population, RunConfig
from wps_load.workload.values import Share

_NOBODY = Share(count=0)


def announced(config: RunConfig, scenario: str) -> Iterator[str]:
    """One line; for a mix one more for each population, with its own SLOs."""
    if config.mix is None:
        yield f"Scenario: {scenario} over {config.population.protocol}; SLO: {config.population.slo or 'none'}"
        return
    of_all = [slo for slo in config.slos if not slo.population]
    users = "" if config.peak_users is None else f", {counted(config.peak_users, 'user')}"
    yield f"Mix: {config.mix}{users}{f'; SLO: {_listed(of_all)}' if of_all else ''}"
    counts = [None] * len(config.populations) if config.peak_users is None else config.mixture(config.peak_users).counts
    width = max(len(each.name) for each in config.populations) + 1
    for each, count in zip(config.populations, counts, strict=True):
        own = [slo for slo in config.slos if slo.population == each.name]
        yield f"  {each.name + ':':{width}} {_who(each, count)}{f'; SLO: {_listed(own)}' if own else ''}"


def _who(each: Population, count: int | None) -> str:
    parts = [_users(each, count), f"{each.scenario} over {each.protocol}"]
    parts += [f"listens to {each.listens_to}"] if each.listens_to else []
    return ", ".join(parts)


def _users(each: Population, count: int | None) -> str:
    if each.users == _NOBODY and each.scenario_row.needs_key:
        return "an app server"
    if count is None:
        return counted(str(each.users), "user")
    share = f" ({each.users})" if each.users.fraction is not None else ""
    return f"{counted(count, 'user')}{share}"


def _listed(slos: Iterable[Slo]) -> str:
    return ", ".join(slo.expression.removeprefix(f"{slo.population}.") for slo in slos)
