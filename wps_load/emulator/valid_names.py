"""The names that the service accepts."""

from __future__ import annotations

import re
from functools import lru_cache

_EVENT = re.compile(r"[a-z][a-z0-9_.-]{0,127}", re.IGNORECASE | re.ASCII)
MAX_GROUP_CHARACTERS = 1024


@lru_cache(maxsize=4096)  # called for each message
def valid_group(group: str) -> bool:
    """1 to 1,024 characters (UTF-16 units), not only white space; case counts."""
    if not group or len(group) > MAX_GROUP_CHARACTERS or group.isspace():
        return False
    beyond_the_bmp = 0 if group.isascii() else sum(char > "\uffff" for char in group)
    return len(group) + beyond_the_bmp <= MAX_GROUP_CHARACTERS


def valid_event(event: str) -> bool:
    return _EVENT.fullmatch(event) is not None
