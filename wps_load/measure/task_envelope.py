"""How a measured message of a task carries its stamp, and how the stamp is removed: the receiver gets only the data.

Text begins with `wps:`, 64 characters and a colon; binary data with `wps:` and 48 bytes. A JSON object gets one more
member, `wps`; any other JSON value becomes the member `data` of such an object. Programs that do not know this, such as
a browser in the same group, see everything.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, NamedTuple
from zlib import crc32

import orjson

from wps_load.measure.task_stamp import (
    JSON,
    RAW_BYTES,
    TEXT_CHARS,
    WRAPPED,
    TaskStamp,
    read_raw,
    read_text,
)

MEMBER: Final = "wps"
VALUE: Final = "data"
_HEAD: Final = "wps:"
_HEAD_BYTES: Final = _HEAD.encode()
_TEXT_AT: Final = len(_HEAD) + TEXT_CHARS
_JSON_HEAD: Final = '{"wps":"'


class Opened(NamedTuple):
    """`data`: as it was sent. `intact`: it is what the stamp was made for."""

    stamp: TaskStamp
    data: Any
    intact: bool


def seal(data: Any, stamp: TaskStamp) -> Any:
    """Adds the stamp to `data` (str, bytes, or a JSON value), with its description of the data."""
    if isinstance(data, str):
        return f"{_HEAD}{stamp._replace(check=crc32(data.encode())).text()}:{data}"
    if isinstance(data, bytes):
        return _HEAD_BYTES + stamp._replace(check=crc32(data)).pack() + data
    wrapped = not isinstance(data, Mapping) or MEMBER in data
    stamp = stamp._replace(flags=stamp.flags | JSON | (WRAPPED if wrapped else 0), check=_json_check(data))
    return {MEMBER: stamp.text(), VALUE: data} if wrapped else {MEMBER: stamp.text(), **data}


def unseal(data: object) -> Opened | None:
    """The data of a measured message; None: it is not one. JSON that arrives as text is returned as text."""
    if isinstance(data, str):
        return _of_text(data)
    if isinstance(data, bytes):
        return _of_bytes(data)
    return _of_json(data) if isinstance(data, dict) else None


def _of_bytes(data: bytes) -> Opened | None:
    """Reads binary data; or text or JSON, which a protocol without data types delivers as bytes (MQTT 3.1.1)."""
    stamp = read_raw(data[4 : 4 + RAW_BYTES]) if data.startswith(_HEAD_BYTES) else None
    if stamp is not None:
        rest = data[4 + RAW_BYTES :]
        return Opened(stamp, rest, crc32(rest) == stamp.check)
    if not data.startswith((_HEAD_BYTES, b"{")):
        return None
    try:
        opened = _of_text(data.decode())
    except UnicodeDecodeError:
        return None
    return None if opened is None else opened._replace(data=opened.data.encode())


def _of_text(text: str) -> Opened | None:
    if text.startswith(_HEAD):
        stamp = read_text(text[len(_HEAD) : _TEXT_AT]) if text[_TEXT_AT : _TEXT_AT + 1] == ":" else None
        rest = text[_TEXT_AT + 1 :]
        return None if stamp is None else Opened(stamp, rest, crc32(rest.encode()) == stamp.check)
    if text[:1] != "{" or f'"{MEMBER}"' not in text:
        return None
    try:
        value = orjson.loads(text)
    except orjson.JSONDecodeError:
        return None
    opened = _of_json(value) if isinstance(value, dict) else None
    if opened is None:
        return None
    return opened._replace(data=_cut(text, opened) or orjson.dumps(opened.data).decode())


def _cut(text: str, opened: Opened) -> str:
    """The original text, if the stamp is at its beginning in our spelling; else empty."""
    if not text.startswith(_JSON_HEAD) or text[len(_JSON_HEAD) + TEXT_CHARS] != '"':
        return ""
    rest = text[len(_JSON_HEAD) + TEXT_CHARS + 1 :]
    if opened.stamp.flags & WRAPPED:
        head = f',"{VALUE}":'
        return rest[len(head) : -1] if rest.startswith(head) else ""
    return "{" + rest.removeprefix(",")


def _of_json(value: dict[str, Any]) -> Opened | None:
    found = value.get(MEMBER)
    stamp = read_text(found) if isinstance(found, str) and len(found) == TEXT_CHARS else None
    if stamp is None:
        return None
    rest = {name: each for name, each in value.items() if name != MEMBER}
    data = rest.get(VALUE) if stamp.flags & WRAPPED else rest
    try:
        intact = _json_check(data) == stamp.check
    except orjson.JSONEncodeError:  # nested deeper than anything that was sent
        intact = False
    return Opened(stamp, data, intact)


def _json_check(data: object) -> int:
    """Equal for equal values, however they are written: 1.0 may come back as 1, and members may change their order."""
    return crc32(orjson.dumps(_plain(orjson.loads(orjson.dumps(data))), option=orjson.OPT_SORT_KEYS))


def _plain(value: Any) -> Any:
    if isinstance(value, float) and value.is_integer() and abs(value) < 1 << 53:
        return int(value)
    if isinstance(value, list):
        return [_plain(each) for each in value]
    if isinstance(value, dict):
        return {name: _plain(each) for name, each in value.items()}
    return value
