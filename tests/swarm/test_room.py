"""What workers say of their machines, added up: a host counts once, and the one with the least room decides."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import msgpack
import pytest

from tests.swarm.runs import configured
from wps_load.machine import Machine
from wps_load.settings.sources import Locustfile
from wps_load.swarm import room_check
from wps_load.swarm.room import Room, shortage

VM = Room("net a", "vm-a", 1_048_576, 9_000_000, 28_232, 1, None, 32 << 30)
SMALL = Room("net b", "vm-b", 10_000, 9_000_000, 28_232, 1, None, 32 << 30)


@pytest.mark.parametrize(
    ("rooms", "holds", "why"),
    [
        ([VM], 28_232, "local ports: 28,232 for each of 1 source address"),
        ([VM] * 4, 28_232, "local ports: 28,232 for each of 1 source address"),  # of one host: its ports count once
        ([VM, VM._replace(network="net c")], 56_464, "local ports on vm-a"),
        ([VM, VM, SMALL], 30_000, "open files on vm-b: 10,000 for each of 1 process"),  # users are shared out evenly
        ([SMALL] * 2, 20_000, "open files: 10,000 for each of 2 processes"),
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
    for room in (VM, Room.of(Machine(), "n", "h")):
        assert Room.from_wire(msgpack.unpackb(msgpack.packb(room))) == room


@pytest.mark.parametrize("data", [None, [], ["a"], "abcdefgh", ["n", "h", "1", None, None, 1, None, None],
                                  ["n", "h", None, None, None, None, None, None]])  # fmt: skip
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

    def test_a_search_of_users_finds_its_limits_itself(self) -> None:
        config = configured(users=10, capacity="users:10..1000000")
        assert room_check.lacking_growth(config, Locustfile(), [SMALL], 2_000_000) is None


def test_this_machine_says_what_it_has() -> None:
    room = room_check.own_room(replace(configured(users=1), bind=("127.0.0.1", "127.0.0.2")))
    assert room.addresses == 2
    assert room.files
    assert room.network
