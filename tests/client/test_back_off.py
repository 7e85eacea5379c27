from __future__ import annotations

import gevent
import pytest

from tests.client.engine_runs import Run, until
from wps_load.emulator.process import EmulatorProcess


@pytest.mark.program
def test_back_offs_end_for_all_who_wait_and_for_nobody_after() -> None:
    with EmulatorProcess.start(faults="refuse=1/1") as refusing:
        run = Run(refusing.connection_string, 5)
        engine = run.engines[0]
        until(lambda: engine.status.settled == 5, "each was refused once")
        waiting = [gevent.spawn(engine.run.back_offs.wait, 60.0) for _ in range(3)]
        gevent.sleep(0)
        engine.run.back_offs.end()
        assert [each.get(timeout=5) for each in waiting] == [True, True, True]
        assert engine.run.back_offs.wait(0.001) is False, "who waits after that waits"
        engine.close()
