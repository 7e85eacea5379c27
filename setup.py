"""What pyproject.toml cannot say: the ready files go into the wheel, and the README's links hold on a package index."""

from __future__ import annotations

import re
import shutil
import tomllib
from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py

HERE = Path(__file__).parent
READY = "wps_load/_ready"
"""Where `wps_load/commands/ready.py` looks for locustfile and configs/ of a wheel; a checkout has them at its top."""


class BuildWithReadyFiles(build_py):
    """Copies locustfile.py and configs/ of the checkout into the wheel, so that there is no second copy to maintain."""

    def run(self) -> None:
        super().run()
        if not self.editable_mode:
            for source in _ready_files():
                target = Path(self.build_lib, READY, source)
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(HERE / source, target)

    def get_outputs(self, include_bytecode: bool = True) -> list[str]:
        made = [] if self.editable_mode else [str(Path(self.build_lib, READY, source)) for source in _ready_files()]
        return [*super().get_outputs(include_bytecode), *made]


def _ready_files() -> list[str]:
    found = (f"configs/{path.name}" for path in (HERE / "configs").iterdir() if path.suffix in (".conf", ".toml"))
    return ["locustfile.py", *sorted(found)]


def _readme() -> str:
    """README.md with absolute links: files and folders to the repository's pages, pictures to their bytes."""
    project = tomllib.loads((HERE / "pyproject.toml").read_text("utf-8"))["project"]
    home = project["urls"]["Repository"]

    def absolute(link: re.Match[str]) -> str:
        return f"{link['before']}{home}/{'raw' if link['before'].startswith('!') else 'blob'}/main/{link['path']})"

    text = (HERE / "README.md").read_text("utf-8")
    return re.sub(r"(?P<before>!?\[[^\]]*\]\()(?P<path>(?!\w+:|#)[^)]+)\)", absolute, text)


setup(
    cmdclass={"build_py": BuildWithReadyFiles},
    long_description=_readme(),
    long_description_content_type="text/markdown",
)
