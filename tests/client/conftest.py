from __future__ import annotations

from collections.abc import Iterator

import pytest

from wps_load.emulator.process import EmulatorProcess


@pytest.fixture(scope="session")
def live_emulator() -> Iterator[str]:
    """The connection string of a real emulator, one for the whole room."""
    with EmulatorProcess.start() as process:
        yield process.connection_string
