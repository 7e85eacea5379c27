"""Reads JSON that orjson refuses although its grammar is right (RFC 8259), so that no message ends a connection.

orjson has limits of its own: lone surrogates (an emoji that was cut in two), containers more than 1,024 deep, and
numbers beyond a double's range. If it refuses a text, the text is simplified and read once more; what it refuses then
is not JSON. This is slow, and used only for such texts.
"""

from __future__ import annotations

import re
from typing import Any, Final

import orjson

MAX_DEPTH: Final = 256
"""Deeper containers are read as null: no measurement looks into them."""

_ESCAPE = re.compile(
    rb"\\(?:u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|(?P<lone>u[dD][89a-fA-F][0-9a-fA-F]{2})|.)",
    re.DOTALL,
)
# An unterminated string extends to the end of the text, so each byte is read once, whatever the text.
_TOKEN = re.compile(rb'"(?:[^"\\]|\\.)*+(?:"|\\?\Z)|[\[\]{}]|-?[0-9]+(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?', re.DOTALL)
_LONG_NUMBER: Final = 300
"""A double's range ends at 309 digits."""
_CLOSES: Final = {ord("]"): ord("["), ord("}"): ord("{")}


class NotJson(ValueError):
    """The text is not JSON."""


def loads(payload: bytes) -> Any:
    """The value.

    Lone surrogates become U+FFFD, because UTF-8 cannot represent them; numbers beyond a double's range become null.

    Raises NotJson.
    """
    try:
        return orjson.loads(payload)
    except orjson.JSONDecodeError:
        pass
    try:
        return orjson.loads(_plainer(payload))
    except orjson.JSONDecodeError as error:
        raise NotJson(str(error)) from None


def _plainer(payload: bytes) -> bytes:
    """The same text within orjson's limits. Raises NotJson for brackets that do not match."""
    text = _ESCAPE.sub(lambda found: rb"\ufffd" if found["lone"] else found[0], payload)
    out: list[bytes] = []
    open_brackets = bytearray()
    kept = 0  # up to here the text is in `out`, or omitted
    for token in _TOKEN.finditer(text):
        first = text[token.start()]
        if first in b"[{":
            open_brackets.append(first)
            if len(open_brackets) == MAX_DEPTH + 1:
                out += (text[kept : token.start()], b"null")
        elif first in b"]}":
            if not open_brackets or open_brackets.pop() != _CLOSES[first]:
                raise NotJson("brackets do not match")
            if len(open_brackets) == MAX_DEPTH:
                kept = token.end()
        elif first != 0x22 and len(open_brackets) <= MAX_DEPTH and _is_beyond(token[0]):
            out += (text[kept : token.start()], b"null")
            kept = token.end()
    if open_brackets:
        raise NotJson("brackets do not match")
    out.append(text[kept:])
    return b"".join(out)


def _is_beyond(number: bytes) -> bool:
    return len(number) > _LONG_NUMBER or abs(float(number)) == float("inf")
