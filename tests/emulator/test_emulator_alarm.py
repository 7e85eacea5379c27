from __future__ import annotations

import asyncio

import pytest

from wps_load.clock import NS_PER_MS, DeadlineTimer, now_ns
from wps_load.emulator.alarm import Alarm


@pytest.mark.parametrize("timerfd", [True, False])
def test_rings_once_for_the_last_deadline_set_and_not_before_it(timerfd: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    if not timerfd:
        monkeypatch.setattr(DeadlineTimer, "available", staticmethod(lambda: False))

    async def run() -> list[int]:
        rang: list[int] = []
        done = asyncio.Event()

        def ring() -> None:
            rang.append(now_ns())
            done.set()

        alarm = Alarm(asyncio.get_running_loop(), ring)
        deadline_ns = now_ns() + 5 * NS_PER_MS
        alarm.set(deadline_ns + 10_000 * NS_PER_MS)
        alarm.set(deadline_ns)
        alarm.set(None)
        await asyncio.wait_for(done.wait(), 5)
        alarm.close()
        return [at - deadline_ns for at in rang]

    [late_ns] = asyncio.run(run())
    # asyncio's own timers may ring up to one clock resolution early
    assert late_ns > -NS_PER_MS if not timerfd else late_ns >= 0
