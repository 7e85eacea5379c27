"""Removes Locust's tables and log from the terminal if our line and summary replace them (`--only-summary`)."""

from __future__ import annotations

import logging
from typing import Any

from wps_load.swarm.kinds import is_ours

_TABLES = "locust.stats_logger"
_CONSOLE = "console"
"""The name of Locust's handler for standard error; `--logfile` and the page have handlers of their own."""


def keep_quiet(environment: Any) -> None:
    """Must be called in the process that conducts, before Locust starts its table.

    If other people's users take part, whose requests only Locust's tables show, the final tables remain.
    """
    options = environment.parsed_options
    if not options.only_summary:
        return
    if options.wps_table:
        options.only_summary = False
        return
    if all(map(is_ours, environment.user_classes)):
        logging.getLogger(_TABLES).setLevel(logging.WARNING)
    for handler in logging.getLogger().handlers:
        if handler.name == _CONSOLE:
            handler.setLevel(max(handler.level, logging.WARNING))


def log(text: str) -> None:
    """Writes a line to Locust's log file and the page's Logs; standard error has it already."""
    logger = logging.getLogger("wps_load")
    record = logger.makeRecord(logger.name, logging.INFO, "", 0, "%s", (text,), None)
    for handler in logging.getLogger().handlers:
        if handler.name in ("file", "log_reader") and logger.isEnabledFor(logging.INFO):
            handler.handle(record)
