"""Text that a peer chose, made safe to be shown in a log, on a terminal, in a report."""

from __future__ import annotations

from typing import Final

from wps_load.auth import redact

SHOWN_CHARS: Final = 120
"""The reason of a close frame has 123 bytes at most (RFC 6455 section 5.5); bodies and messages are cut."""


def quote(text: str, limit: int = SHOWN_CHARS) -> str:
    """`text` on one line: without secrets and control characters, of at most `limit` characters.

    What cannot be printed (escape sequences, directional marks, lone surrogates) becomes a blank.
    """
    printable = "".join(each if each.isprintable() else " " for each in text[: 16 * limit])
    shown = redact(" ".join(printable.split()))
    return shown if len(shown) <= limit else f"{shown[: limit - 1]}…"
