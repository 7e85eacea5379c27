"""How many users of each kind are requested from Locust, and what it prints beside our lines."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest

from wps_load.swarm.kinds import OurUser, restore_task
from wps_load.swarm.quiet import keep_quiet, log
from wps_load.swarm.run_plan import Expected
from wps_load.swarm.wanted import LocustCrowd


class User:
    """Locust's, as far as it is asked here."""

    fixed_count = 0
    weight: float = 1
    tasks: tuple[Any, ...] | list[Any] = ()

    def live(self) -> None: ...


class Scenario(OurUser, User):
    plays_scenario = True


class Tasks(OurUser, User):
    """Connects, and has tasks of its own."""


class Sender(OurUser, User):
    """Calls REST."""

    connects = False


class Foreign(User):
    weight = 3


class Fixed(User):
    fixed_count = 4


@dataclass
class Runner:
    """Locust's runner: the requested users, and those that it has dispatched."""

    user_classes: list[type]
    target_user_count: int | None = None
    target_user_classes_count: dict[str, int] | None = None
    spawn_rate: float | None = None


def crowd(runner: Runner) -> LocustCrowd:
    return LocustCrowd(runner, lambda: 7.0)


def test_users_that_are_there_by_kind() -> None:
    counts = {"Scenario": 5, "Tasks": 3, "Sender": 2, "Foreign": 1}
    runner = Runner([Scenario, Tasks, Sender, Foreign], 11, counts)
    assert crowd(runner).expected() == Expected(5, 8, 11)
    assert crowd(Runner([Scenario])).expected() == Expected(0, 0, 0), "before a run"


@pytest.mark.parametrize(
    ("classes", "asked", "counts", "requested"),
    [
        ([Scenario], 10, {"Scenario": 10}, 10),
        ([Scenario], 10, {"Scenario": 4}, 10),  # still on its way, or never
        ([Scenario, Foreign], 8, {"Scenario": 2, "Foreign": 6}, 2),
        ([Scenario, Foreign], 8, {}, 2),  # by weight, one to three
        ([Scenario, Fixed], 10, {}, 6),  # four of a fixed number come first
        ([Scenario, Fixed], 3, {}, 0),
        ([Tasks, Foreign], 8, {}, 0),
        ([Scenario], None, None, 0),
    ],
)
def test_users_that_are_to_play_whether_locust_starts_them_or_not(
    classes: list[type], asked: int | None, counts: dict[str, int] | None, requested: int
) -> None:
    assert crowd(Runner(classes, asked, counts)).requested() == requested


@pytest.mark.parametrize(
    ("classes", "counts", "connections"),
    [
        ([Tasks], {"Tasks": 4}, 10),  # still on its way, or never
        ([Tasks, Sender], {"Tasks": 6, "Sender": 4}, 6),
        ([Tasks, Sender, Scenario], {}, 7),  # by weight
        ([Sender, Foreign], {"Sender": 5, "Foreign": 5}, 0),
    ],
)
def test_users_that_are_to_connect_whether_locust_starts_them_or_not(
    classes: list[type], counts: dict[str, int], connections: int
) -> None:
    assert crowd(Runner(classes, 10, counts)).connections() == connections


@pytest.mark.parametrize(("rate", "found"), [(None, 7.0), (50, 50.0)])
def test_users_a_second_are_what_locust_says_or_the_default(rate: float | None, found: float) -> None:
    assert crowd(Runner([Scenario], spawn_rate=rate)).spawn_rate() == found


@pytest.mark.parametrize(("cls", "tasks"), [(Scenario, 1), (Tasks, 0), (Foreign, 0)])
def test_tags_leave_the_one_task_that_players_live_by(cls: type[User], tasks: int) -> None:
    filtered = type("Filtered", (cls,), {"tasks": []})
    for _ in range(2):
        restore_task(filtered)
    assert len(filtered.tasks) == tasks  # type: ignore[attr-defined]


@dataclass
class Options:
    only_summary: bool = True
    wps_table: bool = False


@dataclass
class Environment:
    user_classes: list[type]
    parsed_options: Options = field(default_factory=Options)


@pytest.fixture
def handlers() -> Iterator[dict[str, logging.Handler]]:
    """Locust's handlers, by name, and the level of its tables, given back at the end."""
    root, tables = logging.getLogger(), logging.getLogger("locust.stats_logger")
    made: dict[str, logging.Handler] = {}
    for name in ("console", "file"):
        made[name] = logging.Handler(logging.INFO)
        made[name].name = name
        root.addHandler(made[name])
    level = tables.level
    tables.setLevel(logging.NOTSET)  # whoever ran before
    yield made
    tables.setLevel(level)
    for handler in made.values():
        root.removeHandler(handler)


@pytest.mark.parametrize(
    ("environment", "console", "tables"),
    [
        (Environment([Scenario]), logging.WARNING, True),
        (Environment([Tasks, Sender]), logging.WARNING, True),
        (Environment([Scenario, Foreign]), logging.WARNING, False),  # whose requests only the tables have
        (Environment([Scenario], Options(only_summary=False)), logging.INFO, False),
        (Environment([Scenario], Options(wps_table=True)), logging.INFO, False),
    ],
    ids=["ours", "ours with tasks and REST", "beside others", "not asked for", "--wps-table"],
)
def test_what_locust_prints_beside_our_line(
    handlers: dict[str, logging.Handler], environment: Environment, console: int, tables: bool
) -> None:
    keep_quiet(environment)
    assert handlers["console"].level == console
    assert handlers["file"].level == logging.INFO, "a log file has all of it"
    assert (logging.getLogger("locust.stats_logger").level == logging.WARNING) is tables
    assert environment.parsed_options.only_summary is (tables or Foreign in environment.user_classes)


def test_our_lines_are_in_the_log_file_and_not_twice_on_the_terminal(handlers: dict[str, logging.Handler]) -> None:
    seen: list[tuple[str, str]] = []
    for name, handler in handlers.items():
        handler.emit = lambda record, name=name: seen.append((name, record.getMessage()))  # type: ignore[method-assign,misc]
    logger = logging.getLogger("wps_load")
    before = logger.level
    logger.setLevel(logging.INFO)
    log("100 % of it")
    logger.setLevel(before)
    assert seen == [("file", "100 % of it")]
