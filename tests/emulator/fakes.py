"""Stand-ins for sockets, and what a JSON client would read from them."""

from __future__ import annotations

from typing import Any

import orjson

from wps_load.emulator.delivery import DirectDelivery, Stats
from wps_load.emulator.hub import RECOVERY_WINDOW_NS, Hub
from wps_load.emulator.hub_connection import HubConnection
from wps_load.emulator.server_frames import ConnectionEnd

CUT = ConnectionEnd(None, "The connection ended.", by_client=False)


class FakeLink:
    def __init__(self) -> None:
        self.open = True
        self.due_ns = 0
        self.waiting = 0
        self.frames: list[bytes] = []
        self.closed: tuple[int, str] | None = None
        self.aborted = False

    def write(self, frame: bytes) -> None:
        if self.open:
            self.frames.append(frame)

    def close(self, code: int, reason: str) -> None:
        self.closed, self.open = (code, reason), False

    def abort(self) -> None:
        self.aborted, self.open = True, False

    def read(self) -> list[dict[str, Any]]:
        """The JSON messages written so far; they are read once."""
        messages = [orjson.loads(payload_of(frame)) for frame in self.frames]
        self.frames.clear()
        return messages


def payload_of(frame: bytes) -> bytes:
    size = frame[1]
    return frame[2:] if size < 126 else frame[4:] if size == 126 else frame[10:]


class HubUnderTest:
    """A hub whose identities are counted and whose farewells are noted."""

    def __init__(self, recovery_window_ns: int = RECOVERY_WINDOW_NS) -> None:
        self.stats = Stats()
        self.gone: list[tuple[str, str]] = []
        self._issued = 0
        self.hub = Hub("bench", DirectDelivery(self.stats), self._new_id, self._note, recovery_window_ns)

    def _new_id(self) -> str:
        self._issued += 1
        return f"token{self._issued}"

    def _note(self, connection: HubConnection, reason: str) -> None:
        self.gone.append((connection.id, reason))
