"""The head of an HTTP/1.1 response, read from a socket that will speak something else after it."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import UTC
from email.utils import parsedate_to_datetime
from typing import Any

from wps_load.clock import utc_now

MAX_HEAD_BYTES = 64 * 1024
MAX_INTERIM = 16
_TLS_ALERT = b"\x15\x03"
MAX_RETRY_AFTER_S = 10 * 366 * 86_400.0
"""Longer waits are cut to this: more digits are a mistake, and no timer accepts them."""
_BLANK_LINE = re.compile(rb"\n\r?\n")


class MalformedHead(Exception):
    """The bytes are not an HTTP response, or its head is longer than MAX_HEAD_BYTES."""


class SpeaksTls(MalformedHead):
    """The bytes are a TLS alert (RFC 8446 section 5.1): the port expects TLS."""


@dataclass(frozen=True, slots=True)
class ResponseHead:
    """`headers`: lower-case names; a repeated one is joined by commas (RFC 9110 section 5.3).

    `raw` ends in a blank line.
    """

    status: int
    headers: dict[str, str] = field(repr=False)
    raw: bytes = field(repr=False)

    @classmethod
    def parse(cls, raw: bytes) -> ResponseHead:
        """Raises MalformedHead."""
        lines = [line.removesuffix("\r") for line in raw.decode("latin-1").split("\n")]
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
        """`Retry-After`, in seconds from now, whether given as seconds or as a date (RFC 9110 section 10.2.3)."""
        return parse_retry_after(self.headers.get("retry-after"))


def parse_retry_after(text: str | None) -> float | None:
    """Seconds from now, never negative; None if absent or unreadable."""
    if text is None:
        return None
    if text.isascii() and text.isdigit():
        return min(float(text), MAX_RETRY_AFTER_S)
    try:
        at = parsedate_to_datetime(text)
        if at.tzinfo is None:
            at = at.replace(tzinfo=UTC)
        return min(max(0.0, (at - utc_now()).total_seconds()), MAX_RETRY_AFTER_S)
    except (ValueError, TypeError, IndexError, OverflowError):  # as the standard library's parser fails on nonsense
        return None


def read_head(sock: Any) -> tuple[ResponseHead, bytes]:
    """The head of the final response, and the bytes after it.

    Blocks the greenlet.

    Interim responses (1xx except 101: RFC 9110 section 15.2) are skipped. A lone line feed ends a line as well (RFC
    9112 section 2.2). Raises MalformedHead; ConnectionResetError if the peer closes before the head is complete;
    OSError.
    """
    data, interim = b"", 0
    while True:
        end = _end(data)
        if end < 0:
            if len(data) > MAX_HEAD_BYTES:
                raise MalformedHead(f"the answer's head is longer than {MAX_HEAD_BYTES} bytes")
            chunk = sock.recv(16384)
            if not chunk:
                raise ConnectionResetError("closed before the answer was complete")
            data += chunk
            if data.startswith(_TLS_ALERT):
                raise SpeaksTls
            if not data.startswith(b"HTTP/1."[: len(data)]):
                raise MalformedHead("the answer is not HTTP/1.1")
            continue
        head, data = ResponseHead.parse(data[:end]), data[end:]
        if head.status >= 200 or head.status == 101:
            return head, data
        interim += 1
        if interim > MAX_INTERIM:
            raise MalformedHead(f"more than {MAX_INTERIM} interim answers")


def _end(data: bytes) -> int:
    """Where the head ends; -1: not yet."""
    found = _BLANK_LINE.search(data)
    return -1 if found is None else found.end()
