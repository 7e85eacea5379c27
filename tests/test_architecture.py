"""The walls of docs/architecture.md, held against the source: each test lists all who break its rule."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path

PACKAGE = Path(__file__).parents[1] / "wps_load"
TESTS = Path(__file__).parent
MODULES = sorted(path for path in PACKAGE.rglob("*.py") if not path.name.endswith("_pb2.py"))
LINES = 400

PURE_GROUND = {"errors", "clock", "plurals", "urls", "machine"}
PURE = {*PURE_GROUND, "auth", "protocol", "measure", "workload", "settings", "capacity"}
TOLD_THE_TIME = {"auth", "protocol", "measure", "workload", "settings", "capacity"}
"""Of the clock they take constants only: whoever calls them says what time it is."""
GROUND = {"errors", "clock", "machine", "plurals", "posix", "urls"}
MIDDLE = {"auth", "protocol", "measure", "workload", "settings", "client", "capacity", "report"}
OF_A_RUN = {"measure", "workload", "settings"}
ALLOWED: dict[str, set[str]] = {
    "errors": set(),
    "clock": set(),
    "urls": set(),
    "plurals": set(),
    "posix": set(),
    "machine": {"posix"},
    "output": {"errors"},
    "auth": {*GROUND, "protocol.traits"},
    "protocol": {"errors", "clock"},
    "workload": {"errors", "clock", "protocol.traits"},
    "measure": {"errors", "clock"},
    "settings": {*GROUND, "auth", "protocol.traits", "measure", "workload"},
    "client": {*GROUND, "auth", "protocol", "measure", "workload", "settings"},
    "capacity": {"errors", "clock", "machine", "plurals", *OF_A_RUN},
    "report": {"errors", "clock", "output", "plurals", "protocol.traits", *OF_A_RUN, "capacity"},
    "emulator": {*GROUND, "output", "auth", "protocol", "workload"},
    "swarm": {*GROUND, *MIDDLE, "output", "emulator"},
    "commands": {*GROUND, *MIDDLE, "output", "emulator"},
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
    {"web_view"},
    {"lifecycle"},
    {"ending", "gate"},
    {"signals"},
    {"run", "exports"},
    {"prometheus", "pushgateway", "otel_metrics"},
    {"monitored"},
    {"run_state"},
    {"abort", "load_stepper", "reporter", "shapes"},
    {"coordinator"},
    {"gathering", "families"},
    {"conductor"},
    {"roster"},
    {"clocks", "collector", "slots"},
    {"pairs"},
    {"message_wire"},
    {"messages"},
    {"epoch_report"},
)
"""From the top: a module of the swarm reaches, of these, only those of the floors behind its own."""
PURE_IN_SWARM = {
    "conductor",
    "gathering",
    "roster",
    "clocks",
    "corridor",
    "collector",
    "pairs",
    "slots",
    "messages",
    "message_wire",
    "facts",
    "population_facts",
}
"""They are told what time it is, and carry nothing out."""
WRITES_OF_OTHERS = {
    "client.publisher: out.seq": "the way of a message: a call less for each",
}
"""What is written to another module's objects in the client's floors, and why it may."""

TWICE_MODULES = {
    "messages": "of the protocols, and of the swarm: each the whole vocabulary of its wire",
}
"""Names of modules that stand twice, and why they may. Those of `commands` are the names of the commands."""

BLOCKING = {"socket", "gevent", "locust", "asyncio", "aiohttp"}
READS_TIME = {
    "time.time", "time.time_ns", "time.monotonic", "time.monotonic_ns", "time.perf_counter", "time.perf_counter_ns",
    "datetime.now", "datetime.utcnow",
}  # fmt: skip
OWN_CLOCK = {"clock", "emulator.process"}
"""The emulator's launcher may run in a patched process and imports nothing of ours."""


def name_of(path: Path) -> str:
    return ".".join(path.relative_to(PACKAGE).with_suffix("").parts).removesuffix(".__init__")


def room(module: str) -> str:
    return module.partition(".")[0]


@cache
def tree_of(path: Path) -> ast.Module:
    return ast.parse(path.read_text())


NAMES = {name_of(path): path for path in MODULES}


def imported(node: ast.AST) -> Iterator[str]:
    """What one statement imports; this package's modules without its name."""
    if isinstance(node, ast.Import):
        yield from (alias.name.removeprefix("wps_load.") for alias in node.names)
    elif isinstance(node, ast.ImportFrom) and node.module:
        module = node.module.removeprefix("wps_load.") if node.module != "wps_load" else ""
        inner = {f"{module}.{alias.name}".lstrip(".") for alias in node.names} & set(NAMES)
        yield from inner or ([module] if module else [])


@cache
def imports(path: Path) -> frozenset[str]:
    """Every module that a file imports, in functions and type-checking blocks too."""
    return frozenset(name for node in ast.walk(tree_of(path)) for name in imported(node))


@cache
def ours(path: Path) -> frozenset[str]:
    return imports(path) & NAMES.keys() - {name_of(path)}


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


def reached(name: str) -> set[str]:
    """All modules of its own room that a module imports, directly or by way of others."""
    seen: set[str] = set()
    new = {name}
    while new:
        seen |= new
        new = {other for each in new for other in ours(NAMES[each]) if room(other) == room(name)} - seen
    return seen - {name}


def upward(room_name: str, floors: Iterable[Iterable[str]]) -> dict[str, set[str]]:
    """Each module of a floor that reaches one of its own floor or of a higher one."""
    height = {f"{room_name}.{name}": number for number, floor in enumerate(floors) for name in floor}
    assert height.keys() <= NAMES.keys(), "a floor names a module that is not there"
    return {
        name: climbs
        for name in height
        if (climbs := {other for other in reached(name) & height.keys() if height[other] <= height[name]})
    }


def test_settings_are_made_from_the_top_down() -> None:
    assert upward("settings", ([name] for name in SETTINGS_FLOORS)) == {}


def test_arrows_inside_the_client_go_down() -> None:
    assert upward("client", CLIENT_FLOORS) == {}
    on_a_floor = {f"client.{name}" for floor in CLIENT_FLOORS for name in floor}
    ground = {name for name in NAMES if room(name) == "client"} - on_a_floor
    assert {name: climbs for name in ground if (climbs := ours(NAMES[name]) & on_a_floor)} == {}


def test_arrows_inside_the_swarm_go_down() -> None:
    assert upward("swarm", SWARM_FLOORS) == {}


def taken_of_the_clock(path: Path) -> set[str]:
    """What a file imports of the clock, its constants left out."""
    return {
        alias.name
        for node in ast.walk(tree_of(path))
        if isinstance(node, ast.ImportFrom) and node.module in {"wps_load", "wps_load.clock"}
        for alias in node.names
        if not alias.name.startswith("NS_PER") and (node.module == "wps_load.clock" or alias.name == "clock")
    }


def test_what_is_pure_is_told_the_time() -> None:
    pure = {f"swarm.{name}" for name in PURE_IN_SWARM} | {name for name in NAMES if room(name) in TOLD_THE_TIME}
    assert {name: taken for name in sorted(pure) if (taken := taken_of_the_clock(NAMES[name]))} == {}


def test_what_decides_in_the_swarm_carries_nothing_out() -> None:
    assert {
        name: foreign
        for name in sorted(PURE_IN_SWARM)
        if (foreign := {room(other) for other in imports(NAMES[f"swarm.{name}"])} & BLOCKING)
    } == {}


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


def test_pure_rooms_know_no_sockets_and_no_gevent() -> None:
    assert {
        name: foreign
        for name, path in NAMES.items()
        if room(name) in PURE and (foreign := {room(other) for other in imports(path)} & BLOCKING)
    } == {}


def test_only_the_clock_reads_the_time() -> None:
    assert [
        f"{name}:{node.lineno}"
        for name, path in NAMES.items()
        if name not in OWN_CLOCK
        for node in ast.walk(tree_of(path))
        if isinstance(node, ast.Attribute)
        and isinstance(node.value, ast.Name)
        and f"{node.value.id}.{node.attr}" in READS_TIME
    ] == []


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
