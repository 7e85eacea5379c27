from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from wps_load.emulator.process import EmulatorProcess

HERE = Path(__file__).parent
for folder in (HERE, HERE.parent / "client", HERE.parent / "integration"):  # their runs serve here too
    sys.path.append(str(folder))


@pytest.fixture(scope="session")
def packages() -> None:
    from node_scripts import require_packages

    require_packages()


@pytest.fixture(scope="module")
def emulator() -> Iterator[EmulatorProcess]:
    with EmulatorProcess.start() as process:
        yield process
