"""Metadata of messages: string pairs beside the data, from clients, REST callers and event handlers. Pure.

Source: Microsoft's emulator (2026); in no public document yet. A key has the characters of an HTTP token, because
handlers see it as part of a header's name.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from functools import lru_cache
from typing import cast

import orjson

from wps_load.protocol.messages import Metadata

HEADER_PREFIX = "x-webpubsub-metadata-"
MAX_KEY_BYTES = 256
MAX_VALUE_BYTES = 1024
MAX_BYTES = 8 * 1024
_KEY = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_VALUE = re.compile(r"[\t\x20-\x7e]*")


class MetadataError(ValueError):
    """Pairs that the service refuses; the text is one sentence."""


def checked(pairs: Iterable[tuple[object, object]]) -> Metadata:
    """The pairs, if they may travel. Raises MetadataError."""
    found: dict[str, str] = {}
    size = 0
    for key, value in pairs:
        if not isinstance(key, str) or len(key) > MAX_KEY_BYTES or _KEY.fullmatch(key) is None:
            raise MetadataError(f"A metadata key must have 1 to {MAX_KEY_BYTES} characters of an HTTP token.")
        if not isinstance(value, str) or len(value) > MAX_VALUE_BYTES or _VALUE.fullmatch(value) is None:
            raise MetadataError(f"A metadata value must be ASCII text of at most {MAX_VALUE_BYTES} characters.")
        if key in found:
            raise MetadataError("A metadata key comes twice.")
        found[key] = value
        size += len(key) + len(value)
    if size > MAX_BYTES:
        raise MetadataError(f"The metadata is larger than {MAX_BYTES} bytes.")
    return tuple(found.items())


@lru_cache(maxsize=1024)  # a publisher's messages often carry the same
def of_json(text: bytes) -> Metadata:
    """Metadata from a JSON object's text. Raises MetadataError."""
    try:
        pairs = json.loads(text, object_pairs_hook=list)
    except ValueError:
        pairs = None
    if not text.startswith(b"{") or not isinstance(pairs, list):
        raise MetadataError("The metadata must be an object.")
    return checked(cast("list[tuple[object, object]]", pairs))


def of_headers(headers: Iterable[tuple[str, str]]) -> Metadata:
    """Metadata from `X-WebPubSub-Metadata-K: v` headers: lower-case keys, a list's last value. Raises MetadataError."""
    found: dict[str, str] = {}
    for name, value in headers:
        name = name.lower()
        if name.startswith(HEADER_PREFIX):
            found[name.removeprefix(HEADER_PREFIX)] = value.rpartition(",")[2].strip()
    return checked(found.items()) if found else ()


def to_headers(metadata: Metadata) -> dict[str, str]:
    return {HEADER_PREFIX + key.lower(): value for key, value in metadata}


@lru_cache(maxsize=1024)
def to_json(metadata: Metadata) -> bytes:
    return orjson.dumps(dict(metadata))
