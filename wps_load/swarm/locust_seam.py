"""Locust's private parts, one function a bite, as docs/decisions/0002-locust.md lists them.

Here only, so that a new release of Locust is read against one page; tests/swarm/locust_parts.py fails where it changes
one of them. Knows no Locust at import, which patches the process that imports it.
"""

from __future__ import annotations

import inspect
import logging
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from typing import Any

import gevent

logger = logging.getLogger(__name__)

MISSING = "missing"
"""The state of a worker whose heartbeat is overdue."""
RUNNING = "running"
"""The state of a runner whose users are all started."""
PATIENCE_S = 180
"""How long a master and its worker may not hear of each other until they take each other for dead."""


# -- processes ---------------------------------------------------------------------------------------------------------


def workers(runner: Any) -> list[str]:
    """A master's workers, those that are not heard of included: a paused one reads what was sent when it goes on."""
    return [node.id for node in runner.clients.all]


def workers_alive(runner: Any) -> set[str]:
    """Those whose heartbeat is in time."""
    return {node.id for node in runner.clients.all if node.state != MISSING}


def knows_worker(runner: Any, worker: str) -> bool:
    return worker in runner.clients


def be_patient() -> None:
    """A link that is down for a minute ends nothing.

    Locust's worker would quit, and its master give the worker's users to others. TCP tries again after pauses that
    double, so that such a link is used again after two minutes at most.
    """
    from locust import runners

    runners.MASTER_HEARTBEAT_TIMEOUT = PATIENCE_S
    runners.HEARTBEAT_DEAD_INTERNAL = -PATIENCE_S


def send_stats(runner: Any) -> None:
    """A worker's statistics go to its master now: it sends them each 3 s, and when it quits, which may be missed."""
    runner._send_stats()


# -- users -------------------------------------------------------------------------------------------------------------


def spawn_rate(runner: Any) -> float | None:
    """Users a second as of now.

    A shape and the web page give rates of their own, which only a master keeps in the open: elsewhere they are with
    whoever dispatches the users.
    """
    dispatcher = getattr(runner, "_users_dispatcher", None)
    return getattr(runner, "spawn_rate", None) or getattr(dispatcher, "_spawn_rate", None)


def guard_users(runner: Any, fixed: Callable[[], str | None]) -> None:
    """A key changes the number of users through `start`, as a shape does. `fixed()`: why it may not be changed.

    A master calls it with the same number where a worker comes in the middle of a run, or comes back, to deal the users
    anew: theirs are connections that would be closed for it. They stay where they are.
    """
    start = runner.start

    def start_unless_fixed(user_count: int, *args: Any, **kwargs: Any) -> None:
        if gevent.getcurrent() is not runner.shape_greenlet:
            if user_count == runner.target_user_count:
                if runner.state == RUNNING:
                    logger.info("Users stay with their workers; a new worker gets users when more are requested.")
                    return
            elif (sentence := fixed()) is not None:
                logger.warning("%s", sentence)
                return
        start(user_count, *args, **kwargs)

    runner.start = start_unless_fixed


def cancel_run_time(web_ui: Any) -> None:
    """The page's timer of the run time: it would stop the next run."""
    cancel = getattr(web_ui, "_cancel_run_time_timer", None)
    if cancel is not None:
        cancel()


# -- options -----------------------------------------------------------------------------------------------------------


def settings_of(parser: Any) -> Mapping[str, Any]:
    """What configargparse has read, by source; empty before it has parsed."""
    found: Mapping[str, Any] = getattr(parser, "_source_to_settings", {})
    return found


def judge_types(parser: Any, judges: Mapping[str, Callable[[str], Any]]) -> None:
    """Options of Locust's own are read by wps-load's functions."""
    for action in parser._actions:
        action.type = judges.get(action.dest, action.type)


def remember_defaults() -> None:
    """With each message that spawns users a worker asks for Locust's defaults, once an option, and parsing takes 5 ms:
    without this its loop stands still for half a second."""
    from locust import argument_parser

    argument_parser.default_args_dict = cache(argument_parser.default_args_dict)


# -- statistics --------------------------------------------------------------------------------------------------------


def bucket_by(bucket: Callable[[float], float]) -> None:
    """Times below 100 ms are rounded to whole ms otherwise."""
    from locust import stats

    stats.bucket_response_time = bucket  # type: ignore[assignment]


def forget_old_seconds(stats: Any, seconds: int, points: int = 3600) -> None:
    """Of each row Locust keeps how many requests every second had, for ever; it reads the last dozen.

    Of its charts' points, one each five seconds, a long run keeps every second one of the older half.
    """
    for entry in (*stats.entries.values(), stats.total):
        for course in (entry.num_reqs_per_sec, entry.num_fail_per_sec):
            for second in list(course)[:-seconds]:
                del course[second]
    if len(stats.history) > points:
        del stats.history[1 : points // 2 : 2]


def others_listen(environment: Any) -> bool:
    """Whether somebody wants each request.

    The listener of the runner's own statistics is always there, and that of Locust's `--otel` gets the metrics whole
    (`swarm/otel_metrics.py`).
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
    """Locust's stop asks who called it; the first answer takes 40 ms, which would be amid messages in flight."""
    inspect.stack()
