"""A master asks its workers before a run; a client that does not answer is not a worker."""

from __future__ import annotations

import platform
from typing import Any

import pytest

from tests.swarm.locust_nodes import Message, Node, Nodes
from wps_load.errors import ConfigError, Fault
from wps_load.swarm import rehearsal
from wps_load.swarm.orders import Order
from wps_load.swarm.rehearsal import Rehearsal, Rehearsed
from wps_load.swarm.room import Room


class Wire:
    """A master's runner and its workers', joined by calls."""

    def __init__(self) -> None:
        self.clients = Nodes()
        self.workers: dict[str, WorkerEnd] = {}
        self.handlers: dict[str, Any] = {}
        self.sent: list[tuple[str, Any, str]] = []

    def register_message(self, kind: str, handler: Any) -> None:
        self.handlers[kind] = handler

    def get_worker_index(self, worker: str) -> int:
        return list(self.clients).index(worker)

    def send_message(self, kind: str, data: Any, worker: str) -> None:
        self.sent.append((kind, data, worker))
        if worker in self.workers:
            self.workers[worker].handlers[kind](environment=None, msg=Message(data, worker))

    def ready(self, worker: str, state: str = "ready") -> None:
        self.clients[worker] = Node(worker, state)


class WorkerEnd:
    def __init__(self, wire: Wire, name: str) -> None:
        wire.ready(name)
        wire.workers[name] = self
        self.wire, self.name = wire, name
        self.handlers: dict[str, Any] = {}
        self.told: list[list[str]] = []

    def register_message(self, kind: str, handler: Any) -> None:
        self.handlers[kind] = handler

    def send_message(self, kind: str, data: Any) -> None:
        self.wire.handlers[kind](environment=None, msg=Message(data, self.name))


def nobody_unfit(name: str, fault: str | None) -> None:
    assert fault is None, f"{name} came late: {fault}"


def worker(wire: Wire, name: str, *faults: Fault) -> WorkerEnd:
    end = WorkerEnd(wire, name)

    def judge(order: Any, options: Any) -> Room:
        assert (order["target"], options) == ("emulator", {"wps_rate": "5"})
        if faults:
            raise ConfigError(list(faults))
        return Room(name, f"host {name}", 1024, None, 28_232, 1, None, None)

    Rehearsed(end, judge, end.told.append)
    return end


ORDER: Order = {
    "target": "emulator",
    "shown": "embedded emulator",
    "needs": "",
    "emulator": "",
    "public": "",
    "endpoint": "",
    "credential": "",
    "network": "n",
    "seed": 1,
    "traits": {},
    "mix": None,
    "users": 10,
}
OPTIONS = {"wps_rate": "5"}


@pytest.fixture
def wire(monkeypatch: pytest.MonkeyPatch) -> Wire:
    monkeypatch.setattr(rehearsal, "ANSWER_NS", 50_000_000)
    return Wire()


def test_all_are_fit(wire: Wire) -> None:
    master = Rehearsal(wire, nobody_unfit)
    ends = [worker(wire, name) for name in ("a", "b")]
    assert master.faults(ORDER, OPTIONS) == ([], [])
    assert master.faults(ORDER, OPTIONS) == ([], []), "asked anew for each run"
    assert [end.told for end in ends] == [[[], []], [[], []]]
    assert sorted(room.host for room in master.rooms()) == ["host a", "host b"], "each once, whenever asked"


def test_each_unfit_worker_is_named_with_what_it_lacks(wire: Wire) -> None:
    master = Rehearsal(wire, nobody_unfit)
    worker(wire, "a")
    unfit = worker(wire, "b", Fault("--wps-client-url", None, "none"), Fault("--wps-ca-file", "x", "a file"))
    worker(wire, "c", Fault("--wps-ca-file", "x", "a file"))
    (first, second), silent = master.faults(ORDER, OPTIONS)
    assert first.startswith("worker 1 on ")
    assert "--wps-client-url" in first
    assert ("worker 1 on " in second, ", worker 2 on " in second) == (True, True), "what several lack is said once"
    assert silent == []
    assert len(unfit.told[0]) == 2, "and it says so itself"


def test_an_order_of_another_version_is_refused_in_a_sentence(wire: Wire) -> None:
    Rehearsal(wire, nobody_unfit)
    end = worker(wire, "a")
    wire.send_message("wps_rehearse", {"number": 1, "order": {}, "options": {}}, "a")
    assert end.told == [["an order from another version of wps-load arrived: master and workers need the same version"]]


def test_a_stranger_is_told_nothing_and_is_not_a_worker(wire: Wire) -> None:
    master = Rehearsal(wire, nobody_unfit)
    worker(wire, "a")
    wire.ready("stranger")
    wire.ready("gone", state="missing")
    unfit, (sentence,) = master.faults(ORDER, OPTIONS)
    assert unfit == []
    assert "worker stranger does not answer" in sentence
    assert {to for _, _, to in wire.sent} == {"a"}


def test_an_answer_of_an_earlier_run_or_of_a_stranger_does_not_count(wire: Wire) -> None:
    master = Rehearsal(wire, nobody_unfit)
    worker(wire, "a")
    wire.ready("stranger")
    assert master.faults(ORDER, OPTIONS)[1]
    for number, node in ((1, "a"), (2, "stranger")):
        message = Message({"number": number, "faults": []}, node)
        wire.handlers["wps_rehearsed"](environment=None, msg=message)
    wire.handlers["wps_rehearsed"](environment=None, msg=Message(None, "stranger"))
    wire.handlers["wps_present"](environment=None, msg=Message(None, "stranger"))
    assert len(master.faults(ORDER, OPTIONS)[1]) == 1


def test_who_comes_during_a_run_is_asked_as_the_others_were_and_its_room_counts(wire: Wire) -> None:
    admitted: list[tuple[str, str | None]] = []
    master = Rehearsal(wire, lambda name, fault: admitted.append((name, fault)))
    worker(wire, "before")
    assert wire.sent == [], "nobody knows yet what to ask"
    assert master.faults(ORDER, OPTIONS) == ([], [])
    assert admitted == [], "nobody has come late"
    late = worker(wire, "late")
    assert late.told == [[]]
    assert admitted == [("late", None)]
    assert [room.host for room in master.rooms()] == ["host before", "host late"]
    wire.ready("before", state="missing")
    assert [room.host for room in master.rooms()] == ["host late"], "who is gone holds nothing"


def test_who_comes_between_two_runs_is_asked_before_the_next_one(wire: Wire) -> None:
    master = Rehearsal(wire, nobody_unfit)
    worker(wire, "a")
    assert master.faults(ORDER, OPTIONS) == ([], [])
    master.close()
    between = worker(wire, "b", Fault("--wps-ca-file", "x", "a file"))
    assert between.told == [], "the next run may suit it"
    (fault,), silent = master.faults(ORDER, OPTIONS)
    assert "worker 1 on " in fault
    assert (len(between.told), silent) == (1, [])


def test_a_late_worker_that_is_unfit_is_named(wire: Wire) -> None:
    told: list[tuple[str, str | None]] = []
    master = Rehearsal(wire, lambda name, fault: told.append((name, fault)))
    worker(wire, "before")
    assert master.faults(ORDER, OPTIONS) == ([], [])
    worker(wire, "late", Fault("--wps-ca-file", "x", "a file"))
    ((name, sentence),) = told
    assert name == "late"
    assert sentence is not None
    assert sentence.startswith("worker 1 on ")
    assert "--wps-ca-file" in sentence
    assert len(master.rooms()) == 1


def test_a_worker_that_goes_while_it_is_asked_is_missed(wire: Wire) -> None:
    master = Rehearsal(wire, nobody_unfit)
    worker(wire, "a")
    dying = worker(wire, "b")
    dying.handlers["wps_rehearse"] = lambda environment, msg: wire.ready("b", state="missing")
    assert master.faults(ORDER, OPTIONS) == ([], ["worker 1 on " + platform.node() + " has gone before the run began"])
