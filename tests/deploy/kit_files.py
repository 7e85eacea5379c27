"""Reads the files of deploy/ as their programs do, as far as the tests need it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import dockerfile
import yaml

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy"
DOCKERFILE = DEPLOY / "Dockerfile"
COMPOSE = DEPLOY / "compose.yaml"
_VARIABLE = re.compile(r"\$\{(?P<name>\w+)(?::-(?P<default>[^}]*))?\}")


def stages() -> dict[str, list[Any]]:
    """The instructions of each stage of the Dockerfile, by its name."""
    found: dict[str, list[Any]] = {}
    for instruction in dockerfile.parse_file(str(DOCKERFILE)):
        if instruction.cmd.upper() == "FROM":
            found[instruction.value[-1]] = []
        found[list(found)[-1]].append(instruction)
    return found


def of_stage(name: str, command: str) -> list[Any]:
    """The instructions of a stage that are such a command, those of the stages below it first."""
    own = stages()[name]
    below = own[0].value[0]
    before = of_stage(below, command) if below in stages() else []
    return before + [each for each in own if each.cmd.upper() == command]


def entrypoint(stage: str) -> list[str]:
    return list(of_stage(stage, "ENTRYPOINT")[-1].value)


def documents(path: Path) -> list[Any]:
    return list(yaml.safe_load_all(path.read_text("utf-8")))


def services(**environ: str) -> dict[str, Any]:
    """The services of the compose file, its variables put in."""
    found: dict[str, Any] = _expanded(documents(COMPOSE)[0]["services"], environ)
    return found


def _expanded(value: Any, environ: Mapping[str, str]) -> Any:
    if isinstance(value, str):
        return _VARIABLE.sub(lambda each: environ.get(each["name"]) or each["default"] or "", value)
    if isinstance(value, list):
        return [_expanded(each, environ) for each in value]
    if isinstance(value, dict):
        return {name: _expanded(each, environ) for name, each in value.items()}
    return value


def all_files() -> Iterator[Path]:
    return (path for path in sorted(DEPLOY.rglob("*")) if path.is_file() and "__pycache__" not in path.parts)
