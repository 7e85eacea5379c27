"""What a connection is told about the frame that comes next, if somebody knows."""

from __future__ import annotations

from typing import Final, Protocol


class Predicted(Protocol):
    """A frame whose bytes are known before it comes; empty: nobody knows."""

    @property
    def frame(self) -> bytes: ...

    def came(self, arrival_ns: int) -> bool:
        """It has arrived. False: it is to be read as any other."""
        ...


class NothingPredicted:
    """Nobody knows what comes."""

    __slots__ = ()
    frame = b""

    def came(self, arrival_ns: int) -> bool:
        return False


NOTHING: Final = NothingPredicted()
