"""Before a run, a master asks each worker whether it could play its part.

Does it have the secret, the files, a way to the target, and room for how many connections?

A worker reports that it is present when it has started. A client that sends `client_ready` but never reports is not a
worker of wps-load. A worker that comes during a run is asked what the others were asked. The messages are of this
package's own kind and contain no secret.
"""

from __future__ import annotations

import platform
from collections.abc import Callable
from typing import Any, TypedDict

import gevent

from wps_load.clock import NS_PER_S, now_ns
from wps_load.errors import ConfigError, WpsLoadError
from wps_load.settings.options import OptionValues
from wps_load.swarm import locust_seam, orders
from wps_load.swarm.orders import Order
from wps_load.swarm.room import Room

ANSWER_NS = 5 * NS_PER_S
"""How long a worker may take to start, and to answer."""
_POLL_S = 0.02
_PRESENT, _ASK, _ANSWER = "wps_present", "wps_rehearse", "wps_rehearsed"


class _Question(TypedDict):
    """`number`: repeated in the answer."""

    number: int
    order: Order
    options: OptionValues


class Rehearsal:
    """A master's side. `faults` must be called in a greenlet.

    `late(worker, fault)`: called for a worker that came after the others were asked; the fault is a sentence if it is
    unfit for their run, else None.
    """

    def __init__(self, runner: Any, late: Callable[[str, str | None], None]) -> None:
        self._runner = runner
        self._late = late
        self._number = 0
        """Of the last rehearsal."""
        self._names: dict[str, str] = {}
        """The host names of the workers that are present."""
        self._answers: dict[str, list[str]] = {}
        self._rooms: dict[str, Room] = {}
        self._question: _Question | None = None
        """What a worker that comes now is asked; None: no run is on."""
        self._asking = False
        runner.register_message(_PRESENT, self._on_present)
        runner.register_message(_ANSWER, self._on_answer)

    def faults(self, order: Order, options: OptionValues) -> tuple[list[str], list[str]]:
        """A sentence for each worker that is unfit for the run, and for each that does not answer."""
        self._number += 1
        self._question = {"number": self._number, "order": order, "options": dict(options)}
        self._answers.clear()
        self._rooms.clear()
        self._asking = True
        try:
            asked = self._ask_all()
        finally:
            self._asking = False
        lacking: dict[str, list[str]] = {}
        for worker in sorted(self._answers, key=self._runner.get_worker_index):
            for sentence in self._answers[worker]:
                lacking.setdefault(sentence, []).append(self._name(worker))
        unfit = [f"{', '.join(names)}: {sentence}" for sentence, names in lacking.items()]
        silent = [
            f"{self._name(worker)} does not answer as a worker of wps-load does: end it, or give it the version "
            "of the master"
            for worker in sorted(self._workers() - set(self._answers))
        ]
        gone = sorted(asked - set(self._answers) - self._workers())
        return unfit, silent + [f"{self._name(worker)} has gone before the run began" for worker in gone]

    def close(self) -> None:
        """The run is over: those who come now are asked before the next one."""
        self._question = None

    def _ask_all(self) -> set[str]:
        """Asks each worker and waits for the answers. Returns those that were asked."""
        asked: set[str] = set()
        deadline = now_ns() + ANSWER_NS
        while now_ns() < deadline:
            for worker in self._workers() & set(self._names) - asked:
                asked.add(worker)
                self._runner.send_message(_ASK, self._question, worker)
            if self._workers() | asked <= set(self._answers):
                break
            gevent.sleep(_POLL_S)
        return asked

    def rooms(self) -> list[Room]:
        """The machines of the workers that are alive, as reported when they were last asked."""
        return [room for worker, room in self._rooms.items() if worker in self._workers()]

    def _workers(self) -> set[str]:
        return locust_seam.workers_alive(self._runner)

    def _name(self, worker: str) -> str:
        host = self._names.get(worker)
        return f"worker {worker if host is None else f'{self._runner.get_worker_index(worker)} on {host}'}"

    def _on_present(self, environment: Any, msg: Any, **_: Any) -> None:
        if isinstance(msg.data, dict):
            self._names[msg.node_id] = str(msg.data.get("host"))
            if self._question is not None and not self._asking:
                self._runner.send_message(_ASK, self._question, msg.node_id)

    def _on_answer(self, environment: Any, msg: Any, **_: Any) -> None:
        worker, data = msg.node_id, msg.data
        if self._question is None or not isinstance(data, dict) or worker not in self._names:
            return
        if data.get("number") != self._question["number"]:
            return
        self._answers[worker] = faults = [str(each) for each in data.get("faults", ())]
        room = Room.from_wire(data.get("room"))
        if room is not None:
            self._rooms[worker] = room if self._asking else room.beside(self._rooms.values())
        if not self._asking:
            self._late(worker, f"{self._name(worker)}: {'; '.join(faults)}" if faults else None)


class Rehearsed:
    """A worker's side.

    `judge(order, options)` returns the room of this machine, and raises ConfigError; `tell(sentences)` informs this
    worker's own user.
    """

    def __init__(
        self, runner: Any, judge: Callable[[Order, OptionValues], Room], tell: Callable[[list[str]], None]
    ) -> None:
        self._runner = runner
        self._judge = judge
        self._tell = tell
        runner.register_message(_ASK, self._on_ask)
        runner.send_message(_PRESENT, {"host": platform.node()})

    def _on_ask(self, environment: Any, msg: Any, **_: Any) -> None:
        faults: list[str] = []
        room: Room | None = None
        try:
            room = self._judge(orders.read(msg.data["order"], Order), msg.data["options"])
        except ConfigError as error:
            faults = [str(fault) for fault in error.faults]
        except (WpsLoadError, OSError) as error:
            faults = [str(error)]
        self._tell(faults)
        self._runner.send_message(_ANSWER, {"number": msg.data["number"], "faults": faults, "room": room})
