"""Whether runs got worse: two sides of runs, whether they may be compared, and the answer. Figures are in `figures`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass

import numpy as np

from wps_load.errors import ExitCode, WpsLoadError
from wps_load.report.compare_populations import one_sided, population_differences
from wps_load.report.document import RunSection, Summary
from wps_load.report.evidence import headline
from wps_load.report.figures import CONFIDENCE, Difference, Floors, differences
from wps_load.report.run_folder import PastRun
from wps_load.settings.options import SHAPING

SCHEMA = "wps-load.comparison/1"

BLIND = 0.5
"""A comparison that would have missed even a slowdown of 50 % proves nothing about slowdowns."""

_SHAPING = {"users", "spawn-rate", *(option.key for option in SHAPING)} - {"wps-scenario", "wps-protocol"}


class NotComparable(WpsLoadError):
    """The runs are different tests; the message says which settings differ. Exit code 2."""


@dataclass(frozen=True, slots=True)
class Comparison:
    base: tuple[str, ...]
    new: tuple[str, ...]
    main_metric: str
    differences: tuple[Difference, ...]
    notes: tuple[str, ...]

    @property
    def regressed(self) -> bool:
        return any(difference.verdict == "worse" for difference in self.differences)

    @property
    def unclear(self) -> int:
        """The number of figures without a verdict."""
        return sum(difference.verdict == "unclear" for difference in self.differences)

    @property
    def would_have_seen(self) -> tuple[Difference, ...]:
        """The percentiles of the main latency that could have shown a slowdown; empty: the comparison is blind."""
        main = [d for d in self.differences if d.name.split()[0] == self.main_metric]
        return tuple(d for d in main if d.detectable is not None and d.detectable <= BLIND)

    @property
    def exit_code(self) -> ExitCode:
        return ExitCode.REGRESSION if self.regressed else ExitCode.PASSED

    def to_json(self) -> dict[str, object]:
        return {
            "schema": SCHEMA,
            "regressed": self.regressed,
            "unclear": self.unclear,
            "smallest_slowdown_seen": {d.name: d.detectable for d in self.would_have_seen},
            "confidence": CONFIDENCE,
            **asdict(self),
        }


def compare(
    base: Sequence[PastRun], new: Sequence[PastRun], *, floors: Floors | None = None, seed: int = 0
) -> Comparison:
    """Compares one or more runs on each side; the same `seed` gives the same answer.

    Raises NotComparable if the runs had different settings, or one of them is invalid.
    """
    _refuse(base, new)
    rng = np.random.default_rng(seed)
    main = headline(base[0].summary)
    found = differences(base, new, floors or Floors(), rng, first=main)
    found += population_differences(base, new, floors or Floors(), rng)
    names = tuple(run.name for run in base), tuple(run.name for run in new)
    return Comparison(*names, main, tuple(found), tuple(_notes(base, new)))


# -- may they be compared ------------------------------------------------------------------------------------


def _refuse(base: Sequence[PastRun], new: Sequence[PastRun]) -> None:
    runs = [*base, *new]
    if not base or not new:
        raise NotComparable("A comparison needs at least one run a side.")
    for run in runs:
        if run.summary["verdict"] == "invalid":
            doubts = ", ".join(d["name"] for d in run.summary["doubts"] if d["level"] == "error")
            raise NotComparable(f"{run.name} is invalid ({doubts}): its figures cannot be compared.")
        if run.summary["capacity"] is not None:
            answer = run.summary["capacity"].get("answer", "its answer")
            raise NotComparable(
                f"{run.name} is a search, whose steps are not those of another one: compare the answers ({answer})."
            )
    first = runs[0].summary["run"]
    for run in runs[1:]:
        other = run.summary["run"]
        if other["settings_hash"] != first["settings_hash"]:
            differing = "; ".join((*different_settings(first, other), *different_mixes(runs[0].summary, run.summary)))
            differing = differing or "the settings' hash"
            raise NotComparable(f"{runs[0].name} and {run.name} were different tests: {differing}.")


def different_settings(a: RunSection, b: RunSection) -> list[str]:
    """The settings that differ and matter, as `name: a, b`."""
    found = [
        f"{key}: {one}, {other}"
        for key, one, other in (
            ("scenario", a["scenario"], b["scenario"]),
            ("protocol", a["protocol"], b["protocol"]),
        )
        if one != other
    ]
    names = dict.fromkeys((*a["settings"], *b["settings"]))
    for name in names:
        one, other = a["settings"].get(name), b["settings"].get(name)
        if one != other and name in _SHAPING:
            found.append(f"{name}: {one}, {other}")
    kinds = [run["target"].startswith("embedded emulator") for run in (a, b)]
    return found + ([f"target: {a['target']}, {b['target']}"] if kinds[0] != kinds[1] else [])


def different_mixes(a: Summary, b: Summary) -> list[str]:
    """What differs between two mixes, whose populations the file's name does not show."""
    one, other = ({each["name"]: each for each in run.get("populations") or ()} for run in (a, b))
    if one.keys() != other.keys():
        shown = [", ".join(names) or "none" for names in (one, other)]
        return [f"populations: {shown[0]} and {shown[1]}"]
    found = []
    for name in one:
        for key in ("users", "scenario", "protocol", "publishers", "groups"):
            values = [row[name].get(key) for row in (one, other)]
            if values[0] != values[1]:
                found.append(f"{key} of {name}: {values[0]}, {values[1]}")
    return found or (["what the mix's file asks of a population"] if one else [])


def _notes(base: Sequence[PastRun], new: Sequence[PastRun]) -> list[str]:
    notes = one_sided(base, new)
    runs = [run.summary["run"] for run in (*base, *new)]
    for kinds, words in (
        ([run["host"] for run in runs], "The load came from different machines"),
        ([run["versions"] for run in runs], "Versions differ"),
    ):
        if any(kind != kinds[0] for kind in kinds):
            notes.append(f"{words}: part of a difference may be theirs.")
    if len(base) == 1 or len(new) == 1:
        notes.append(
            "With one run a side, how much runs differ from each other is unknown and not in the intervals; three or "
            "more a side tell."
        )
    return notes
