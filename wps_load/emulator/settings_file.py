"""The hub settings of `--hub-settings FILE`: read at the start, and again when the file changes."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from pathlib import Path

from wps_load.emulator.hub_settings import ConfiguredHub, HubSettings, SettingsError, parse

POLL_S = 0.5
_Signature = tuple[int, int, int]


class SettingsFile:
    """`current`: the newest usable state of the file. Raises SettingsError, OSError at the start."""

    def __init__(self, path: str, default: ConfiguredHub | None, warn: Callable[[str], None]) -> None:
        self._path = Path(path)
        self._default = default
        self._warn = warn
        self._seen = self._signature()
        self.current: HubSettings = self._read()
        if self.current.has_listeners:
            warn(f"{path}: EventListeners: nothing is sent to Event Hubs; their events are accepted and dropped")

    async def follow(self) -> None:
        """Watches the file until it is cancelled. An unusable state is reported, and changes nothing."""
        while True:
            await asyncio.sleep(POLL_S)
            self.refresh()

    def refresh(self) -> None:
        """Reads the file if it has changed."""
        signature = self._signature()
        if signature == self._seen or signature is None:  # an editor may be about to put it in its place
            return
        self._seen = signature
        try:
            self.current = self._read()
        except (SettingsError, OSError) as error:
            self._warn(f"{error}; the settings before stay in force")
        else:
            self._warn(f"{self._path} was read again")

    def _read(self) -> HubSettings:
        try:
            return parse(self._path.read_text(encoding="utf-8"), self._default)
        except UnicodeDecodeError:
            raise SettingsError(f"{self._path}: it is not UTF-8") from None
        except SettingsError as error:
            raise SettingsError(f"{self._path}: {error}") from None

    def _signature(self) -> _Signature | None:
        try:
            found = os.stat(self._path)
        except OSError:
            return None
        return found.st_mtime_ns, found.st_size, found.st_ino
