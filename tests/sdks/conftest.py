from __future__ import annotations

from collections.abc import Iterator

import pytest

from wps_load.emulator.process import EmulatorProcess


@pytest.fixture(scope="session")
def packages() -> None:
    from tests.sdks.node_scripts import require_packages

    require_packages()


@pytest.fixture(scope="module")
def emulator() -> Iterator[EmulatorProcess]:
    with EmulatorProcess.start() as process:
        yield process
