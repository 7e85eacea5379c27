"""Locust in the tests' own process.

It patches the process that imports it, and pytest's threads would end; so it is asked not to. Only tests that need it
pay for the import: they take the fixture `unpatched_locust`, and import what knows Locust inside of functions.
"""

from __future__ import annotations

import importlib
import os
from unittest import mock

from gevent import monkey


def import_locust() -> None:
    with mock.patch.dict(os.environ, LOCUST_SKIP_MONKEY_PATCH="1"):
        importlib.import_module("locust")
    assert not monkey.is_module_patched("threading"), "somebody has imported Locust before"
