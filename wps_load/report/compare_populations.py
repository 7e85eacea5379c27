"""A comparison by population: headline latency, loss and failed connections, judged as those of the whole run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

import numpy as np

from wps_load.report.evidence import headline
from wps_load.report.figures import Difference, Floors, latency, shares
from wps_load.report.part import part_of
from wps_load.report.run_folder import PastRun

_SHARES: Final = ("lost", "connect failures")


def population_names(runs: Sequence[PastRun]) -> tuple[str, ...]:
    """The populations that every run has, in the order of the first one; empty: runs have only one."""
    every = [[each["name"] for each in run.summary.get("populations") or ()] for run in runs]
    return tuple(name for name in every[0] if all(name in names for names in every)) if every else ()


def population_differences(
    base: Sequence[PastRun], new: Sequence[PastRun], floors: Floors, rng: np.random.Generator
) -> list[Difference]:
    """The differences of each population that all runs have; figures are called `viewers.delivery p99`, as in SLOs."""
    found: list[Difference] = []
    for name in population_names([*base, *new]):
        before, after = ([_part(run, name) for run in side] for side in (base, new))
        mine = [*latency(headline(before[0].summary), before, after, floors, rng)]
        mine += [each for each in shares(before, after, floors) if each.name in _SHARES]
        found += [replace(each, name=f"{name}.{each.name}", population=name) for each in mine]
    return found


def one_sided(base: Sequence[PastRun], new: Sequence[PastRun]) -> list[str]:
    """A sentence for each population that not every run has."""
    sides = {"the base": _all(base), "the new side": _all(new)}
    common = population_names([*base, *new])
    notes = []
    for name in dict.fromkeys(name for names in sides.values() for name in names):
        if name in common:
            continue
        having = [side for side, names in sides.items() if name in names]
        where = f"in {having[0]} alone" if len(having) == 1 else "not in all runs"
        notes.append(f"The population {name} is {where}: it is not compared.")
    return notes


def _all(side: Sequence[PastRun]) -> list[str]:
    return [each["name"] for run in side for each in run.summary.get("populations") or ()]


def _part(run: PastRun, name: str) -> PastRun:
    """The population's part of the run."""
    row = next(each for each in run.summary.get("populations") or () if each["name"] == name)
    start = f"{name}."
    log = {tag.removeprefix(start): found for tag, found in run.log.items() if tag.startswith(start)}
    return PastRun(run.name, part_of(run.summary, row), log)
