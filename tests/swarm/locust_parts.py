"""Locust's private parts as `locust_seam` takes them, run in a process of its own, which Locust patches.

Prints a line for each that is not as it was, and ends with 1 then. Real runners, parsers and statistics are asked.
"""

from __future__ import annotations

import inspect
import sys
import time
import traceback
from collections.abc import Callable
from typing import NoReturn

import gevent
import locust.main
import pytest
from locust import User, argument_parser, stats, task
from locust.env import Environment
from locust.rpc import Message, zmqrpc
from locust.runners import LocalRunner, MasterRunner, WorkerNode, WorkerRunner

from wps_load.swarm import locust_seam
from wps_load.swarm.buckets import bucket_response_time
from wps_load.swarm.epoch_report import EpochReport
from wps_load.swarm.locust_stats import EarlierTimes, LocustTable, WorkersTable, make_precise


class Nobody(User):
    @task
    def wait(self) -> None:
        gevent.sleep(1)


def master() -> MasterRunner:
    return Environment(user_classes=[Nobody]).create_master_runner("127.0.0.1", 0)


def workers_are_known_by_their_heartbeat() -> None:
    runner = master()
    for name, state in (("here", "ready"), ("away", locust_seam.MISSING)):
        runner.clients[name] = WorkerNode(name, state)
    assert sorted(locust_seam.workers(runner)) == ["away", "here"]
    assert locust_seam.workers_alive(runner) == {"here"}
    assert locust_seam.knows_worker(runner, "away")
    assert not locust_seam.knows_worker(runner, "stranger")
    assert locust_seam.MISSING == "missing" == locust.runners.STATE_MISSING


def users_stay_where_they_are() -> None:
    runner = Environment(user_classes=[Nobody]).create_local_runner()
    locust_seam.guard_users(runner, lambda users, of_shape: None)
    runner.start(1, 7.0)
    while runner.state != locust.runners.STATE_RUNNING:
        gevent.sleep(0.01)
    assert runner.state == locust_seam.RUNNING
    runner.start(1, 3.0)
    assert runner.state == locust.runners.STATE_RUNNING, "nobody is dealt out anew"
    runner.start(2, 7.0)
    gevent.sleep(0)  # it begins in a greenlet
    assert runner.target_user_count == 2
    runner.quit()


def workers_that_come_or_go_move_nobody() -> None:
    environment = Environment(user_classes=[Nobody])
    locust_seam.let_users_stay(environment)
    first, late, back = (WorkerNode(f"{name}_1", "ready") for name in ("first", "late", "back"))
    dispatcher = environment.dispatcher_class([first, back], [Nobody])

    def dispatched(users: int) -> dict[str, int]:
        dispatcher.new_dispatch(users, 1_000.0)
        (*_, found) = dispatcher
        return {name: sum(counts.values()) for name, counts in found.items()}

    def joins(worker: WorkerNode) -> None:
        dispatcher.add_worker(worker)
        runner._users_dispatcher = dispatcher
        locust_seam.admit_worker(runner, worker.id)

    runner = environment.create_master_runner("127.0.0.1", 0)
    locust_seam.admit_worker(runner, "late_1")  # no run is on
    assert dispatched(10) == {"first_1": 5, "back_1": 5}
    dispatcher.add_worker(late)
    assert dispatched(12) == {"first_1": 6, "back_1": 6}, "the late one has not answered yet"
    joins(late)
    dispatcher.new_dispatch(19, 2.0)
    courses = [{name: sum(counts.values()) for name, counts in each.items()} for each in dispatcher]
    assert all(each["first_1"] >= 6 <= each["back_1"] for each in courses), courses
    assert sorted(courses[-1].values()) == [6, 6, 7], courses[-1]

    back.state = locust_seam.MISSING
    dispatcher.remove_worker(back)
    assert dispatched(20)["back_1"] == courses[-1]["back_1"], "it may come back with its users"
    back.state = "running"
    dispatcher.add_worker(back)
    assert dispatched(21) == {"first_1": 7, "back_1": 7, "late_1": 7}

    never = WorkerNode("never_1", "ready")
    joins(never)
    dispatcher.remove_worker(never)
    assert dispatched(22).keys() == {"first_1", "back_1", "late_1"}
    dispatcher.add_worker(never)
    dispatcher.remove_worker(never)
    locust_seam.admit_worker(runner, "never_1")
    before = dispatched(23)
    assert before.keys() == {"first_1", "back_1", "late_1"}, "who has left is not admitted"

    dispatcher.remove_worker(late)  # it has quit
    now = dispatched(23)
    assert now.keys() == {"first_1", "back_1"}
    assert sum(now.values()) == 23
    assert all(now[name] >= before[name] for name in now), "nobody of the others moved"
    assert sum(dispatched(4).values()) == 4


def a_worker_of_a_master_that_is_no_more_ends() -> None:
    runner = master()
    sent: list[tuple[str, str]] = []
    runner.server.send_to_client = lambda message: sent.append((message.type, message.node_id))
    locust_seam.dismiss_strangers(runner)
    state = {"state": "running", "current_cpu_usage": 1}

    def says(kind: str, data: object, worker: str) -> None:
        runner.handle_message(worker, Message(kind, data, worker))  # type: ignore[no-untyped-call]

    says("client_ready", -1, "known")
    runner.register_message("wps_to_coordinator", lambda **_: None)
    for worker in ("known", "orphan"):
        says("wps_to_coordinator", {}, worker)  # what Locust does with it makes the worker one of its own
        says("heartbeat", state, worker)
    says("heartbeat", state, "orphan")
    assert sent[1:] == [("heartbeat", "known"), ("quit", "orphan")], sent
    says("client_stopped", None, "known")
    says("heartbeat", state, "known")
    assert len(sent) == 3, "it stops, and will be ready again"


def a_port_that_is_taken_is_explained() -> None:
    class Explained(Exception):
        pass

    def failed(host: str, port: int, reason: str) -> NoReturn:
        raise Explained(host, port, reason)

    server = zmqrpc.Server
    locust_seam.watch_bind(failed)
    try:
        taken = master().server.port
        with pytest.raises(Explained) as explained:
            Environment(user_classes=[Nobody]).create_master_runner("127.0.0.1", taken)
        assert explained.value.args == ("127.0.0.1", taken, "Address already in use"), explained.value.args
    finally:
        zmqrpc.Server = server  # type: ignore[misc]


def heartbeats_may_be_late() -> None:
    source = inspect.getsource(locust.runners)
    for name in ("MASTER_HEARTBEAT_TIMEOUT", "HEARTBEAT_DEAD_INTERNAL"):
        assert hasattr(locust.runners, name), name
        assert source.count(name) > 1, f"{name} is read where it is needed"
    locust_seam.be_patient()
    assert locust.runners.MASTER_HEARTBEAT_TIMEOUT == -locust.runners.HEARTBEAT_DEAD_INTERNAL == locust_seam.PATIENCE_S


def a_worker_sends_its_statistics() -> None:
    sent = []
    runner = WorkerRunner.__new__(WorkerRunner)
    runner.greenlet = None
    runner.environment = Environment(user_classes=[Nobody])
    runner.client_id, runner.worker_state = "here", "running"
    runner.client = type("Client", (), {"send": lambda self, message: sent.append(message.type)})()
    locust_seam.send_stats(runner)
    assert sent == ["stats"], sent


def the_spawn_rate_is_known_where_a_run_is_on() -> None:
    runner = Environment(user_classes=[Nobody]).create_local_runner()
    assert isinstance(runner, LocalRunner)
    assert not locust_seam.spawn_rate(runner)
    runner.start(1, 7.0)
    gevent.sleep(0)  # users are dispatched in a greenlet
    assert locust_seam.spawn_rate(runner) == 7.0, locust_seam.spawn_rate(runner)
    runner.quit()
    assert "spawn_rate" in vars(master()), "a master keeps it in the open"


def the_parser_says_where_options_come_from() -> None:
    parser = argument_parser.get_parser()
    parser.parse_args(["--headless", "-u", "3"])
    found = locust_seam.settings_of(parser)
    assert "command_line" in found, list(found)


def options_of_locust_are_read_by_functions_of_ours() -> None:
    parser = argument_parser.get_parser()
    locust_seam.judge_types(parser, {"num_users": lambda text: 41 + int(text)})
    assert parser.parse_args(["-u", "1"]).num_users == 42


def defaults_are_parsed_once() -> None:
    locust_seam.remember_defaults()
    assert argument_parser.default_args_dict() is argument_parser.default_args_dict()
    assert "argument_parser.default_args_dict()" in inspect.getsource(locust.runners), "a worker asks by this name"


def times_are_bucketed_by_ours() -> None:
    locust_seam.bucket_by(bucket_response_time)
    entry = stats.StatsEntry(stats.RequestStats(), "rtt", "WPS")
    entry.log(1.2345, 0)  # type: ignore[arg-type]
    assert list(entry.response_times) == [1.23], dict(entry.response_times)


def only_locust_listens_to_requests() -> None:
    environment = Environment(user_classes=[Nobody])
    environment.create_local_runner()
    assert not locust_seam.others_listen(environment)
    in_module: dict[str, object] = {"__name__": "locust.opentelemetry"}
    exec("def on_request(**kwargs): pass", in_module)  # as Locust's --otel adds it
    environment.events.request.add_listener(in_module["on_request"])  # type: ignore[no-untyped-call]
    assert not locust_seam.others_listen(environment)
    environment.events.request.add_listener(lambda **_: None)  # type: ignore[no-untyped-call]
    assert locust_seam.others_listen(environment)


def rows_are_ours_and_merge() -> None:
    from wps_load.measure.histogram import Histogram
    from wps_load.measure.snapshot import Snapshot

    environment = Environment(user_classes=[Nobody])
    environment.create_local_runner()
    make_precise(environment.stats)
    histogram = Histogram()
    histogram.record(1_234_000, 5)
    LocustTable(environment, frozenset({"rtt"})).add(
        EpochReport(0, 1, Snapshot({"rtt": histogram}, {("rtt", "timeout"): 2}))
    )
    row = environment.stats.get("rtt", "WPS")
    assert (row.num_requests, row.num_failures) == (7, 2)
    assert environment.stats.total.num_requests == 7, "the rows that count in it"
    (error,) = environment.stats.errors.values()
    assert (error.name, error.occurrences) == ("rtt", 2)
    assert " 1.2 " in row.to_string(), row.to_string()
    assert "1.2" in row.percentile(), row.percentile()
    assert 1.2 < float(row.to_dict()["max_response_time"]) < 1.3
    plain = stats.StatsEntry(environment.stats, "connect", "WPS")
    plain.log(2.5, 0)  # type: ignore[arg-type]
    environment.stats.entries[("connect", "WPS")] = plain
    assert type(environment.stats.entries[("connect", "WPS")]) is type(row), "as a master's reports become rows"


def old_seconds_are_forgotten() -> None:
    environment = Environment(user_classes=[Nobody])
    environment.create_local_runner()
    make_precise(environment.stats)
    row = environment.stats.get("rtt", "WPS")
    for entry in (row, environment.stats.total):
        entry.num_reqs_per_sec.update(dict.fromkeys(range(12), 1))
    environment.stats.history += [{"at": at} for at in range(12)]
    locust_seam.forget_old_seconds(environment.stats, seconds=10, points=10)
    for entry in (row, environment.stats.total):
        assert list(entry.num_reqs_per_sec) == list(range(2, 12))
    assert [point["at"] for point in environment.stats.history] == [0, 2, 4, *range(5, 12)]
    assert not row.use_response_times_cache
    assert environment.stats.total.use_response_times_cache, "the charts need it"


def a_rows_earlier_times_are_read_as_locust_keeps_them() -> None:
    now = int(time.time())
    found: list[dict[int, stats.CachedResponseTimes]] = []
    for entries in (stats.RequestStats(), stats.RequestStats()):
        if found:
            make_precise(entries)
        total = entries.total
        assert total.response_times_cache, "a run's first seconds are compared with nothing"
        total.response_times_cache.clear()
        for second in range(now - 40, now + 1):
            addition = stats.StatsEntry(entries, "rtt", "WPS")
            addition.start_time = addition.last_request_timestamp = float(second)
            addition.num_requests, addition.response_times = 1, {float(second - now): 1}  # type: ignore[dict-item]
            total.extend(addition)
        found.append({second: total.response_times_cache[second] for second in total.response_times_cache})
        slowest_of_the_last = total.get_current_response_time_percentile(0.01)
        assert slowest_of_the_last is not None
        assert -13 < slowest_of_the_last < -7, "of about ten seconds"
    locusts, ours = found
    assert len(locusts) == 20
    assert len(ours) == 5
    assert all(locusts[second] == earlier for second, earlier in ours.items())
    total.reset()  # type: ignore[no-untyped-call]
    assert isinstance(total.response_times_cache, EarlierTimes)
    assert len(total.response_times_cache) == 1


def what_workers_have_measured_is_shown_in_one_go() -> None:
    from wps_load.measure.histogram import Histogram
    from wps_load.measure.snapshot import Snapshot

    environment = Environment(user_classes=[Nobody])
    environment.create_master_runner("127.0.0.1", 0)
    make_precise(environment.stats)
    table = WorkersTable(LocustTable(environment, frozenset({"rtt"}), ("hosts", "viewers")))
    histogram = Histogram()
    histogram.record(1_234_000, 5)
    interval = Snapshot({"rtt": histogram}, {("rtt", "timeout"): 2})
    for epoch in (0, 1, 1):
        table.take(EpochReport(0, epoch, interval, {(0, 1): interval}))
    assert not environment.stats.entries, "not yet"
    table.show()
    table.show()
    counts = {name: row.num_requests for (name, _), row in environment.stats.entries.items()}
    assert counts == {"rtt": 14, "viewers/rtt": 14}, "twice, without what came before the measure phase"
    assert environment.stats.total.num_requests == 14
    (error,) = environment.stats.errors.values()
    assert error.occurrences == 4
    table.take(EpochReport(0, 1, interval))
    table.forget()
    table.show()
    assert environment.stats.total.num_requests == 14, "the statistics started anew before it was shown"


def the_program_has_the_functions_that_signals_look_for() -> None:
    source = inspect.getsource(locust.main)
    for name in ("def shutdown(", "def start_automatic_run("):
        assert name in source, name
    assert list(locust_seam.calls_of_program(gevent.spawn(gevent.sleep, 1))) == []
    scope: dict[str, object] = {"__name__": "locust.main", "sleep": gevent.sleep}
    exec("def shutdown():\n    sleep(5)", scope)
    waiting = gevent.spawn(scope["shutdown"])
    gevent.sleep(0)
    assert list(locust_seam.calls_of_program(waiting)) == ["shutdown"]
    waiting.kill()


def events_have_the_names_that_we_listen_to() -> None:
    events = Environment().events
    for name in ("test_start", "spawning_complete", "test_stopping", "test_stop", "reset_stats", "quitting", "quit"):
        assert hasattr(events, name), name


PARTS: tuple[Callable[[], None], ...] = (
    workers_are_known_by_their_heartbeat,
    users_stay_where_they_are,
    workers_that_come_or_go_move_nobody,
    a_worker_of_a_master_that_is_no_more_ends,
    a_port_that_is_taken_is_explained,
    heartbeats_may_be_late,
    a_worker_sends_its_statistics,
    the_spawn_rate_is_known_where_a_run_is_on,
    the_parser_says_where_options_come_from,
    options_of_locust_are_read_by_functions_of_ours,
    defaults_are_parsed_once,
    times_are_bucketed_by_ours,
    only_locust_listens_to_requests,
    rows_are_ours_and_merge,
    old_seconds_are_forgotten,
    a_rows_earlier_times_are_read_as_locust_keeps_them,
    what_workers_have_measured_is_shown_in_one_go,
    the_program_has_the_functions_that_signals_look_for,
    events_have_the_names_that_we_listen_to,
)

if __name__ == "__main__":
    failed = False
    for part in PARTS:
        try:
            part()
        except Exception:
            failed = True
            traceback.print_exc(file=sys.stdout)
            sys.stdout.write(f"CHANGED: {part.__name__.replace('_', ' ')}\n")
    sys.stdout.flush()
    sys.exit(failed)
