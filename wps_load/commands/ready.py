"""The ready files, locustfile.py and configs/: beside this package in a wheel, at the top of a checkout."""

from __future__ import annotations

from pathlib import Path

_PACKAGE = Path(__file__).parents[1]


def folder() -> Path:
    """The folder of the ready files: `setup.py` puts them into the wheel."""
    packaged = _PACKAGE / "_ready"
    return packaged if packaged.is_dir() else _PACKAGE.parent


def locustfile() -> Path:
    return folder() / "locustfile.py"


def configs() -> dict[str, Path]:
    """The ready files by name: one for each scenario, and `smoke`, `ci` and `capacity`."""
    return {path.stem: path for path in sorted((folder() / "configs").glob("*.conf"))}


def mixes() -> dict[str, Path]:
    """The ready mixes, by name."""
    return {path.stem: path for path in sorted((folder() / "configs").glob("*.toml"))}
