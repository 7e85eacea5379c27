"""Text that a peer chose, made fit to be shown: in a log, on a terminal, in a report."""

from __future__ import annotations

from typing import Final

from wps_load.auth import redact

SHOWN_CHARS: Final = 120
"""The reason of a close frame has 123 bytes at most (RFC 6455 section 5.5); bodies and messages are cut."""


def quote(text: str) -> str:
    """`text` on one line: without secrets and control characters, of at most `SHOWN_CHARS` characters.

    What cannot be printed (escape sequences, directional marks, lone surrogates) becomes a blank.
    """
    printable = "".join(each if each.isprintable() else " " for each in text[: 16 * SHOWN_CHARS])
    shown = redact(" ".join(printable.split()))
    return shown if len(shown) <= SHOWN_CHARS else f"{shown[: SHOWN_CHARS - 1]}…"
