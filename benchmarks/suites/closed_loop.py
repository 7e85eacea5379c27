"""Echo with one message in flight on each connection: ours beside the others."""

from __future__ import annotations

import contextlib
import signal
import subprocess

from benchmarks import contenders
from benchmarks.contenders import Load, Start
from benchmarks.harness import (
    PATIENCE,
    QUIET,
    Row,
    Server,
    Window,
    certificate,
    compiler,
    echo_server,
    end,
    group_server,
    window_of,
)
from benchmarks.suites.plan import CONNECTIONS, Plan

TURNS_A_ROUND = 5
AWAKE_S = 0.3
"""After a contender was woken: caches, and what waited for it."""
OURS = "wps-load"
STOCK = "stock Locust user"
TUNED = "tuned stock user"
USERS: dict[str, Start] = {OURS: contenders.ours, STOCK: contenders.stock, TUNED: contenders.tuned_stock}
FLOOR = "C floor"

Turn = dict[str, Window]


def echo(plan: Plan) -> list[Row]:
    """Round trips of 128 bytes on 100 connections, one in flight on each."""
    starts = dict(USERS)
    if contenders.k6_program() is not None:
        starts["k6"] = contenders.k6
    if compiler() is not None:
        starts[FLOOR] = contenders.floor
    with echo_server(plan.folder) as server:
        turns = _take_turns(plan, "echo", starts, server)
    ratios = [_ratio("echo", turns, STOCK, 10.0), _ratio("echo", turns, TUNED, 5.0)]
    if "k6" in starts:
        ratios.append(_ratio("echo", turns, "k6", 7.0))
    if FLOOR in starts:
        costs = [turn[OURS].cpu_us_each / turn[FLOOR].cpu_us_each for turn in turns]
        ratios.append(Row("echo", f"{OURS} against the {FLOOR}", "times its CPU", costs, 4.0))
    return [*ratios, *_figures("echo", turns)]


def tls(plan: Plan) -> list[Row]:
    """As `echo`, over TLS 1.3."""
    with group_server(plan.folder, certificate(plan.folder), patience=PATIENCE) as server:
        turns = _take_turns(plan, "echo over TLS", USERS, server)
    ratios = [_ratio("echo over TLS", turns, STOCK, 7.0), _ratio("echo over TLS", turns, TUNED, 4.0)]
    return [*ratios, *_figures("echo over TLS", turns)]


def _take_turns(plan: Plan, suite: str, starts: dict[str, Start], server: Server) -> list[Turn]:
    """All are connected to one server and stopped; each in turn is let go for a second or so, again and again.

    So close together, a machine's slow and fast minutes are the same for all. Turns in which somebody who is none
    of them was busy (a contender had less of its core than `QUIET`) are left out, if enough others are left.
    """
    running: dict[str, subprocess.Popen[bytes]] = {}
    with contextlib.ExitStack() as stack:
        for name, start in starts.items():
            running[name] = start(server, Load(CONNECTIONS, 3600), plan.folder)
            stack.callback(end, running[name])
            server.await_connections(CONNECTIONS * len(running), running[name])
            observe_s = AWAKE_S + 2  # ours has a warm-up and a settling of its own
            window_of(server, running[name], observe_s, observe_s)
            running[name].send_signal(signal.SIGSTOP)
            stack.callback(running[name].send_signal, signal.SIGCONT)
        turns = [_turn(plan, server, running) for _ in range(plan.rounds * TURNS_A_ROUND)]
        running[OURS].send_signal(signal.SIGCONT)
        contenders.finished(running[OURS], plan.folder)
    quiet = [turn for turn in turns if min(window.busy for window in turn.values()) >= QUIET]
    plan.say(f"{suite}: {len(quiet)} of {len(turns)} turns were quiet")
    return quiet if len(quiet) >= TURNS_A_ROUND else turns


def _turn(plan: Plan, server: Server, running: dict[str, subprocess.Popen[bytes]]) -> Turn:
    turn: Turn = {}
    for name, process in running.items():
        process.send_signal(signal.SIGCONT)
        turn[name] = window_of(server, process, AWAKE_S, plan.window_s / 4)
        process.send_signal(signal.SIGSTOP)
    plan.say("  ".join(f"{name} {window.cpu_us_each:.1f} µs {window.busy:.0%}" for name, window in turn.items()))
    return turn


def _ratio(suite: str, turns: list[Turn], peer: str, goal: float) -> Row:
    """How many times as many round trips a second of CPU does as the peer's, turn by turn."""
    samples = [turn[peer].cpu_us_each / turn[OURS].cpu_us_each for turn in turns]
    return Row(suite, f"{OURS} against {peer}", "times as many", samples, goal, "more")


def _figures(suite: str, turns: list[Turn]) -> list[Row]:
    rows = []
    for name in turns[0]:
        windows = [turn[name] for turn in turns]
        rows.append(Row(suite, f"{name}: CPU", "µs/round trip", [window.cpu_us_each for window in windows]))
        rates = [window.per_s for window in windows]
        rows.append(Row(suite, f"{name}: rate", "round trips/s", rates, better="more"))
    return rows
