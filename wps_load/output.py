"""Standard output and error, whatever they are: closed, a pipe whose reader has gone, a full disk, not UTF-8.

What a program says must neither end it nor change its exit code.
"""

from __future__ import annotations

import codecs
import contextlib
import os
import sys
from typing import Final, TextIO

ERRORS: Final = "wps-load"
"""The name of the error handler for characters that an output's encoding does not have."""

_PLAIN: Final = {
    "–": "-", "—": "-", "…": "...", "·": "-", "×": "x", "≥": ">=", "≤": "<=", "µ": "u", "±": "+-", "→": "->",
    "“": '"', "”": '"', "‘": "'", "’": "'", "✓": "ok", "✗": "not ok", "✅": "[ok]", "❌": "[failed]", "⚠": "[!]",
    "\ufe0f": "", "\xa0": " ", "\u202f": " ", "\u2009": " ", "█": "#", "░": ".",
}  # fmt: skip
"""Replacements for characters in a narrower alphabet; any other becomes a question mark."""


def make_tolerant() -> None:
    """Makes standard output and error accept every text from now on. A second call does nothing.

    A closed one (`2>&-`), for which Python has None, becomes a sink.
    """
    codecs.register_error(ERRORS, _plainly)
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is None:
            setattr(sys, name, open(os.devnull, "w", encoding="utf-8"))  # noqa: SIM115  (for good)
        elif stream.errors == "strict" or name == "stdout":
            with contextlib.suppress(AttributeError, ValueError, OSError):  # a test's or a notebook's own stream
                stream.reconfigure(errors=ERRORS)


def _plainly(error: UnicodeError) -> tuple[str, int]:
    assert isinstance(error, UnicodeEncodeError)
    text = error.object[error.start : error.end]
    return "".join(_PLAIN.get(each, "?") for each in text), error.end


def settle() -> str | None:
    """Flushes standard output and error before the process ends, or gives them up.

    Otherwise Python tries once more at its end, complains, and exits with 120. Returns in words why standard output was
    given up; None if everything was written.
    """
    why = None
    for stream in (sys.stdout, sys.stderr):
        reason = _flushed(stream)
        if stream is sys.stdout:
            why = reason
    return why


def _flushed(stream: TextIO) -> str | None:
    try:
        stream.flush()
    except (OSError, ValueError) as error:
        give_up(stream)
        return getattr(error, "strerror", None) or "it is closed"
    return None


def give_up(stream: TextIO) -> None:
    """Discards what is written to this output from now on: nobody can read it any more."""
    with contextlib.suppress(OSError, ValueError, AttributeError):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, stream.fileno())
        os.close(nowhere)
