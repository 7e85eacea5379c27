"""`-t` counts from the request to start, as Locust's own timer does."""

from __future__ import annotations

from typing import Any

import pytest

from tests.swarm.runs import configured
from wps_load.clock import NS_PER_S, now_ns
from wps_load.settings.run_config import RunConfig
from wps_load.swarm.gate import MasterGate
from wps_load.swarm.guard import Trouble
from wps_load.swarm.reporter import Reporter
from wps_load.swarm.room import EmulatorRoom
from wps_load.swarm.run_plan import time_left_ns


@pytest.mark.parametrize(
    ("run_time_s", "waited_s", "left_s"),
    [(None, 0, None), (0, 0, None), (24, 0, 24), (24, 2, 22), (2.5, 1, 1.5), (3, 5, 0)],
)
def test_what_workers_took_to_answer_is_of_the_run_time(
    run_time_s: float | None, waited_s: int, left_s: float | None
) -> None:
    left_ns = time_left_ns(run_time_s, 7 * NS_PER_S, (7 + waited_s) * NS_PER_S)
    assert left_ns == (None if left_s is None else left_s * NS_PER_S)


class Runner:
    """Locust's, which may start."""

    def __init__(self) -> None:
        self.seen: list[str] = []

    def register_message(self, kind: str, handler: Any) -> None:
        """No worker sends anything."""

    def start(self, user_count: int, spawn_rate: float) -> None:
        self.seen.append("started")


class Unbegun:
    """A process whose run has not begun."""

    environment: Any = None
    asked: Any = None
    reporter: Reporter | None = None
    emulator_room: EmulatorRoom | None = None
    running = False

    def __init__(self, runner: Runner) -> None:
        self.runner: Any = runner

    def ready(self) -> RunConfig:
        return configured()

    def break_off(self, found: Trouble) -> None:
        raise AssertionError(found.sentence)


def test_a_start_is_requested_before_the_workers_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    runner = Runner()
    seen = runner.seen
    gate = MasterGate(Unbegun(runner))

    def workers_answer(*_: Any) -> None:
        seen.append("asked" if gate.asked_ns is not None and gate.asked_ns <= now_ns() else "not asked")

    monkeypatch.setattr(gate, "refusal", workers_answer)
    runner.start(5, 5.0)
    assert seen == ["asked", "started"]
