"""The ready files: locustfile.py and configs/, in a wheel beside this package, in a checkout at its top."""

from __future__ import annotations

from pathlib import Path

_PACKAGE = Path(__file__).parents[1]


def folder() -> Path:
    """Where they are: `setup.py` has put them into the wheel."""
    packaged = _PACKAGE / "_ready"
    return packaged if packaged.is_dir() else _PACKAGE.parent


def locustfile() -> Path:
    return folder() / "locustfile.py"


def configs() -> dict[str, Path]:
    """By name: each scenario has one, and there are `smoke`, `ci` and `capacity`."""
    return {path.stem: path for path in sorted((folder() / "configs").glob("*.conf"))}


def mixes() -> dict[str, Path]:
    """The ready mixes, by name."""
    return {path.stem: path for path in sorted((folder() / "configs").glob("*.toml"))}
