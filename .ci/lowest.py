"""Prints the lowest version of everything that pyproject.toml names, as constraints for pip."""

from __future__ import annotations

import re
import sys
import tomllib
from pathlib import Path

project = tomllib.loads((Path(__file__).parents[1] / "pyproject.toml").read_text())["project"]
for requirement in [*project["dependencies"], *project["optional-dependencies"]["test"]]:
    found = re.fullmatch(r"([A-Za-z0-9._-]+)>=([0-9.]+)([^;]*)(;.*)?", requirement)
    if found is None:
        sys.exit(f"{requirement}: NAME>=VERSION is needed")
    sys.stdout.write(f"{found[1]}=={found[2]}{found[4] or ''}\n")
