"""Locust's program as `wps-load run` starts it, in a process of its own: `python -m wps_load.swarm.program`.

Locust comes first: it must patch the process before anything else is imported.
"""

from __future__ import annotations

import sys

if __name__ == "__main__":
    from locust.main import main

    sys.argv[0] = "wps-load run"  # the program's name in the parser's messages
    main()  # type: ignore[no-untyped-call]
