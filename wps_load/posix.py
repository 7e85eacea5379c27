"""What Windows lacks of the standard library. There the program ends with one sentence instead of a traceback."""

from __future__ import annotations

import sys

try:
    import resource
except ModuleNotFoundError:
    sys.stderr.write("wps-load: runs on Linux and macOS, and this is neither; on Windows, use WSL 2\n")
    raise SystemExit(2) from None

__all__ = ["resource"]
