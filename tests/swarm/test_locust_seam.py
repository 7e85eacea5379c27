"""Locust's private parts are as `locust_seam` takes them: asked in one process, which Locust patches."""

from __future__ import annotations

import subprocess
import sys

import pytest

from wps_load.swarm import locust_seam

pytestmark = pytest.mark.program


def test_locust_has_not_changed_what_we_take_of_its_private_parts() -> None:
    asked = [sys.executable, "-m", "tests.swarm.locust_parts"]
    found = subprocess.run(asked, capture_output=True, text=True, timeout=120, check=False)
    changed = [line for line in found.stdout.splitlines() if line.startswith("CHANGED")]
    assert (found.returncode, changed) == (0, []), found.stdout + found.stderr


def test_the_seam_can_be_imported_without_locust() -> None:
    asked = f"import sys, {locust_seam.__name__}; sys.exit('locust' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", asked], check=False, timeout=60).returncode == 0
