"""Ctrl-C while Locust's program is still importing and reading its options ends the process without a traceback."""

from __future__ import annotations

import os
import signal
import sys
from contextlib import suppress
from typing import Final

from wps_load.errors import ExitCode

INTERRUPTED: Final = 130
"""The code that a shell expects of a process that SIGINT has ended, where the contract has none."""


def leave_quietly() -> None:
    """Applies until `Signals` takes over. Changes nothing in another program, or if SIGINT already has a handler."""
    if "locust.main" not in sys.modules or signal.getsignal(signal.SIGINT) is not signal.default_int_handler:
        return
    headless = "--headless" in sys.argv or os.environ.get("LOCUST_HEADLESS", "").lower() in ("1", "true", "yes")

    def leave(_number: int, _frame: object) -> None:
        raise SystemExit(int(ExitCode.STOPPED) if headless else INTERRUPTED)

    with suppress(ValueError):  # not in the main thread
        signal.signal(signal.SIGINT, leave)
