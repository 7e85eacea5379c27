"""Whether a worker has its master's version, and plays from the same files. Pure except for reading the files."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from pathlib import Path

from wps_load.errors import Fault
from wps_load.settings.run_config import RunConfig
from wps_load.swarm.facts import versions
from wps_load.swarm.orders import SharedTraits

PAYLOADS, LOCUSTFILES = "--wps-payload-file", "locustfile"


def traits_of(config: RunConfig, locustfiles: Iterable[str] | None) -> SharedTraits:
    """What a master sends its workers.

    Files travel as digests: contents are not needed, and paths differ between hosts.
    """
    return {"version": versions().get("wps-load", ""), "files": _files(config, locustfiles)}


def differences(config: RunConfig, locustfiles: Iterable[str] | None, traits: SharedTraits) -> list[Fault]:
    """Why this worker, with its own `config`, cannot play in the run of a master with these traits."""
    own = versions().get("wps-load", "")
    if traits.get("version", own) != own:
        return [Fault(
            "version of wps-load", own, f"the master's, {traits['version']}: install the same on both",
        )]  # fmt: skip
    wanted = traits.get("files", {})
    return [
        Fault(name, None, "this worker's file differs from the master's: give both the same")
        for name, digest in _files(config, locustfiles).items()
        if wanted.get(name, digest) != digest
    ]


def mix_differs(own: str, mix: tuple[str, str] | None) -> list[Fault]:
    """Whether the file that a worker was given as `--wps-mix` is another one than its master's: path and content.

    A worker needs none, so one that is not there does not matter.
    """
    content = _read(own) if own else None
    if content is None or (mix is not None and content.decode("utf-8-sig", "replace") == mix[1]):
        return []
    wanted = "the master's mix" if mix is not None else "what the master plays: no mix"
    return [Fault("--wps-mix", own, f"{wanted}; leave it out, workers get it from their master")]


def _files(config: RunConfig, locustfiles: Iterable[str] | None) -> dict[str, str]:
    samples = [sample for each in config.populations for sample in each.samples or ()]
    found = {PAYLOADS: _digest(samples)} if samples else {}
    contents = [content for path in sorted(locustfiles or (), key=_name) if (content := _read(path)) is not None]
    return found | ({LOCUSTFILES: _digest(contents)} if contents else {})


def _name(path: str) -> str:
    return Path(path).name


def _read(path: str) -> bytes | None:
    try:
        return Path(path).read_bytes()
    except OSError:
        return None


def _digest(contents: Iterable[bytes]) -> str:
    found = hashlib.sha256()
    for content in contents:
        found.update(len(content).to_bytes(8, "big") + content)
    return found.hexdigest()
