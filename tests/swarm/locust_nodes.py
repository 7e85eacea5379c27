"""What a Locust master knows of its workers, and one message, as wps-load reads them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass
class Message:
    """Of Locust."""

    data: Any
    node_id: str


@dataclass
class Node:
    """A worker, as Locust's master knows it."""

    id: str
    state: str = "ready"


class Nodes(dict[str, Node]):
    """The workers by their ids, silent ones too."""

    @property
    def all(self) -> list[Node]:
        return list(self.values())
