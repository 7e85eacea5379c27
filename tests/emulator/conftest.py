"""A real emulator process for the tests that need sockets; one for the whole room."""

from __future__ import annotations

import pytest

from wps_load.auth import ConnectionString
from wps_load.emulator.process import EmulatorProcess


@pytest.fixture(scope="session")
def service(emulator: EmulatorProcess) -> ConnectionString:
    return ConnectionString.parse(emulator.connection_string)
