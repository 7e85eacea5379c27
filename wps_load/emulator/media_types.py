"""Content types of bodies: the kind of data and the encoding. Pure."""

from __future__ import annotations

import re

from wps_load.emulator import raw_json
from wps_load.protocol.messages import DataType

_KINDS = {
    "application/json": DataType.JSON,
    "text/plain": DataType.TEXT,
    "application/octet-stream": DataType.BINARY,
}
_CODECS = {
    "utf-8": "utf-8",
    "us-ascii": "ascii",
    "iso-8859-1": "latin-1",
    "utf-16": "utf-16-le",
    "utf-16le": "utf-16-le",
    "utf-16be": "utf-16-be",
    "utf-32": "utf-32-le",
}
"""Character sets by their registered names; UTF-16 without more is little-endian, as .NET reads it."""

_PARAMETER = re.compile(r'\s*([\w!#$%&\'*+.^`|~-]+)=(?:([\w!#$%&\'*+.^`|~-]+)|"([^"\\]*)")\s*')


class UnsupportedMediaType(ValueError):
    """A content type that the service does not accept."""


class UnreadableBody(ValueError):
    """A body that is not what its content type says; the text is one sentence."""


def read(content_type: str | None, body: bytes) -> tuple[DataType, bytes]:
    """Kind and data, text and JSON in UTF-8. Raises UnsupportedMediaType, UnreadableBody.

    No content type means bytes. Bytes that are not text in their character set are replaced; JSON is passed on
    unchanged.
    """
    if content_type is None:
        return DataType.BINARY, body
    name, charset = _parse(content_type)
    kind = _KINDS.get(name)
    if kind is None:
        raise UnsupportedMediaType
    if kind is not DataType.BINARY and (kind is DataType.TEXT or charset != "utf-8"):
        body = body.decode(charset, "replace").encode()
    if kind is DataType.JSON and not raw_json.well_formed(body):
        raise UnreadableBody("The body is not JSON.")
    return kind, body


def is_json(content_type: str | None) -> bool:
    try:
        return content_type is not None and _parse(content_type)[0] == "application/json"
    except UnsupportedMediaType:
        return False


def _parse(content_type: str) -> tuple[str, str]:
    """The type in lower case, and the codec of its character set."""
    name, *parameters = content_type.split(";")
    codec = "utf-8"
    for parameter in parameters:
        match = _PARAMETER.fullmatch(parameter)
        if match is None:
            raise UnsupportedMediaType
        if match[1].lower() == "charset":
            found = _CODECS.get((match[2] or match[3] or "").lower())
            if found is None:
                raise UnsupportedMediaType
            codec = found
    return name.strip().lower(), codec
