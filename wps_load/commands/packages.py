"""Doctor's check of this installation: whether a run's packages are present in versions that it works with."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator
from functools import cache
from importlib.metadata import PackageNotFoundError, requires, version

from packaging.requirements import Requirement

from wps_load.client.checks import Check, Level

RUN = (
    "wps_load.swarm.lifecycle", "wps_load.swarm.users", "wps_load.swarm.webpubsub_user", "wps_load.emulator.main",
    "wps_load.report.files",
)  # fmt: skip
"""The modules that a run imports, which import everything else."""
_LIMIT_S = 60


def checks() -> Iterator[Check]:
    """The checks of this installation."""
    yield versions(requires("wps-load") or (), version)
    yield imports(RUN)


def versions(requirements: Iterable[str], installed: Callable[[str], str]) -> Check:
    """Whether each required package has a version within its bounds. Extras are not checked.

    `installed`: returns the version of a package; raises PackageNotFoundError.
    """
    wrong, count = [], 0
    for requirement in map(Requirement, requirements):
        if requirement.marker is not None and not requirement.marker.evaluate({"extra": ""}):
            continue
        count += 1
        try:
            found = installed(requirement.name)
        except PackageNotFoundError:
            wrong.append(f"{requirement.name} is missing")
            continue
        if not requirement.specifier.contains(found, prereleases=True):
            wrong.append(f"{requirement.name} is {found}, expected {requirement.specifier}")
    if wrong:
        return Check("packages", Level.FAIL, "; ".join(wrong), "install wps-load again: pip install --upgrade wps-load")
    return Check("packages", Level.PASS, f"{count} packages, all in tested versions")


@cache
def imports(modules: tuple[str, ...]) -> Check:
    """Whether a run's modules can be imported: in a process of their own, because Locust patches it. Tried once."""
    try:
        done = subprocess.run(
            [sys.executable, "-c", f"import {', '.join(modules)}"], capture_output=True, text=True, timeout=_LIMIT_S
        )
    except subprocess.TimeoutExpired:
        return Check("imports", Level.FAIL, f"importing what a run imports takes longer than {_LIMIT_S} s")
    if done.returncode == 0:
        return Check("imports", Level.PASS, "all modules of a run load")
    last = (done.stderr.strip().splitlines() or [f"exit code {done.returncode}"])[-1]
    return Check("imports", Level.FAIL, last, "install wps-load again, in an environment of its own")
