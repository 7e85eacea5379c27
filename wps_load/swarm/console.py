"""A run's lines on the terminal, beside Locust's own output: on standard error, one line at a time."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Sequence
from typing import TextIO

from wps_load.report.closing import Paint, Said
from wps_load.report.live import LiveState, live_line
from wps_load.swarm.quiet import log

PLAIN_EVERY_S = 10
"""Without a terminal, a line each second would fill a CI log, so it has one at this interval and one for each phase."""


class Console:
    """`live` rewrites its own line on a terminal and prints plain lines elsewhere; `say` prints a sentence.

    If nobody can read it (a closed terminal, a pipe whose reader has left) it is quiet, and never raises. Everything
    also goes to Locust's log file and to the Logs of its page.
    """

    def __init__(self, stream: TextIO | None = None) -> None:
        self._stream = stream if stream is not None else sys.stderr
        self._terminal = self._stream is not None and self._stream.isatty()
        self._coloured = self._terminal and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"
        self._plain_printed: tuple[str, int] | None = None

    def say(self, text: str) -> None:
        self._line(text)
        log(text)

    def close(self, lines: Sequence[Said]) -> None:
        """Prints the closing summary, in colour where the terminal shows it."""
        for line in lines:
            self._line(Paint(self._coloured).line(line))
            log(line.text)

    def live(self, state: LiveState) -> None:
        if self._terminal:
            width = shutil.get_terminal_size().columns - 1
            # the cursor goes back to the line's beginning, so that what is logged overwrites it
            self._write(f"\r\x1b[K{live_line(state, width)}\r")
            return
        step = (state.phase, int(state.elapsed_s) // PLAIN_EVERY_S)
        if step != self._plain_printed:
            self._plain_printed = step
            self._write(live_line(state, None) + "\n")

    def _line(self, text: str) -> None:
        self._write(f"\r\x1b[K{text}\n" if self._terminal else f"{text}\n")

    def _write(self, text: str) -> None:
        stream = self._stream
        if stream is None:
            return
        try:
            stream.write(text)
            stream.flush()
        except UnicodeEncodeError:
            plain = text.encode(stream.encoding or "ascii", "replace").decode(stream.encoding or "ascii")
            stream.write(plain)
            stream.flush()
        except (OSError, ValueError):  # ValueError: it is closed
            self._terminal = False
