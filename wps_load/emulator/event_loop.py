"""How the servers of this package start their loop and learn that they must end."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import os
import signal


def use_uvloop() -> None:
    """Installs uvloop if available; asyncio's own loop is slower, but not different."""
    with contextlib.suppress(ImportError):
        import uvloop

        asyncio.set_event_loop_policy(uvloop.EventLoopPolicy())


def calm_the_collector() -> None:
    """Fewer and smaller garbage collections: a pause of the emulator would be measured as the service's latency."""
    gc.freeze()
    gc.set_threshold(100_000, 50, 100)


def wait_for_the_end(*, with_stdin: bool) -> asyncio.Event:
    """An event that SIGTERM and SIGINT set; `with_stdin`: the end of standard input instead of SIGINT.

    A terminal's Ctrl-C reaches the whole process group, but a parent that still drains ends us by closing the pipe.
    """
    ended = asyncio.Event()
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGTERM, ended.set)
    if not with_stdin:
        loop.add_signal_handler(signal.SIGINT, ended.set)
        return ended
    loop.add_signal_handler(signal.SIGINT, lambda: None)

    def readable() -> None:
        if not os.read(0, 4096):
            loop.remove_reader(0)
            ended.set()

    loop.add_reader(0, readable)
    return ended
