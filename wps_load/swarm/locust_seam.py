"""Everything that uses Locust's private parts, one function each, as docs/decisions/0002-locust.md lists them.

They are only here, so that a new release of Locust is checked against one page; tests/swarm/locust_parts.py fails if it
changes one of them. Locust is not imported at import time, because importing it patches the process.
"""

from __future__ import annotations

import inspect
import logging
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from itertools import cycle
from typing import Any, NoReturn

import gevent

logger = logging.getLogger(__name__)

MISSING = "missing"
"""The state of a worker whose heartbeat is overdue."""
RUNNING = "running"
"""The state of a runner whose users have all started."""
PATIENCE_S = 180
"""How long a master and its worker may be silent until each takes the other for dead."""


# -- processes ---------------------------------------------------------------------------------------------------------


def workers(runner: Any) -> list[str]:
    """A master's workers, including silent ones: a paused worker reads what was sent when it resumes."""
    return [node.id for node in runner.clients.all]


def workers_alive(runner: Any) -> set[str]:
    """The workers whose heartbeats are in time."""
    return {node.id for node in runner.clients.all if node.state != MISSING}


def knows_worker(runner: Any, worker: str) -> bool:
    return worker in runner.clients


def dismiss_worker(runner: Any, worker: str) -> None:
    """Ends a worker's process, as it would end with its master."""
    runner.send_message("quit", client_id=worker)


def watch_bind(failed: Callable[[str, int, str], NoReturn]) -> None:
    """Calls `failed(host, port, reason)` where a master cannot listen; Locust would show a traceback."""
    from locust.exception import RPCError
    from locust.rpc import zmqrpc

    class Server(zmqrpc.Server):
        def __init__(self, host: str, port: int) -> None:
            try:
                super().__init__(host, port)  # type: ignore[no-untyped-call]  # Locust's own
            except RPCError as error:
                reason = str(error).removeprefix("Socket bind failure: ")
                failed(host, port, reason.partition(" (addr=")[0])

    zmqrpc.Server = Server  # type: ignore[misc]


def dismiss_strangers(runner: Any) -> None:
    """Ends a worker of a former master, which would otherwise hold its connections for three minutes.

    It reaches the master that has replaced its own, but does not report there that it is ready.
    """
    handle = runner.handle_message
    ready = set(workers(runner))  # Locust's own list takes in whoever it is asked for, in a debug line for example
    dismissed: set[str] = set()

    def handle_message(client_id: str, msg: Any) -> None:
        if msg.type == "client_ready":
            ready.add(msg.node_id)  # for good: one that has stopped is still alive
        elif msg.type == "heartbeat" and msg.node_id not in ready:
            if msg.node_id not in dismissed:  # its heartbeats have queued up
                dismissed.add(msg.node_id)
                logger.warning("A worker that has lost its master, %s, is told to end.", msg.node_id)
                dismiss_worker(runner, msg.node_id)
            return
        handle(client_id, msg)

    runner.handle_message = handle_message


def be_patient() -> None:
    """Lets a link be down for a minute without ending anything.

    Locust's worker would quit, and its master would give the worker's users to others. TCP retries after pauses that
    double, so such a link works again after two minutes at most.
    """
    from locust import runners

    runners.MASTER_HEARTBEAT_TIMEOUT = PATIENCE_S
    runners.HEARTBEAT_DEAD_INTERNAL = -PATIENCE_S


def send_stats(runner: Any) -> None:
    """Sends a worker's statistics to its master now.

    Locust sends them every 3 s and when it quits, which may be too late.
    """
    runner._send_stats()


# -- users -------------------------------------------------------------------------------------------------------------


def spawn_rate(runner: Any) -> float | None:
    """Users a second, as of now.

    A shape and the web page set rates of their own, which only a master exposes: elsewhere the dispatcher of users has
    them.
    """
    dispatcher = getattr(runner, "_users_dispatcher", None)
    return getattr(runner, "spawn_rate", None) or getattr(dispatcher, "_spawn_rate", None)


def guard_users(runner: Any, refused: Callable[[int, bool], str | None]) -> None:
    """Stops Locust's `start`, through which the page, keys and shapes change users.

    `refused(users, of_shape)`: why they may not be changed to this number.

    A master also calls it with the same number if a worker comes in the middle of a run, or comes back, to redistribute
    the users. That would close their connections, so users stay where they are.
    """
    start = runner.start

    def start_unless_refused(user_count: int, *args: Any, **kwargs: Any) -> None:
        of_shape = gevent.getcurrent() is runner.shape_greenlet
        if not of_shape and user_count == runner.target_user_count:
            if runner.state == RUNNING:
                logger.info("Users stay with their workers; a new worker gets users when more are requested.")
                return
        elif (sentence := refused(user_count, of_shape)) is not None:
            logger.warning("%s", sentence)
            return
        start(user_count, *args, **kwargs)

    runner.start = start_unless_refused


def let_users_stay(environment: Any) -> None:
    """Users stay with their workers; Locust would deal them all out anew whenever a worker comes or goes.

    A worker that comes during a run gets its share of new users, once it is admitted. One that goes takes its users
    along, and one whose link was down still has them when it is back.
    """
    from locust.dispatch import UsersDispatcher

    class Dispatcher(UsersDispatcher):
        def __init__(self, worker_nodes: list[Any], user_classes: list[Any]) -> None:
            super().__init__(worker_nodes, user_classes)
            self._waiting: dict[str, Any] = {}

        def add_worker(self, worker_node: Any) -> None:
            if worker_node.id in self._users_on_workers:
                self._give_to(worker_node)
            else:
                self._waiting[worker_node.id] = worker_node

        def admit_worker(self, worker: str) -> None:
            if (worker_node := self._waiting.pop(worker, None)) is not None:
                self._users_on_workers[worker] = dict.fromkeys((cls.__name__ for cls in self._original_user_classes), 0)
                self._give_to(worker_node)

        def remove_worker(self, worker_node: Any) -> None:
            self._waiting.pop(worker_node.id, None)
            remaining = [node for node in self._worker_nodes if node.id != worker_node.id]
            if len(remaining) == len(self._worker_nodes):
                return
            self._worker_nodes = remaining
            if not remaining:
                return
            if worker_node.state != MISSING:
                self._current_user_count -= sum(self._users_on_workers.pop(worker_node.id).values())
                self._active_users = [(node, name) for node, name in self._active_users if node.id != worker_node.id]
            self._worker_node_generator = self._fewest_first()  # type: ignore[assignment]  # it takes any iterator

        def _give_to(self, worker_node: Any) -> None:
            self._worker_nodes = [*(node for node in self._worker_nodes if node.id != worker_node.id), worker_node]
            self._sort_workers()  # type: ignore[no-untyped-call]  # Locust's own
            self._worker_node_generator = self._fewest_first()  # type: ignore[assignment]  # it takes any iterator

        def _fewest_first(self) -> Iterator[Any]:
            """The next worker: in turn again as soon as all have about as many users."""
            while True:
                counts = {node.id: sum(self._users_on_workers[node.id].values()) for node in self._worker_nodes}
                if max(counts.values()) - min(counts.values()) <= 1:
                    yield from cycle(sorted(self._worker_nodes, key=lambda node: counts[node.id]))
                yield min(self._worker_nodes, key=lambda node: counts[node.id])

    if environment.dispatcher_class is UsersDispatcher:
        environment.dispatcher_class = Dispatcher


def admit_worker(runner: Any, worker: str) -> None:
    """Lets a worker that came during the present run have users."""
    admit = getattr(getattr(runner, "_users_dispatcher", None), "admit_worker", None)
    if admit is not None:
        admit(worker)


def cancel_run_time(web_ui: Any) -> None:
    """Cancels the page's timer of the run time, which would otherwise stop the next run."""
    cancel = getattr(web_ui, "_cancel_run_time_timer", None)
    if cancel is not None:
        cancel()


# -- options -----------------------------------------------------------------------------------------------------------


def settings_of(parser: Any) -> Mapping[str, Any]:
    """What configargparse has read, by source; empty before it has parsed."""
    found: Mapping[str, Any] = getattr(parser, "_source_to_settings", {})
    return found


def judge_types(parser: Any, judges: Mapping[str, Callable[[str], Any]]) -> None:
    """Makes wps-load's functions read options of Locust's own."""
    for action in parser._actions:
        action.type = judges.get(action.dest, action.type)


def remember_defaults() -> None:
    """Caches Locust's defaults. A worker asks for them, once an option, with each message that spawns users.

    Each request parses for 5 ms; without the cache the worker's loop stops for half a second.
    """
    from locust import argument_parser

    argument_parser.default_args_dict = cache(argument_parser.default_args_dict)


# -- statistics --------------------------------------------------------------------------------------------------------


def bucket_by(bucket: Callable[[float], float]) -> None:
    """Sets the function that rounds times in Locust's table; its own rounds times below 100 ms to whole ms."""
    from locust import stats

    stats.bucket_response_time = bucket  # type: ignore[assignment]


def forget_old_seconds(stats: Any, seconds: int, points: int = 3600) -> None:
    """Limits the memory of Locust's table: each row keeps the requests of every second, but only a dozen are read.

    Its charts have a point every five seconds; in a long run every second one of the older half is kept.
    """
    for entry in (*stats.entries.values(), stats.total):
        for course in (entry.num_reqs_per_sec, entry.num_fail_per_sec):
            for second in list(course)[:-seconds]:
                del course[second]
    if len(stats.history) > points:
        del stats.history[1 : points // 2 : 2]


def others_listen(environment: Any) -> bool:
    """Whether somebody else listens to each request.

    The listener of the runner's own statistics is always there, and the one of Locust's `--otel` gets our metrics as a
    whole (`swarm/otel_metrics.py`).
    """
    wanting = [each for each in environment.events.request._handlers if each.__module__ != "locust.opentelemetry"]
    return len(wanting) > 1


# -- the program -------------------------------------------------------------------------------------------------------


def calls_of_program(greenlet: Any) -> Iterator[str]:
    """The functions of Locust's program that a suspended greenlet is in, the innermost first."""
    frame = greenlet.gr_frame
    while frame is not None:
        if frame.f_globals.get("__name__") == "locust.main":
            yield frame.f_code.co_name
        frame = frame.f_back


def prepare_stop() -> None:
    """Prepares Locust's stop, which looks up its caller: the first lookup takes 40 ms, with messages in flight."""
    inspect.stack()
