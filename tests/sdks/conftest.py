from __future__ import annotations

import pytest


@pytest.fixture(scope="session")
def packages() -> None:
    from tests.sdks.node_scripts import require_packages

    require_packages()
