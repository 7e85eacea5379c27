"""What workers say of their machines, added up: a host counts once, and the one with the least room decides."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import msgpack
import pytest

from tests.swarm.runs import configured
from wps_load.emulator.process import EmulatorProcess
from wps_load.errors import ExitCode
from wps_load.machine import Machine, hard_open_files
from wps_load.settings.options import OptionValues
from wps_load.settings.run_config import RunConfig
from wps_load.settings.sources import Locustfile
from wps_load.swarm import gate, room_check
from wps_load.swarm.guard import Trouble
from wps_load.swarm.reporter import Reporter
from wps_load.swarm.room import EmulatorRoom, Room, shortage

VM = Room("net a", "vm-a", 1_048_576, 9_000_000, 28_232, 1, None, 32 << 30)
EMULATOR = "Endpoint=http://127.0.0.1:1;AccessKey=c2VjcmV0;Version=1.0;"
AZURE = "Endpoint=https://x.webpubsub.azure.com;AccessKey=c2VjcmV0;Version=1.0;"
SMALL = Room("net b", "vm-b", 10_000, 9_000_000, 28_232, 1, None, 32 << 30)


@pytest.mark.parametrize(
    ("rooms", "holds", "why"),
    [
        ([VM], 28_232, "local ports: 28,232 for each of 1 source address"),
        ([VM] * 4, 28_232, "local ports: 28,232 for each of 1 source address"),  # of one host: its ports count once
        ([VM, VM._replace(network="net c")], 56_464, "local ports on vm-a"),
        ([VM, VM, SMALL], 30_000, "open files on vm-b: 10,000 for each of 1 process"),  # users are shared out evenly
        ([SMALL] * 2, 20_000, "open files: 10,000 for each of 2 processes"),
        (
            [SMALL._replace(files=200, files_taken=25)] * 2,
            350,
            "open files: 175 for each of 2 processes, its limit of 200 less 25 for other files",
        ),
        ([SMALL._replace(files=30, files_taken=40)], 0, "open files: 0 for each of 1 process"),
        # the process with the fewest free files decides, whatever its limit
        (
            [SMALL._replace(files_taken=9_900), SMALL._replace(files=200)],
            200,
            "open files: 100 for each of 2 processes",
        ),
        ([VM._replace(addresses=20)] * 2, 564_640, "local ports: 28,232 for each of 20 source addresses"),
        ([VM._replace(tracked=5_000)] * 2, 5_000, "conntrack"),
        ([VM._replace(memory_bytes=153_000_000)], 10_000, "memory"),
        ([SMALL._replace(files_left=900)] * 2, 900, "files: of all processes together"),
    ],
)
def test_a_run_fits_up_to_the_figure_and_not_beyond(rooms: list[Room], holds: int, why: str) -> None:
    assert shortage(holds, rooms) is None
    said = shortage(holds + len(rooms), rooms)
    assert said is not None
    assert f" {holds:,} at most ({why}" in said
    assert ("add workers on other hosts" in said) is (len(rooms) > 1)


@pytest.mark.parametrize(
    ("users", "rooms", "fits"),
    [
        (201, [SMALL._replace(files=100)] * 2, False),  # one of the two gets 101
        (400, [SMALL._replace(files=100), VM, VM, VM], True),
        (403, [SMALL._replace(files=100), VM, VM, VM], True),  # perhaps the other three get one more each
        (404, [SMALL._replace(files=100), VM, VM, VM], False),
    ],
)
def test_what_is_refused_surely_does_not_fit(users: int, rooms: list[Room], fits: bool) -> None:
    assert (shortage(users, rooms) is None) is fits


@pytest.mark.parametrize(
    ("users", "emulator", "who"),
    [
        (186, EmulatorRoom(200, 14), None),
        (187, EmulatorRoom(200, 14), "the embedded emulator holds 186 at most (open files: its limit of 200 less 14 "),
        (1, EmulatorRoom(10, 14), "the embedded emulator holds 0 at most"),
        (10_001, EmulatorRoom(9_000, 0), "the embedded emulator holds 9,000 at most"),  # who holds less is named
        (20_000, EmulatorRoom(15_000, 0), "this process holds 10,000 at most"),
        (20_000, None, "this process holds 10,000 at most"),
    ],
)
def test_the_embedded_emulator_has_a_limit_of_its_own(
    users: int, emulator: EmulatorRoom | None, who: str | None
) -> None:
    said = shortage(users, [SMALL], emulator=emulator)
    assert (said is None) is (who is None)
    if said is not None and who is not None:
        assert who in said
        assert "ulimit -Hn" in said
        assert ("use fewer users" in said) is who.startswith("the embedded")


def test_flows_of_a_vm_are_not_a_reason_to_refuse() -> None:
    roomy = VM._replace(addresses=1_000, memory_bytes=1 << 50)
    assert shortage(1_000_000, [roomy]) is None


def test_a_service_with_several_addresses_takes_as_many_times_the_ports() -> None:
    assert shortage(60_000, [VM], targets=3) is None
    assert shortage(60_000, [VM], targets=None) is None, "unknown is no reason to refuse"
    assert shortage(2_000_000, [VM], targets=None) is not None, "files are known all the same"


def test_who_says_nothing_stands_in_nobodys_way() -> None:
    assert shortage(10**9, [Room("x", "x", None, None, None, 1, None, None)]) is None


def test_it_travels_as_plain_data() -> None:
    for room in (VM, Room.of(Machine(), "n", "h"), Room.of(Machine(files=200, files_taken=25), "n", "h")):
        assert Room.from_wire(msgpack.unpackb(msgpack.packb(room))) == room


@pytest.mark.parametrize("data", [None, [], ["a"], "abcdefghi", ["n", "h", "1", None, None, 1, None, None, 0],
                                  ["n", "h", None, None, None, None, None, None, 0],
                                  ["n", "h", None, None, None, 1, None, None, None]])  # fmt: skip
def test_what_is_not_a_room_is_nothing(data: Any) -> None:
    assert Room.from_wire(data) is None


@pytest.fixture
def resolver(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The target's name has two addresses; how often it was asked for them."""
    asked: list[int] = []

    def targets(config: Any) -> int:
        asked.append(1)
        return 2

    monkeypatch.setattr(room_check, "_targets", targets)
    return asked


@pytest.mark.usefixtures("resolver")
class TestJudged:
    def test_the_name_is_asked_only_where_one_address_is_not_enough(self, resolver: list[int]) -> None:
        assert room_check.lacking_room(configured(users=28_232), Locustfile(), [VM]) is None
        assert resolver == []
        assert room_check.lacking_room(configured(users=56_464), Locustfile(), [VM]) is None
        assert "56,465 connections do not fit" in str(
            room_check.lacking_room(configured(users=56_465), Locustfile(), [VM])
        )

    @pytest.mark.parametrize(
        "locustfile", [Locustfile(plays_scenario=False), Locustfile(other_users=True), Locustfile(shape="Mine")]
    )
    def test_of_other_peoples_users_nobody_knows(self, locustfile: Locustfile) -> None:
        assert room_check.lacking_room(configured(users=10**6), locustfile, [VM]) is None

    def test_a_search_finds_its_limits_itself(self) -> None:
        config = configured(users=10, capacity="users:10..1000000")
        assert room_check.lacking_room(config, Locustfile(), [VM]) is None

    def test_without_workers_there_is_nothing_to_add_up(self) -> None:
        assert room_check.lacking_room(configured(users=10**6), Locustfile(), []) is None


@pytest.mark.parametrize(
    ("late", "left"),
    [
        (VM._replace(files_left=1, tracked=2, memory_bytes=3), VM),  # what the run uses itself is not used twice
        (SMALL._replace(files_left=1, tracked=2, memory_bytes=3), None),  # nobody of the run is on its host
    ],
)
def test_a_worker_that_comes_late_does_not_count_what_the_run_uses(late: Room, left: Room | None) -> None:
    found = late.beside([VM])
    expected = late if left is None else left
    assert (found.files_left, found.tracked, found.memory_bytes) == (
        expected.files_left, expected.tracked, expected.memory_bytes,
    )  # fmt: skip
    assert (found.network, found.files, found.ports) == (late.network, late.files, late.ports)


@pytest.mark.usefixtures("resolver")
class TestGrowing:
    """A run that is on: Edit, a key, or a shape asks for more users."""

    @pytest.mark.parametrize(
        ("locustfile", "wanted", "rooms", "refused"),
        [
            (Locustfile(), 20_000, [SMALL], True),
            (Locustfile(), 10_000, [SMALL], False),
            (Locustfile(), 20_000, [SMALL, SMALL], False),  # one came late
            (Locustfile(), 20_000, [], False),  # nobody knows
            (Locustfile(), 9_000, [SMALL._replace(files=100)], False),  # judged before the run: fewer are there now
            (Locustfile(shape="Mine"), 9_000, [SMALL._replace(files=100)], True),  # of a shape nobody knew before
            (Locustfile(other_users=True), 20_000, [SMALL], False),
            (Locustfile(plays_scenario=False), 20_000, [SMALL], False),
        ],
    )
    def test_what_cannot_fit_is_refused(
        self, locustfile: Locustfile, wanted: int, rooms: list[Room], refused: bool
    ) -> None:
        said = room_check.lacking_growth(configured(users=9_500), locustfile, rooms, wanted)
        assert (said is not None) is refused
        if said is not None:
            assert said.startswith(f"{wanted:,} connections do not fit: this process holds {rooms[0].files:,} at most")

    def test_the_embedded_emulator_counts_only_while_it_is_the_target(self) -> None:
        embedded, other = configured(users=9_500), configured(users=9_500, connection_string=AZURE)
        assert embedded.target.is_emulator
        assert not other.target.is_emulator
        for config, refused in ((embedded, True), (other, False)):
            said = room_check.lacking_growth(config, Locustfile(), [SMALL], 9_900, EmulatorRoom(9_700, 14))
            assert (said is not None) is refused
            begun = room_check.lacking_room(config, Locustfile(), [SMALL], EmulatorRoom(9_000, 14))
            assert (begun is not None) is refused

    def test_a_search_of_users_finds_its_limits_itself(self) -> None:
        config = configured(users=10, capacity="users:10..1000000")
        assert room_check.lacking_growth(config, Locustfile(), [SMALL], 2_000_000) is None


def test_this_machine_says_what_it_has() -> None:
    room = room_check.own_room(replace(configured(users=1), bind=("127.0.0.1", "127.0.0.2")))
    assert room.addresses == 2
    assert room.files
    assert room.network


def test_a_process_counts_the_files_that_it_has_open() -> None:
    before = room_check.own_room(configured(users=1)).files_taken
    opened = os.pipe()
    try:
        assert room_check.own_room(configured(users=1)).files_taken == before + len(opened)
    finally:
        for descriptor in opened:
            os.close(descriptor)


@pytest.mark.program
def test_the_files_of_the_embedded_emulator_are_counted_in_its_process() -> None:
    with EmulatorProcess.start() as emulator:
        room = room_check.emulator_room(emulator.pid)
    assert room.files == hard_open_files()
    assert 3 < room.taken < 100


class FitWorkers:
    """Workers that are fit for any run, with the room of one small host."""

    def __init__(self, *_: Any) -> None:
        """Locust's runner is not needed."""

    def faults(self, *_: Any) -> tuple[list[str], list[str]]:
        return [], []

    def rooms(self) -> list[Room]:
        return [SMALL, SMALL]

    def close(self) -> None:
        """Nothing was asked."""


class Prepared:
    """A master whose run is prepared; it is its own `asked` and Locust's runner."""

    environment: Any = None
    reporter: Reporter | None = None
    running = False
    locustfile = Locustfile()

    def __init__(self, emulator_room: EmulatorRoom | None) -> None:
        self.emulator_room = emulator_room
        self.values: OptionValues = {}
        self.asked: Any = self
        self.runner: Any = self

    def traits(self, config: RunConfig) -> Mapping[str, object]:
        return {}

    def start(self, *_: Any) -> None:
        """Locust's start of the run."""

    def ready(self) -> RunConfig:
        return configured()

    def break_off(self, found: Trouble) -> None:
        raise AssertionError(found.sentence)


@pytest.mark.parametrize(("free", "refused"), [(9_500, False), (9_499, True)])
def test_a_master_refuses_a_run_that_its_embedded_emulator_cannot_hold(
    free: int, refused: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gate, "Rehearsal", FitWorkers)
    master = gate.MasterGate(Prepared(EmulatorRoom(free + 14, 14)))
    found = master.refusal(configured(users=9_500).with_emulator(EMULATOR))
    assert (found is not None) is refused
    if found is not None:
        assert found.code is ExitCode.USAGE
        assert found.sentence.startswith("9,500 connections do not fit: the embedded emulator holds 9,499 at most")
