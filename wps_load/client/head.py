"""The head of an HTTP/1.1 response, read from a socket that will speak something else after it."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC
from email.utils import parsedate_to_datetime
from typing import Any

from wps_load.clock import utc_now

MAX_HEAD_BYTES = 64 * 1024
_END = b"\r\n\r\n"


class MalformedHead(Exception):
    """The bytes are no HTTP response, or its head is longer than MAX_HEAD_BYTES."""


@dataclass(frozen=True, slots=True)
class ResponseHead:
    """`headers`: lower-case names; a repeated one is joined by commas (RFC 9110 section 5.3). `raw` ends in a
    blank line.
    """

    status: int
    headers: dict[str, str] = field(repr=False)
    raw: bytes = field(repr=False)

    @classmethod
    def parse(cls, raw: bytes) -> ResponseHead:
        """Raises MalformedHead."""
        lines = raw.decode("latin-1").split("\r\n")
        version, _, rest = lines[0].partition(" ")
        code = rest[:3]
        if not version.startswith("HTTP/1.") or len(code) != 3 or not (code.isascii() and code.isdigit()):
            raise MalformedHead("the answer is not HTTP/1.1")
        headers: dict[str, str] = {}
        for line in lines[1:]:
            name, colon, value = line.partition(":")
            if colon:
                key, value = name.lower(), value.strip()
                headers[key] = f"{headers[key]}, {value}" if key in headers else value
        return cls(int(code), headers, raw)

    @property
    def retry_after_s(self) -> float | None:
        """`Retry-After`, in seconds from now, whether given as seconds or as a date (RFC 9110 section
        10.2.3).
        """
        return parse_retry_after(self.headers.get("retry-after"))


def parse_retry_after(text: str | None) -> float | None:
    """Seconds from now, never negative; None if absent or unreadable."""
    if text is None:
        return None
    if text.isascii() and text.isdigit():
        return float(text)
    try:
        at = parsedate_to_datetime(text)
    except ValueError:
        return None
    if at.tzinfo is None:
        at = at.replace(tzinfo=UTC)
    return max(0.0, (at - utc_now()).total_seconds())


def read_head(sock: Any) -> tuple[ResponseHead, bytes]:
    """The head, and what came behind it. Blocks the greenlet.

    Raises MalformedHead; ConnectionResetError if the peer closes before the head is complete; OSError.
    """
    data = b""
    while (end := data.find(_END)) < 0:
        if len(data) > MAX_HEAD_BYTES:
            raise MalformedHead(f"the answer's head is longer than {MAX_HEAD_BYTES} bytes")
        chunk = sock.recv(16384)
        if not chunk:
            raise ConnectionResetError("closed before the answer was complete")
        data += chunk
        if not data.startswith(b"HTTP/1."[: len(data)]):
            raise MalformedHead("the answer is not HTTP/1.1")
    end += len(_END)
    return ResponseHead.parse(data[:end]), data[end:]
