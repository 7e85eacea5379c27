"""What wps-load does in Locust's events: options judged before anything connects, a whole run, trouble that ends it."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import gevent
import pytest

from tests.client.engine_runs import until
from tests.client.json_service import JsonService
from wps_load.errors import ConfigError, ExitCode
from wps_load.swarm.guard import Trouble

if TYPE_CHECKING:
    from tests.swarm.locust_process import Process
    from wps_load.swarm.lifecycle import Lifecycle

Make = Callable[..., "Process"]
NOWHERE = "ws://127.0.0.1:9/client/hubs/h?access_token=T"


def start(process: Process, users: int = 2) -> None:
    """Locust begins in a greenlet of its own."""
    process.runner.start(users, spawn_rate=100)
    until(lambda: process.runner.state not in ("ready", "stopped"), "it has begun")


def test_a_run_from_its_start_to_its_exit_code(make_process: Make, capsys: pytest.CaptureFixture[str]) -> None:
    with JsonService() as service:
        process = make_process(
            connection_string=service.connection_string, rate="20", slo="loss = 0, rtt count > 1000000"
        )
        lifecycle = process.compose()
        assert (lifecycle.running, lifecycle.ending, lifecycle.run_time_s) == (False, False, None)
        start(process)
        reporter = lifecycle.reporter
        assert reporter is not None
        assert lifecycle.running
        until(lambda: service.count("sendToGroup") > 10, "users publish")
        assert not lifecycle.ending
        code = process.quit()
        summary = reporter.summary
        assert summary is not None
        assert code == summary["exit"]["code"] in (ExitCode.SLO_FAILED, ExitCode.INVALID), "a busy machine may be late"
        messages = summary["messages"]
        assert messages["published"] == messages["delivered"] == service.count("sendToGroup")
        assert (messages["lost"], summary["connections"]["opened"]) == (0, 2)
        assert [slo["verdict"] for slo in summary["slo"]] == ["pass", "fail"]
        rows = {name: row.num_requests for (name, _), row in process.environment.stats.entries.items()}
        assert rows["rtt"] == messages["delivered"], "Locust's own table has what we have"
        assert process.environment.stats.total.num_requests == rows["rtt"] + rows["connect"]
    said = capsys.readouterr().err
    assert said.index("Target: ") < said.index("SLO: loss = 0") < said.index("Verdict: ")


def test_what_is_wrong_ends_the_process_before_anything_connects(
    make_process: Make, capsys: pytest.CaptureFixture[str]
) -> None:
    process = make_process(client_url=NOWHERE, rate="often", payload="nothing")
    with pytest.raises(SystemExit) as caught:
        process.compose()
    assert caught.value.code == ExitCode.USAGE
    said = capsys.readouterr().err
    assert "wps-load: --wps-rate 'often'" in said
    assert "wps-load: --wps-payload 'nothing'" in said


def test_a_bug_at_the_start_is_one_sentence_and_an_invalid_run(
    make_process: Make, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from wps_load.swarm import install

    def broken() -> None:
        raise KeyError("something")

    monkeypatch.setattr(install, "accept_short_keys", broken)
    with pytest.raises(SystemExit) as caught:
        make_process(client_url=NOWHERE).compose()
    assert caught.value.code == ExitCode.INVALID
    assert "the start failed (KeyError), which is a bug in wps-load" in capsys.readouterr().err


def test_a_run_is_prepared_once_and_again_when_it_was_used(make_process: Make) -> None:
    lifecycle = make_process("--headless", "-u", "3", client_url=NOWHERE, scenario="idle").compose()
    first = lifecycle.reporter
    assert first is not None
    assert lifecycle.ready() is first.config
    assert lifecycle.reporter is first
    first.used = True
    assert lifecycle.ready().users == 3
    assert lifecycle.reporter is not first


def test_options_of_the_page_that_cannot_be_leave_the_last_run_in_its_place(make_process: Make) -> None:
    lifecycle = make_process(client_url=NOWHERE, scenario="idle").compose()
    before = lifecycle.reporter
    with pytest.raises(ConfigError):
        lifecycle.prepare({"wps_rate": "often"})
    assert lifecycle.reporter is before
    lifecycle.prepare({"wps_seed": "7"})
    assert lifecycle.reporter is not before
    assert lifecycle.ready().seed == 7


@pytest.fixture
def ends(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """How Locust's runner was ended."""
    return []


def watched(process: Process, ends: list[str]) -> Lifecycle:
    lifecycle = process.compose()
    process.runner.quit = lambda: ends.append("quit")
    process.runner.stop = lambda: ends.append("stop")
    return lifecycle


@pytest.mark.parametrize(("headless", "how"), [(True, "quit"), (False, "stop")])
def test_the_first_trouble_ends_the_run_and_makes_the_exit_code(
    make_process: Make, ends: list[str], capsys: pytest.CaptureFixture[str], headless: bool, how: str
) -> None:
    argv = ["--headless"] if headless else ["--autostart"]
    process = make_process(*argv, client_url=NOWHERE, scenario="idle")
    lifecycle = watched(process, ends)
    for sentence, code in (("first", ExitCode.INVALID), ("second", ExitCode.USAGE)):
        lifecycle.break_off(Trouble(sentence, code))
    until(lambda: ends, "the runner was told")
    gevent.sleep(0)
    assert ends == [how]
    assert process.environment.process_exit_code == ExitCode.INVALID
    said = capsys.readouterr().err
    assert "wps-load: first" in said
    assert "second" not in said
    lifecycle.prepare()
    assert lifecycle.trouble is None, "the next run begins without it"


def test_a_run_that_cannot_begin_spawns_nobody(
    make_process: Make, ends: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    process = make_process(client_url=NOWHERE, scenario="idle")
    lifecycle = watched(process, ends)

    def fails(*_: Any, **__: Any) -> None:
        raise OSError(28, "No space left on device", "reports")

    monkeypatch.setattr("wps_load.swarm.lifecycle.make_engine", fails)
    process.runner.start(2, spawn_rate=100)
    until(lambda: ends, "the runner was told")
    assert process.runner.user_count == 0
    assert lifecycle.trouble == Trouble(
        "the start of the run failed: reports No space left on device", ExitCode.INVALID
    )
    assert lifecycle.run is not None
    assert lifecycle.run.conductor.trouble == lifecycle.trouble.sentence, "its report says so"


@pytest.mark.parametrize(
    ("options", "word"),
    [
        ({}, None),
        ({"stages": "2:5s,4:5s"}, "--wps-stages"),
        ({"capacity": "users:2..4", "slo": "connect p95 < 2s"}, "--wps-capacity"),
    ],
    ids=["none", "stages", "a search"],
)
def test_who_sets_the_number_of_users_of_a_run(make_process: Make, options: dict[str, str], word: str | None) -> None:
    with JsonService() as service:
        process = make_process(connection_string=service.connection_string, scenario="idle", **options)
        lifecycle = process.compose()
        assert lifecycle.fixed_users is None, "no run is on"
        start(process)
        found = lifecycle.fixed_users
        assert (found is None) is (word is None)
        assert word is None or word in (found or "")


def test_a_reset_begins_the_statistics_again_and_the_run_goes_on(make_process: Make) -> None:
    with JsonService() as service:
        process = make_process(connection_string=service.connection_string, rate="20")
        lifecycle = process.compose()
        start(process)
        run = lifecycle.run
        assert run is not None
        until(lambda: service.count("sendToGroup") > 5, "users publish")
        process.environment.events.reset_stats.fire()
        assert run.conductor.collector.resets == 1
        assert run.conductor.epoch == 2
        sent = service.count("sendToGroup")
        until(lambda: service.count("sendToGroup") > sent + 20, "it goes on")
        process.quit()
        summary = lifecycle.reporter.summary if lifecycle.reporter is not None else None
        assert summary is not None
        published = summary["messages"]["published"]
        assert published is not None
        assert 0 < published < service.count("sendToGroup"), "those before the reset are forgotten"
        assert summary["messages"]["lost"] == 0
