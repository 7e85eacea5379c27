"""JSON that is checked but not changed: what a publisher wrote reaches its receivers byte for byte. Pure.

A parser that builds values and a writer that prints them again would lose what values cannot represent: large integers,
1.50, 1e400, a duplicate key. `msgspec.Raw` checks a value and hands out its text.
"""

from __future__ import annotations

import json
import re
from itertools import accumulate
from json.decoder import scanstring  # type: ignore[attr-defined]  # in the standard library, not in its stubs
from typing import NoReturn

import msgspec

MAX_DEPTH = 64
"""The depth that .NET's reader accepts; deeper JSON is malformed."""

_check = msgspec.json.Decoder(msgspec.Raw).decode
_STEPS = {ord("["): 1, ord("{"): 1, ord("]"): -1, ord("}"): -1}
_NO_BRACKETS = bytes(set(range(256)) - set(_STEPS))
_SURROGATE = re.compile(rb"\\u[dD][89a-fA-F]")
_SPACE = re.compile(r"[ \t\r\n]*")


def well_formed(text: bytes) -> bool:
    """Whether this is one JSON value in UTF-8, nested no deeper than the service reads."""
    if not is_utf8(text) or is_deep(text, MAX_DEPTH):
        return False
    try:
        _check(text)
    except msgspec.DecodeError:
        return has_surrogates(text) and _loads(text.decode())
    return True


def is_utf8(text: bytes) -> bool:
    """Checks what msgspec does not check in raw text."""
    if text.isascii():
        return True
    try:
        text.decode()
    except UnicodeDecodeError:
        return False
    return True


def is_deep(text: bytes, limit: int) -> bool:
    """Whether objects and lists are nested deeper than `limit`; for invalid JSON the answer may be either."""
    if len(text) <= 2 * limit or not _opens_more_often(text, limit):
        return False
    if b"\\" in text:
        text = text.replace(b"\\\\", b"").replace(b'\\"', b"")
    brackets = b"".join(text.split(b'"')[::2]).translate(None, _NO_BRACKETS)  # every second piece is a string
    return max(accumulate(map(_STEPS.__getitem__, brackets)), default=0) > limit


def _opens_more_often(text: bytes, limit: int) -> bool:
    for bracket in (b"[", b"{"):
        at = text.find(bracket)
        while at >= 0:
            limit -= 1
            if limit < 0:
                return True
            at = text.find(bracket, at + 1)
    return False


def has_surrogates(text: bytes) -> bool:
    """Whether it may contain an escaped half of a surrogate pair: JSON allows a lone one, msgspec does not."""
    return _SURROGATE.search(text) is not None


def members(text: str) -> dict[str, str] | None:
    """The members of an object, each value as written; None if it is not a JSON object. The last duplicate counts.

    Slower than msgspec, but accepts lone surrogates. The depth must have been checked.
    """
    found: dict[str, str] = {}
    at = _skip(text, 0)
    try:
        if text[at] != "{":
            return None
        at = _skip(text, at + 1)
        if text[at] == "}":
            return found if _skip(text, at + 1) == len(text) else None
        while text[at] == '"':
            key, at = scanstring(text, at + 1, True)
            at = _skip(text, at)
            if text[at] != ":":
                return None
            start = _skip(text, at + 1)
            _, at = _lenient.raw_decode(text, start)
            found[key] = text[start:at]
            at = _skip(text, at)
            if text[at] == "}":
                return found if _skip(text, at + 1) == len(text) else None
            if text[at] != ",":
                return None
            at = _skip(text, at + 1)
    except (ValueError, IndexError, StopIteration):
        pass
    return None


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


_lenient = json.JSONDecoder(parse_int=str, parse_float=str, parse_constant=_no_constant)


def _loads(text: str) -> bool:
    try:
        _lenient.decode(text)
    except ValueError:
        return False
    return True


def _skip(text: str, at: int) -> int:
    match = _SPACE.match(text, at)
    assert match is not None
    return match.end()
