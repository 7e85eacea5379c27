"""Values that a locustfile passes to a `WebPubSubClient`, checked before anything is sent.

The service would refuse a wrong value (1007, 401, `BadRequest`), and that would count as its failure.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from typing import Final, TypeVar

import orjson

from wps_load.clock import NS_PER_S, now_ns
from wps_load.errors import WrongType, WrongValue
from wps_load.protocol.messages import DataType
from wps_load.protocol.names import text

Callback = TypeVar("Callback")
MAX_MESSAGE_BYTES: Final = 1024 * 1024
"""Azure Web PubSub limits: a message of a client, joined from its frames, envelope included."""


def json_text(data: object) -> str:
    """`data` as JSON text. Raises WrongType, WrongValue."""
    if data is None:
        raise WrongType("data is None; the service accepts no null: send {} or a text")
    try:
        written = orjson.dumps(data)
    except orjson.JSONEncodeError as error:
        raise WrongType(f"data of type {type(data).__name__} is not str, bytes or JSON: {error}") from None
    if b"null" in written:  # what orjson writes for NaN
        _refuse_non_finite(data)
    return written.decode()


def rest_body(data: object) -> tuple[DataType, bytes]:
    """`data` in a REST call's form: str as text, bytes as binary, anything else as JSON.

    Raises WrongType, WrongValue.
    """
    if isinstance(data, str):
        return DataType.TEXT, within_limit(utf8_text(data).encode())
    if isinstance(data, bytes | bytearray | memoryview):
        return DataType.BINARY, within_limit(bytes(data))
    return DataType.JSON, within_limit(json_text(data).encode())


def utf8_text(data: str) -> str:
    """Raises WrongValue."""
    return text(data, "data")


def within_limit(payload: bytes) -> bytes:
    """Checks a message as it goes on the wire. Raises WrongValue."""
    if len(payload) > MAX_MESSAGE_BYTES:
        raise WrongValue(
            f"data makes a message of {len(payload):,} bytes, base64 and envelope included; "
            f"the service takes {MAX_MESSAGE_BYTES:,}"
        )
    return payload


def seconds(timeout: object) -> float:
    """Checks a time limit. Raises WrongType, WrongValue."""
    return at_least(timeout, 0, "timeout")


def at_least(value: object, least: float, name: str) -> float:
    """Checks a number of seconds with a minimum. Raises WrongType, WrongValue."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise WrongType(f"{name} is of type {type(value).__name__}; needed are seconds")
    if not value >= least or math.isinf(value):
        raise WrongValue(f"{name} is {value}; needed are seconds, {least:g} or more")
    return float(value)


def function(callback: Callback) -> Callback:
    """Raises WrongType."""
    if not callable(callback):
        raise WrongType(f"callback is of type {type(callback).__name__}; expected a function")
    return callback


def deadline(timeout: object) -> int | None:
    """The instant at which a time limit that begins now ends; None: no limit. Raises WrongType, WrongValue."""
    return None if timeout is None else now_ns() + int(seconds(timeout) * NS_PER_S)


def _refuse_non_finite(data: object) -> None:
    """Refuses NaN and infinity in JSON values that orjson has accepted: their depth is limited."""
    if isinstance(data, float):
        if not math.isfinite(data):
            raise WrongValue(f"data contains {data}, which JSON cannot express")
    elif isinstance(data, Mapping):
        for value in data.values():
            _refuse_non_finite(value)
    elif isinstance(data, list | tuple):
        for value in data:
            _refuse_non_finite(value)
    elif dataclasses.is_dataclass(data) and not isinstance(data, type):
        for field in dataclasses.fields(data):
            _refuse_non_finite(getattr(data, field.name))
