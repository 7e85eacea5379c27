"""The bytes of a connection's next frame, if they can be predicted."""

from __future__ import annotations

from typing import Final, Protocol


class Predicted(Protocol):
    """A frame whose bytes are known before it arrives; empty: unknown."""

    @property
    def frame(self) -> bytes: ...

    def came(self, arrival_ns: int) -> bool:
        """It has arrived. False: it must be read like any other."""
        ...


class NothingPredicted:
    """Predicts nothing."""

    __slots__ = ()
    frame = b""

    def came(self, arrival_ns: int) -> bool:
        return False


NOTHING: Final = NothingPredicted()
