"""Builds the distributions once, from what the repository holds, and installs the wheel beside what is installed."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from shutil import copyfile, copytree, ignore_patterns

ROOT = Path(__file__).parents[1]
FOLDERS = ("wps_load", "configs", "deploy", "docs", "examples", "tests")
FILES = (
    ".dockerignore",
    "CHANGELOG.md",
    "LICENSE",
    "MANIFEST.in",
    "Makefile",
    "README.md",
    "locustfile.py",
    "pyproject.toml",
    "setup.py",
)
LIMIT_S = 110


@dataclass(frozen=True)
class Installed:
    """The wheel, unpacked into `packages`; `folder` is empty, and the current one of whatever runs."""

    wheel: Path
    sdist: Path
    packages: Path
    folder: Path

    def python(self, *arguments: str, **environ: str) -> subprocess.CompletedProcess[str]:
        kept = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("LOCUST_", "GITHUB_")) and name != "WebPubSubConnectionString"
        }
        return subprocess.run(
            [sys.executable, *arguments],
            cwd=self.folder,
            env={**kept, "PYTHONPATH": str(self.packages), **environ},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=LIMIT_S,
            check=False,
        )

    def program(self, *arguments: str, **environ: str) -> subprocess.CompletedProcess[str]:
        """`wps-load`."""
        return self.python(str(self.packages / "bin" / "wps-load"), *arguments, **environ)


def build_and_install(scratch: Path) -> Installed:
    """The wheel is built from the source distribution: what that one lacks, the wheel lacks as well."""
    source, dist, packages, folder = (scratch / name for name in ("source", "dist", "packages", "empty"))
    source.mkdir()
    folder.mkdir()
    unwanted = ignore_patterns("__pycache__", "node_modules", "*.egg-info", "_ready")
    for name in FOLDERS:
        copytree(ROOT / name, source / name, ignore=unwanted)
    for name in FILES:
        copyfile(ROOT / name, source / name)
    _python("-m", "build", "--no-isolation", "--outdir", str(dist), str(source))
    (wheel,), (sdist,) = dist.glob("*.whl"), dist.glob("*.tar.gz")
    pip = ("-m", "pip", "install", "--quiet", "--no-deps", "--no-index", "--disable-pip-version-check", "--no-compile")
    _python(*pip, "--target", str(packages), str(wheel))
    return Installed(wheel, sdist, packages, folder)


def _python(*arguments: str) -> None:
    done = subprocess.run([sys.executable, *arguments], capture_output=True, text=True, timeout=LIMIT_S, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
