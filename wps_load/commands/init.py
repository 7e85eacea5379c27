"""`wps-load init`: a folder to start from."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from importlib.metadata import version
from importlib.resources import files
from pathlib import Path

from wps_load.commands import ready
from wps_load.commands.parsing import plain_parser
from wps_load.errors import ConfigError, ExitCode, Fault

WORKFLOWS = {
    "github": ".github/workflows/wps-load.yml",
    "gitlab": ".gitlab-ci.yml",
    "azure": "azure-pipelines.yml",
}
"""The path at which each system looks for its workflow."""

_EXAMPLE = """\
Writes locustfile.py and configs/ (a ready file for each scenario, and smoke, ci and capacity), and with --ci a workflow
that runs configs/ci.conf, keeps the report, and compares with earlier runs. Existing files are kept.

example:
  wps-load init
  wps-load init load-tests --ci github
"""


def run(argv: Sequence[str]) -> int:
    """Writes the missing files, and lists them: 0. Raises ConfigError if a file can't be written."""
    parser = plain_parser("init", "Writes a locustfile, configurations and a CI workflow to start from.", _EXAMPLE)
    parser.add_argument("folder", nargs="?", default=".", metavar="DIR", help="folder to write to (default: this one)")
    parser.add_argument("--ci", choices=tuple(WORKFLOWS), help="a workflow for GitHub, GitLab or Azure Pipelines")
    arguments = parser.parse_args(argv)
    top = Path(arguments.folder)
    for name, text in _files(arguments.ci):
        path = top / name
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with path.open("x", encoding="utf-8") as file:
                file.write(text)
            said = "wrote"
        except FileExistsError:
            if not path.is_file():
                raise ConfigError([Fault("DIR", str(path), "a folder whose names are free")]) from None
            said = "kept "
        except OSError as error:
            raise ConfigError([Fault("DIR", str(path), f"a place that can be written to ({error.strerror})")]) from None
        sys.stdout.write(f"{said} {path}\n")
    sys.stdout.write(_next(arguments.folder, arguments.ci))
    return ExitCode.PASSED


def _files(ci: str | None) -> Iterator[tuple[str, str]]:
    """The path below the folder, and the text, of each file."""
    yield "locustfile.py", ready.locustfile().read_text("utf-8")
    for name, path in ready.configs().items():
        yield f"configs/{name}.conf", path.read_text("utf-8")
    for name, path in ready.mixes().items():
        yield f"configs/{name}.toml", path.read_text("utf-8")
    if ci is not None:
        yield WORKFLOWS[ci], workflow(ci)


def workflow(ci: str) -> str:
    """The workflow for this version, which it pins."""
    text = files("wps_load.commands").joinpath("assets", f"{ci}.yml").read_text("utf-8")
    return text.replace("@VERSION@", version("wps-load"))


def _next(folder: str, ci: str | None) -> str:
    go = "" if folder == "." else f"cd {folder} && "
    lines = ["", f"Next: {go}wps-load run configs/echo.conf"]
    if ci is not None and folder != ".":
        lines.append(f"The workflow belongs to the top of the repository: move {folder}/{WORKFLOWS[ci]} there.")
    return "\n".join([*lines, ""])
