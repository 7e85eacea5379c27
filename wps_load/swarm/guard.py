"""An error in an event handler, a message or a greenlet of wps-load ends the run.

Locust logs what a listener raises and goes on, and gevent prints what ends a greenlet. So a run that failed at its
beginning would go on without us, connect nobody, and end with exit code 0.
"""

from __future__ import annotations

import functools
import logging
import traceback
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple

import gevent

from wps_load.errors import ConfigError, ExitCode, WpsLoadError

logger = logging.getLogger(__name__)


_HERE = str(Path(__file__).parents[1])


class Trouble(NamedTuple):
    """Why a run was ended: one sentence, and the exit code that results."""

    sentence: str
    code: ExitCode


def trouble(where: str, error: BaseException) -> Trouble:
    """The sentence for an error in `where`; only a bug of wps-load is logged with its traceback."""
    if isinstance(error, ConfigError):
        return Trouble("; ".join(str(fault) for fault in error.faults), ExitCode.USAGE)
    if isinstance(error, WpsLoadError):
        return Trouble(str(error), ExitCode.INVALID)
    if isinstance(error, OSError):
        name = f" {error.filename}" if error.filename else ""
        return Trouble(f"{where} failed:{name} {error.strerror or type(error).__name__}", ExitCode.INVALID)
    logger.error("%s", "".join(traceback.format_exception(error)))
    return Trouble(f"{where} failed ({type(error).__name__}), which is a bug in wps-load", ExitCode.INVALID)


def guarded(handler: Callable[..., Any], on_trouble: Callable[[Trouble], None]) -> Callable[..., Any]:
    """`handler`, whose exceptions go to `on_trouble` instead of to its caller."""

    @functools.wraps(handler)
    def run(*args: Any, **kwargs: Any) -> Any:
        try:
            return handler(*args, **kwargs)
        except Exception as error:
            on_trouble(trouble(handler.__name__.strip("_"), error))
            return None

    return run


def watch_loop(on_trouble: Callable[[Trouble], None]) -> None:
    """Reports to `on_trouble` what ends a greenlet or a callback in the middle of wps-load's code.

    gevent prints its traceback. A request for the page (its context is a WSGI environment) is not part of a run.
    """
    hub = gevent.get_hub()
    printed = hub.handle_error

    def handle_error(context: Any, kind: Any, value: Any, tb: TracebackType | None) -> None:
        printed(context, kind, value, tb)
        if isinstance(value, Exception) and not isinstance(context, dict) and _is_ours(tb):
            on_trouble(Trouble(f"an error ended a part of the run ({type(value).__name__}), which is a bug in wps-load",
                               ExitCode.INVALID))  # fmt: skip

    hub.handle_error = handle_error


def _is_ours(tb: TracebackType | None) -> bool:
    return any(frame.filename.startswith(_HERE) for frame in traceback.extract_tb(tb))
