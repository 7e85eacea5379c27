"""A master and its workers in this process, joined by Locust's own messages: who is let in, and one run of all."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import pytest

from tests.client.engine_runs import until
from tests.client.json_service import JsonService
from wps_load.auth import DEFAULT_EMULATOR_KEY
from wps_load.errors import ExitCode
from wps_load.swarm.guard import Trouble

if TYPE_CHECKING:
    from tests.swarm.locust_process import Process
    from wps_load.swarm.lifecycle import Lifecycle

Make = Callable[..., "Process"]


class Cluster:
    """`of_workers`: options that they have beside the master's, or instead of them."""

    def __init__(
        self,
        make: Make,
        service: JsonService,
        workers: int = 2,
        *,
        of_workers: Mapping[str, Any] = MappingProxyType({}),
        **options: Any,
    ) -> None:
        given = {"connection_string": service.connection_string, "rate": "20", **options}
        self.master = make(master=True, **given)
        self.lifecycle: Lifecycle = self.master.compose()
        port = self.master.runner.server.port
        self.workers = [make(worker_of=port, **{**given, **of_workers}) for _ in range(workers)]
        self.ends = [worker.compose() for worker in self.workers]
        until(lambda: self.master.runner.worker_count == workers, "the workers are known")


def test_a_run_of_two_workers_is_one_run(make_process: Make) -> None:
    with JsonService() as service:
        cluster = Cluster(make_process, service, seed="7")
        cluster.master.runner.start(4, spawn_rate=100)
        until(lambda: service.count("sendToGroup") > 20, "users publish")
        code = cluster.master.quit()
        reporter = cluster.lifecycle.reporter
        assert reporter is not None
        summary = reporter.summary
        assert summary is not None
        assert code == summary["exit"]["code"]
        messages = summary["messages"]
        assert messages["published"] == messages["delivered"] == service.count("sendToGroup")
        assert (messages["lost"], summary["connections"]["opened"]) == (0, 4)
        workers = summary["workers"]
        assert workers is not None
        assert [worker["users"] for worker in workers] == [2, 2]
        row = cluster.master.environment.stats.entries["rtt", "WPS"]
        assert row.num_requests == messages["delivered"]


def test_a_worker_that_could_not_play_its_part_keeps_the_run_from_its_start(
    make_process: Make, caplog: pytest.LogCaptureFixture
) -> None:
    with JsonService() as service:
        own_key = service.connection_string.replace(DEFAULT_EMULATOR_KEY, "k" * 44)
        without = {"connection_string": ""}
        cluster = Cluster(make_process, service, 1, connection_string=own_key, of_workers=without)
        cluster.master.runner.start(2, spawn_rate=100)
        until(lambda: cluster.lifecycle.trouble, "it was refused")
        trouble = cluster.lifecycle.trouble
        assert trouble is not None
        assert trouble.code is ExitCode.USAGE
        assert "--wps-connection-string" in trouble.sentence
        assert (cluster.lifecycle.run, service.messages) == (None, [])
        assert cluster.workers[0].environment.process_exit_code == ExitCode.USAGE
        assert "This worker cannot take part" in caplog.text, "its own user is told, too"


def test_trouble_of_a_worker_ends_the_run_of_all(make_process: Make) -> None:
    with JsonService() as service:
        cluster = Cluster(make_process, service, 1)
        cluster.master.runner.start(2, spawn_rate=100)
        until(lambda: service.count("sendToGroup"), "users publish")
        found = Trouble("no room is left", ExitCode.INVALID)
        cluster.ends[0].break_off(found)
        until(lambda: cluster.lifecycle.trouble, "the master was told")
        assert cluster.lifecycle.trouble == found
        assert cluster.ends[0].trouble is None, "the master decides"
        until(lambda: not cluster.lifecycle.running, "the run ended")
        reporter = cluster.lifecycle.reporter
        assert reporter is not None
        assert reporter.summary is not None
        assert {doubt["name"] for doubt in reporter.summary["doubts"]} >= {"broken_off"}
