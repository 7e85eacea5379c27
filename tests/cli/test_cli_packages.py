"""Doctor's look at the installation."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, requires

import pytest

from wps_load.client.checks import Level
from wps_load.commands.packages import RUN, imports, versions

INSTALLED = {"PyJWT": "2.10.1", "locust": "2.47.0", "psutil": "7.0"}


def installed(name: str) -> str:
    try:
        return INSTALLED[name]
    except KeyError:
        raise PackageNotFoundError(name) from None


@pytest.mark.parametrize(
    ("requirements", "level", "found"),
    [
        (["locust<2.48,>=2.43.4", "psutil>=5.9"], Level.PASS, "2 packages"),
        (["PyJWT>=2.11", "psutil>=5.9"], Level.FAIL, "PyJWT is 2.10.1, expected >=2.11"),
        (["locust<2.46,>=2.43.4"], Level.FAIL, "locust is 2.47.0, expected <2.46,>=2.43.4"),
        (["orjson>=3.10"], Level.FAIL, "orjson is missing"),
        (['orjson>=3.10; extra == "test"', "psutil"], Level.PASS, "1 packages"),
        (['uvloop>=9; sys_platform == "nowhere"'], Level.PASS, "0 packages"),
    ],
)
def test_versions(requirements: list[str], level: Level, found: str) -> None:
    check = versions(requirements, installed)
    assert check.level is level
    assert found in check.found


@pytest.mark.program
def test_what_a_run_imports_is_tried() -> None:
    assert imports(RUN).level is Level.PASS
    broken = imports(("wps_load.errors", "no_such_module_of_anybody"))
    assert broken.level is Level.FAIL
    assert "no_such_module_of_anybody" in broken.found


def test_locusts_insides_are_patched_so_that_it_has_an_upper_bound() -> None:
    (locust,) = [each for each in requires("wps-load") or () if each.startswith("locust") and "extra ==" not in each]
    assert "<" in locust
