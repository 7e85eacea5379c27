"""What goes wrong inside an event handler ends the run.

Locust logs whatever a listener raises and goes on: a run whose beginning failed would go on without us, connect
nobody, and end with exit code 0. So every listener of ours is guarded, and so are the messages between processes.
"""

from __future__ import annotations

import functools
import logging
import traceback
from collections.abc import Callable
from typing import Any, NamedTuple

from wps_load.errors import ConfigError, ExitCode, WpsLoadError

logger = logging.getLogger(__name__)


class Trouble(NamedTuple):
    """Why a run was ended: one sentence, and the exit code that it makes."""

    sentence: str
    code: ExitCode


def trouble(where: str, error: BaseException) -> Trouble:
    """What a person is told of an error in `where`; a bug of ours is logged with its traceback, nothing else is."""
    if isinstance(error, ConfigError):
        return Trouble("; ".join(str(fault) for fault in error.faults), ExitCode.USAGE)
    if isinstance(error, WpsLoadError):
        return Trouble(str(error), ExitCode.INVALID)
    if isinstance(error, OSError):
        name = f" {error.filename}" if error.filename else ""
        return Trouble(f"{where} failed:{name} {error.strerror or type(error).__name__}", ExitCode.INVALID)
    logger.error("%s", "".join(traceback.format_exception(error)))
    return Trouble(f"{where} failed ({type(error).__name__}), which is a bug of wps-load", ExitCode.INVALID)


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
