"""A task's data by their Python type: how a protocol carries them, and how they are recognised when they come back."""

from __future__ import annotations

from typing import Any, NamedTuple

import orjson

from wps_load.client import api_values
from wps_load.client.outstanding import Key, data_key
from wps_load.protocol.messages import DataMessage, DataType
from wps_load.protocol.traits import Traits


class Written(NamedTuple):
    """`wire`: as the codec needs it. `shown`: as it comes back."""

    data_type: DataType
    wire: object
    shown: object


class TaskData:
    """The conversions for one protocol."""

    def __init__(self, traits: Traits) -> None:
        self._traits = traits

    def written(self, data: Any) -> Written:
        """str as text, bytes as binary, anything else as JSON. Raises WrongType, WrongValue."""
        found = self._typed(data)
        if self._traits.typed or not isinstance(found.wire, str):
            return found if self._traits.typed else found._replace(shown=found.wire)
        return found._replace(shown=found.wire.encode())

    def _typed(self, data: Any) -> Written:
        """As `written`, for protocols whose messages carry the type of their data."""
        if isinstance(data, str):
            return Written(DataType.TEXT, api_values.utf8_text(data), data)
        if isinstance(data, bytes | bytearray | memoryview):
            return Written(DataType.BINARY, bytes(data), bytes(data))
        text = api_values.json_text(data)
        if not self._traits.enveloped:
            return Written(DataType.TEXT, text, text)
        return Written(DataType.JSON, text if self._traits.json_as_text else data, data)

    def read(self, message: DataMessage) -> DataMessage:
        """The message with its JSON as a value; only protobuf clients get it as text from the service."""
        if self._traits.json_as_text and message.data_type == DataType.JSON:
            return message._replace(data=_parsed(message.data))
        return message

    def key(self, group: str | None, written: Written) -> Key:
        """The key by which a copy is recognised."""
        return data_key(group, written.data_type if self._traits.typed else DataType.BINARY, written.shown)

    def keys_of(self, message: DataMessage) -> list[Key]:
        """The keys by which this message may be recognised."""
        group = None if message.source == "server" else message.group  # MQTT's answers come on a topic
        keys = [data_key(group, message.data_type, message.data)]
        if self._traits.json_as_text and message.data_type == DataType.TEXT:
            # the service delivers JSON to protobuf clients as text
            keys.append(data_key(group, DataType.JSON, _parsed(message.data)))
        return keys


def _parsed(data: object) -> object:
    """JSON data of a protobuf message, which are text there; invalid JSON stays as it came."""
    try:
        return orjson.loads(data) if isinstance(data, str) else data
    except orjson.JSONDecodeError:
        return data
