"""How master and workers talk: each message arrives as it was sent, what goes wrong in one ends the run."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import orjson
import pytest

from tests.swarm.locust_nodes import Message, Node, Nodes
from wps_load.errors import ExitCode
from wps_load.swarm.bus import LOCAL_AGENT, LocalBus, MasterBus, WorkerBus
from wps_load.swarm.guard import Trouble
from wps_load.swarm.messages import Claim, ClockRequest, Failed, Rate, ToAgent, ToCoordinator

RUN = 7


@dataclass
class Master:
    """Locust's runner: `workers` get what it sends, as plain data."""

    clients: Nodes = field(default_factory=Nodes)
    handlers: dict[str, Any] = field(default_factory=dict)
    workers: dict[str, Worker] = field(default_factory=dict)

    def register_message(self, kind: str, handler: Any) -> None:
        self.handlers[kind] = handler

    def send_message(self, kind: str, data: Any, worker: str) -> None:
        self.workers[worker].handlers[kind](environment=None, msg=Message(orjson.loads(orjson.dumps(data)), "master"))


@dataclass
class Worker:
    master: Master
    client_id: str
    handlers: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.master.clients[self.client_id] = Node(self.client_id)
        self.master.workers[self.client_id] = self

    def register_message(self, kind: str, handler: Any) -> None:
        self.handlers[kind] = handler

    def send_message(self, kind: str, data: Any) -> None:
        plain = orjson.loads(orjson.dumps(data))
        self.master.handlers[kind](environment=None, msg=Message(plain, self.client_id))


class Swarm:
    """A master and two workers, each with its end of the bus."""

    def __init__(self) -> None:
        self.runner = Master()
        self.troubles: list[Trouble] = []
        self.heard: list[tuple[str, int, ToCoordinator]] = []
        self.told: dict[str, list[ToAgent]] = {"a": [], "b": []}
        self.master = MasterBus(self.runner, self.troubles.append)
        self.master.on_coordinator = lambda agent, run, message: self.heard.append((agent, run, message))
        self.ends = {name: WorkerBus(Worker(self.runner, name), self.troubles.append) for name in self.told}
        for name, end in self.ends.items():
            end.on_agent = self.told[name].append


def test_a_worker_is_heard_by_its_name_with_the_number_of_its_run() -> None:
    swarm = Swarm()
    swarm.ends["b"].to_coordinator(RUN, Claim(3))
    assert swarm.heard == [("b", RUN, Claim(3))]


def test_what_goes_to_all_goes_to_those_that_are_not_heard_of_too_and_they_are_not_alive() -> None:
    swarm = Swarm()
    swarm.runner.clients["a"].state = "missing"
    swarm.master.to_agents(Rate(5, 10))
    swarm.master.to_agents(ClockRequest(1), "b")
    swarm.master.to_agents(ClockRequest(1), "who has never come")
    assert swarm.told == {"a": [Rate(5, 10)], "b": [Rate(5, 10), ClockRequest(1)]}
    assert swarm.master.agents() == {"b"}
    assert swarm.ends["a"].agents() == {"a"}


def test_what_a_worker_could_not_do_is_trouble_of_the_run_and_no_message() -> None:
    swarm = Swarm()
    swarm.ends["a"].to_coordinator(0, Failed("no room", ExitCode.USAGE))
    assert (swarm.troubles, swarm.heard) == ([Trouble("no room", ExitCode.USAGE)], [])


def test_a_message_of_another_version_is_trouble_instead_of_an_error_in_locusts_log() -> None:
    swarm = Swarm()
    swarm.runner.handlers["wps_to_coordinator"](None, Message({"run": RUN, "message": ["Unheard of", 1]}, "a"))
    swarm.runner.workers["a"].handlers["wps_to_agent"](None, Message(["Unheard of", 1], "master"))
    assert [each.code for each in swarm.troubles] == [ExitCode.INVALID] * 2
    assert all("same version" in each.sentence for each in swarm.troubles)


def test_an_error_of_who_hears_is_trouble_too() -> None:
    swarm = Swarm()

    def fails(message: ToAgent) -> None:
        raise KeyError("a bug")

    swarm.ends["a"].on_agent = fails
    swarm.master.to_agents(Rate(5, 10))
    assert len(swarm.troubles) == 1
    assert swarm.told["b"] == [Rate(5, 10)], "the others hear it"


def test_nobody_listens_yet() -> None:
    swarm = Swarm()
    swarm.master.on_coordinator = swarm.ends["a"].on_agent = None
    swarm.ends["b"].to_coordinator(RUN, Claim(3))
    swarm.master.to_agents(Rate(5, 10))
    local = LocalBus()
    local.to_coordinator(RUN, Claim(3))
    local.to_agents(Rate(5, 10))
    assert (swarm.heard, swarm.troubles, swarm.told["b"]) == ([], [], [Rate(5, 10)])


def test_in_one_process_both_ends_are_one() -> None:
    heard: list[tuple[str, int, ToCoordinator]] = []
    told: list[ToAgent] = []
    local = LocalBus()
    local.on_coordinator = lambda agent, run, message: heard.append((agent, run, message))
    local.on_agent = told.append
    local.to_coordinator(RUN, Claim(1))
    local.to_agents(Rate(5, 10), "whoever")
    local.report_to_locust()
    assert (heard, told, local.agents()) == ([(LOCAL_AGENT, RUN, Claim(1))], [Rate(5, 10)], {LOCAL_AGENT})


@pytest.mark.parametrize(
    "impossible",
    [
        lambda swarm: swarm.master.to_coordinator(RUN, Claim(1)),
        lambda swarm: swarm.master.report_to_locust(),
        lambda swarm: swarm.ends["a"].to_agents(Rate(5, 10)),
    ],
    ids=["a master's agent", "a master's master", "a worker's coordinator"],
)
def test_what_an_end_does_not_have_nobody_talks_to(impossible: Any) -> None:
    with pytest.raises(AssertionError):
        impossible(Swarm())
