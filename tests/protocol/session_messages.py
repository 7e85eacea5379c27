"""Sessions of the JSON subprotocols and the messages that they get."""

from __future__ import annotations

import json

from wps_load.protocol.codecs import CODECS
from wps_load.protocol.frames import Opcode
from wps_load.protocol.session import Session
from wps_load.protocol.session_states import State

TEXT, BINARY = int(Opcode.TEXT), int(Opcode.BINARY)
SECOND = 1_000_000_000


def wire(**fields: object) -> bytes:
    return json.dumps(fields).encode()


def connected(token: str | None = "token-1") -> bytes:
    return wire(type="system", event="connected", connectionId="c1", userId="u1", reconnectionToken=token)


def message(sequence_id: int | None, data: str = "x") -> bytes:
    fields = {"type": "message", "from": "group", "group": "g", "dataType": "text", "data": data}
    return wire(**fields) if sequence_id is None else wire(**fields, sequenceId=sequence_id)


def session_of(name: str) -> Session:
    session = Session(CODECS[name])
    session.receive(TEXT, connected("token-1" if CODECS[name].reliable else None))
    assert session.state is State.CONNECTED
    return session


def acked(payload: bytes | None) -> int | None:
    if payload is None:
        return None
    fields = json.loads(payload)
    assert fields["type"] == "sequenceAck"
    return int(fields["sequenceId"])
