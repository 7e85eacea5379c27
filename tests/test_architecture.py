"""The walls of docs/architecture.md, held against the source: each test lists all who break its rule."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path

from tests.source import MODULES, NAMES, TESTS, imported, imports, ours, reached, room, spelled_out, tree_of

LINES = 400

PURE_GROUND = {"errors", "clock", "plurals", "urls", "machine"}
PURE = {*PURE_GROUND, "auth", "protocol", "measure", "workload", "settings", "capacity"}
TOLD_THE_TIME = {"auth", "protocol", "measure", "workload", "settings", "capacity"}
"""Of the clock they take constants only: whoever calls them says what time it is."""
COMMON = {"errors", "clock"}
OF_A_CLIENT = {"machine", "plurals", "posix", "urls", "auth", "protocol", "measure", "workload", "settings"}
OF_A_PROGRAM = {*COMMON, *OF_A_CLIENT, "output", "client", "capacity", "report", "emulator"}
ALLOWED: dict[str, set[str]] = {
    "errors": set(),
    "clock": set(),
    "plurals": set(),
    "posix": set(),
    "urls": set(),
    "machine": {"posix"},
    "output": {"errors"},
    "protocol": COMMON,
    "measure": COMMON,
    "workload": {*COMMON, "protocol.traits"},
    "auth": {*COMMON, "urls", "protocol.traits"},
    "settings": {*COMMON, "plurals", "urls", "auth", "protocol.traits", "measure", "workload"},
    "client": {*COMMON, *OF_A_CLIENT},
    "capacity": {*COMMON, "machine", "plurals", "workload", "settings"},
    "report": {*COMMON, "plurals", "protocol.traits", "measure", "workload", "settings", "capacity"},
    "emulator": {*COMMON, "posix", "auth", "protocol", "workload"},
    "swarm": OF_A_PROGRAM,
    "commands": OF_A_PROGRAM,
    "cli": {"errors", "output", "auth", "commands"},
    "__init__": {"swarm"},  # lazily, for `from wps_load import WebPubSubUser`
}  # fmt: skip
"""Which rooms a room may import; of a room named with a module, that one only."""
SETTINGS_FLOORS = (
    "load",
    "mixed",
    "feasibility",
    "rules",
    "reading",
    "run_config",
    "mix",
    "target",
    "options",
    "sources",
)
"""From the top: a module of the settings reaches, of these, only those behind it."""

CLIENT_FLOORS = (
    {"engine", "ways"},
    {"population_users", "api", "way"},
    {"api_invoke", "api_streams", "api_hearing", "app_server"},
    {"publish_plan", "virtual_user", "cuts", "keepalive_sweep", "api_connector", "inbox", "conversation"},
    {"establish", "link", "api_link", "rest_publisher", "rest_manager"},
    {"hearing", "echo"},
    {"connections", "recovery"},
    {"fragments"},
    {"publisher"},
    {"invoking", "requests", "task_accounts"},
    {"context"},
)
"""From the top: a module of the client reaches only those of the floors behind its own. All others are the ground."""
SWARM_FLOORS = (
    {"webpubsub_user", "app_server_user"},
    {"users"},
    {"install"},
    {"web"},
    {"web_page"},
    {"web_view"},
    {"lifecycle", "populations_view"},
    {"ending", "gate", "preflight", "otel_spans"},
    {"signals", "asked"},
    {"run", "exports", "rehearsal", "sameness"},
    {"prometheus", "pushgateway", "otel_metrics"},
    {"monitored"},
    {"run_state"},
    {"abort", "load_stepper", "reporter", "shapes"},
    {"coordinator", "facts", "populations_now"},
    {"gathering", "families", "population_facts"},
    {"conductor"},
    {"closing_up", "page_guard"},
    {"roster", "agent", "so_far", "secrets"},
    {"clocks", "collector", "slots", "actions", "attendance", "expectations"},
    {"bus", "generator_health", "orders", "players", "pairs", "locust_stats"},
    {"message_wire"},
    {"messages"},
    {"epoch_report"},
)
"""From the top: a module of the swarm reaches only those of the floors behind its own. All others are the ground."""
PURE_MODULES = {
    "swarm": {
        "conductor", "gathering", "roster", "clocks", "corridor", "collector", "pairs", "slots", "messages",
        "message_wire", "facts", "population_facts",
    },
    "emulator": {"hub", "wires", "odata", "hub_settings"},
}  # fmt: skip
"""Of rooms that are not pure. They are told what time it is, and carry nothing out."""
WRITES_OF_OTHERS = {
    "client.publisher: out.seq": "the way of a message: a call less for each",
}
"""What is written to another module's objects in the client's floors, and why it may."""

TWICE_MODULES = {
    "messages": "of the protocols, and of the swarm: each the whole vocabulary of its wire",
}
"""Names of modules that stand twice, and why they may. Those of `commands` are the names of the commands."""

BLOCKING = {"socket", "ssl", "select", "selectors", "gevent", "greenlet", "locust", "asyncio", "aiohttp"}
READS_TIME = {
    "datetime.datetime.now", "datetime.datetime.utcnow", "datetime.datetime.today", "datetime.date.today",
}  # fmt: skip
IMPORTS_BY_TEXT = {"importlib.import_module", "importlib.__import__", "builtins.__import__", "__import__"}
BY_TEXT = {
    "__init__": "names of locustfiles, on first use: the pure rooms work without gevent and Locust",
    "cli": "one command of many, so that `wps-load` answers before all are imported",
    "swarm.otel_metrics": "a part of gRPC, which is installed only with an exporter that uses it",
}
"""Who imports a module by a text, which the walls cannot see, and why it may."""


def circles() -> set[frozenset[str]]:
    """The strongly connected components of more than one module (Tarjan, 1972)."""
    arrows = {name: sorted(ours(path)) for name, path in NAMES.items()}
    index: dict[str, int] = {}
    low: dict[str, int] = {}
    stack: list[str] = []
    found: set[frozenset[str]] = set()

    def visit(name: str) -> None:
        index[name] = low[name] = len(index)
        stack.append(name)
        for other in arrows[name]:
            if other not in index:
                visit(other)
            if other in stack:
                low[name] = min(low[name], low[other])
        if low[name] == index[name]:
            component = set()
            while name not in component:
                component.add(stack.pop())
            if len(component) > 1:
                found.add(frozenset(component))

    for name in arrows:
        if name not in index:
            visit(name)
    return found


def test_arrows_go_one_way() -> None:
    offenders = {
        name: beyond
        for name, path in NAMES.items()
        if (
            beyond := {
                other
                for other in ours(path)
                if not {other, room(other)} & {room(name), *ALLOWED.get(room(name), set())}
            }
        )
    }
    assert offenders == {}


def upward(room_name: str, floors: Iterable[Iterable[str]]) -> dict[str, set[str]]:
    """Each module of a floor that reaches one of its own floor or of a higher one."""
    height = {f"{room_name}.{name}": number for number, floor in enumerate(floors) for name in floor}
    assert height.keys() <= NAMES.keys(), "a floor names a module that is not there"
    return {
        name: climbs
        for name in height
        if (climbs := {other for other in reached(name, room_name) & height.keys() if height[other] <= height[name]})
    }


def test_settings_are_made_from_the_top_down() -> None:
    assert upward("settings", ([name] for name in SETTINGS_FLOORS)) == {}


def from_the_ground(room_name: str, floors: Iterable[Iterable[str]]) -> dict[str, frozenset[str]]:
    """Each module of a room that is on no floor, but imports one that is: give it a floor."""
    on_a_floor = {f"{room_name}.{name}" for floor in floors for name in floor}
    ground = {name for name in NAMES if room(name) == room_name} - on_a_floor
    return {name: climbs for name in ground if (climbs := ours(NAMES[name]) & on_a_floor)}


def test_arrows_inside_the_client_go_down() -> None:
    assert upward("client", CLIENT_FLOORS) == {}
    assert from_the_ground("client", CLIENT_FLOORS) == {}


def test_arrows_inside_the_swarm_go_down() -> None:
    assert upward("swarm", SWARM_FLOORS) == {}
    assert from_the_ground("swarm", SWARM_FLOORS) == {}


def taken_of_the_clock(path: Path) -> set[str]:
    """What a file imports of the clock, its constants left out."""
    return {
        alias.name
        for node in ast.walk(tree_of(path))
        if isinstance(node, ast.ImportFrom) and node.module in {"wps_load", "wps_load.clock"}
        for alias in node.names
        if not alias.name.startswith("NS_PER") and (node.module == "wps_load.clock" or alias.name == "clock")
    }


def pure(rooms: set[str]) -> list[str]:
    """The modules of these rooms, and those of other rooms that are pure."""
    alone = {f"{room_name}.{name}" for room_name, names in PURE_MODULES.items() for name in names}
    assert alone <= NAMES.keys(), "a pure module that is not there"
    return sorted(alone | {name for name in NAMES if room(name) in rooms})


def test_what_is_pure_is_told_the_time() -> None:
    """Directly, and by all that it reaches."""
    takes = {name for name, path in NAMES.items() if taken_of_the_clock(path)}
    assert {name: found for name in pure(TOLD_THE_TIME) if (found := {name, *reached(name)} & takes)} == {}


def test_what_is_pure_carries_nothing_out() -> None:
    """Directly, and by all that it reaches."""
    foreign = {name for name, path in NAMES.items() if {room(other) for other in imports(path)} & BLOCKING}
    assert {name: found for name in pure(PURE) if (found := {name, *reached(name)} & foreign)} == {}


def written(node: ast.AST) -> Iterator[ast.Attribute]:
    """The attributes that one statement sets, of whatever object but `self`."""
    targets = node.targets if isinstance(node, ast.Assign) else []
    if isinstance(node, ast.AugAssign | ast.AnnAssign):
        targets = [node.target]
    for target in targets:
        for each in target.elts if isinstance(target, ast.Tuple) else [target]:
            if isinstance(each, ast.Attribute) and ast.unparse(each.value) != "self":
                yield each


def test_no_file_of_the_client_writes_what_is_anothers() -> None:
    found = set()
    for name in sorted(f"client.{each}" for floor in CLIENT_FLOORS for each in floor):
        nodes = list(ast.walk(tree_of(NAMES[name])))
        own = {each.attr for each in nodes if isinstance(each, ast.Attribute) and ast.unparse(each.value) == "self"}
        found |= {f"{name}: {ast.unparse(each)}" for node in nodes for each in written(node) if each.attr not in own}
    assert found == set(WRITES_OF_OTHERS)


def test_there_are_no_circles() -> None:
    assert [sorted(circle) for circle in circles()] == [], "type checking included"


def twice(names: Iterator[tuple[str, str]]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for name, module in names:
        found.setdefault(name, []).append(module)
    return {name: modules for name, modules in found.items() if len(modules) > 1}


def test_no_name_stands_twice() -> None:
    modules = ((name.rpartition(".")[2], name) for name in NAMES if room(name) != "commands")
    classes = (
        (node.name, name)
        for name, path in NAMES.items()
        for node in ast.walk(tree_of(path))
        if isinstance(node, ast.ClassDef)
    )
    assert twice(modules).keys() == TWICE_MODULES.keys(), "rename, or give the reason"
    assert twice(classes) == {}


def test_only_swarm_knows_locust() -> None:
    assert [
        name
        for name, path in NAMES.items()
        if room(name) != "swarm" and any(room(other) == "locust" for other in imports(path))
    ] == []


def test_only_the_clock_reads_the_time() -> None:
    """However it is spelled: nobody else imports `time`, or uses what of `datetime` reads the wall clock."""
    others = {name: path for name, path in NAMES.items() if name != "clock"}
    assert [name for name, path in others.items() if any(room(other) == "time" for other in imports(path))] == []
    assert [
        f"{name}:{line}" for name, path in others.items() for line, used in spelled_out(path) if used in READS_TIME
    ] == []


def test_imports_have_their_whole_names() -> None:
    """A relative import would be invisible to the walls, and so is one by a text."""
    assert [
        f"{name}:{node.lineno}"
        for name, path in NAMES.items()
        for node in ast.walk(tree_of(path))
        if isinstance(node, ast.ImportFrom) and node.level
    ] == []
    by_text = {name for name, path in NAMES.items() if {used for _, used in spelled_out(path)} & IMPORTS_BY_TEXT}
    assert by_text == BY_TEXT.keys(), "import it by its name, or give the reason"


def test_no_module_is_too_long() -> None:
    modules = [*MODULES, *TESTS.rglob("*.py")]
    assert {str(path): n for path in modules if (n := len(path.read_text().splitlines())) > LINES} == {}


@cache
def imported_at_once(path: Path) -> frozenset[str]:
    """What importing this file imports, itself."""
    top = [node for node in tree_of(path).body if isinstance(node, ast.Import | ast.ImportFrom)]
    return frozenset(name for node in top for name in imported(node))


def leads_to_locust(path: Path) -> bool:
    """Whether importing this file imports Locust, which patches the process that does."""
    seen: set[str] = set()
    found = imported_at_once(path)
    while new := found - seen:
        if any(room(name) == "locust" for name in new):
            return True
        seen |= new
        found = frozenset().union(*(imported_at_once(NAMES[name]) for name in new if name in NAMES))
    return False


def test_no_test_imports_locust_where_tests_are_collected() -> None:
    """A patched process is no place for pytest's own threads: its workers would end."""
    modules = [path for path in TESTS.rglob("*.py") if path.name.startswith(("test_", "conftest"))]
    assert [str(path.relative_to(TESTS)) for path in modules if leads_to_locust(path)] == []
