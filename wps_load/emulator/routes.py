"""Paths -> operations. Pure.

A web framework's router accepts no braces in a name, and its paths are case-sensitive; names of Web PubSub may have any
character, and its paths are case-insensitive.
"""

from __future__ import annotations

import re
from collections.abc import Container, Iterable, Mapping
from typing import Generic, NamedTuple, TypeVar
from urllib.parse import unquote

Operation = TypeVar("Operation")
_SLASH = re.compile("(%2[fF])")


class NoRoute(Exception):
    """404: there is no such path; 405: not with this method, but with one of `allowed`."""

    def __init__(self, status: int, allowed: tuple[str, ...] = ()) -> None:
        super().__init__(status)
        self.status = status
        self.allowed = allowed


class Parts:
    """The names in a path, as written there."""

    def __init__(self, raw: Mapping[str, str]) -> None:
        self._raw = raw

    def __contains__(self, name: str) -> bool:
        return name in self._raw

    def name(self, name: str, known: Container[str] = ()) -> str:
        """A decoded segment.

        If it contains `%2F`, the name with the `%2F` if it is among the `known` ones, else the one with the slash: by
        Microsoft's emulator the service keeps the first; the documents mean the second.
        """
        segment = self._raw[name]
        if "%2" in segment:
            kept = "".join(piece if _SLASH.fullmatch(piece) else unquote(piece) for piece in _SLASH.split(segment))
            if kept in known:
                return kept
        return unquote(segment)


class _Row(NamedTuple, Generic[Operation]):
    method: str
    segments: tuple[str, ...]
    operation: Operation


class Routes(Generic[Operation]):
    """Rows of method, path (`/api/hubs/{hub}/:send`) and operation. A slash at the end of a path changes nothing."""

    def __init__(self, rows: Iterable[tuple[str, str, Operation]]) -> None:
        self._by_length: dict[int, list[_Row[Operation]]] = {}
        for method, path, operation in rows:
            segments = tuple(path.strip("/").lower().split("/"))
            self._by_length.setdefault(len(segments), []).append(_Row(method, segments, operation))

    def find(self, method: str, raw_path: str) -> tuple[Operation, Parts]:
        """Raises NoRoute. `raw_path` as it was on the wire."""
        asked = raw_path.removeprefix("/").removesuffix("/").split("/")
        allowed = []
        for row in self._by_length.get(len(asked), ()):
            raw = _match(row.segments, asked)
            if raw is None:
                continue
            if row.method == method:
                return row.operation, Parts(raw)
            allowed.append(row.method)
        raise NoRoute(405, tuple(allowed)) if allowed else NoRoute(404)


def _match(segments: tuple[str, ...], asked: list[str]) -> dict[str, str] | None:
    raw = {}
    for segment, given in zip(segments, asked, strict=True):
        if segment.startswith("{"):
            if not given:
                return None
            raw[segment[1:-1]] = given
        elif segment != given and segment != unquote(given).lower():
            return None
    return raw
