"""The whole program, as at a desk and in CI: headless, with workers, interrupted, killed, given nonsense."""

from __future__ import annotations

import re
import signal
from pathlib import Path

import psutil
import pytest

from tests.integration.program import Finished, run, start, until
from tests.ports import free_port
from wps_load.emulator.process import EmulatorProcess
from wps_load.errors import ExitCode

LOAD = ("-u", "10", "-r", "10", "--wps-rate", "5")
KEY = "NotTheRightKeyNotTheRightKeyNotTheRightKey"


def emulators_of(pid: int) -> list[psutil.Process]:
    children = psutil.Process(pid).children(recursive=True)
    return [child for child in children if "wps_load.emulator" in " ".join(child.cmdline())]


def assert_whole(done: Finished) -> None:
    """Everything that was published came back, and everybody says so."""
    messages = done.summary["messages"]
    assert messages["published"] > 0
    assert messages["send_failed"] == messages["lost"] == messages["duplicated"] == 0
    assert messages["offered"] == messages["published"] == messages["expected"] == messages["delivered"]
    assert done.summary["metrics"]["rtt"]["count"] == messages["delivered"]
    assert done.summary["metrics"]["connect"]["count"] == done.summary["connections"]["opened"] == 10


@pytest.mark.parametrize("processes", [(), ("--processes", "2")], ids=["one process", "two processes"])
def test_headless_run_passes_and_loses_no_final_number(tmp_path: Path, processes: tuple[str, ...]) -> None:
    done = run(tmp_path / "reports", *LOAD, "-t", "3s", *processes)

    assert done.code == 0, done.output
    assert_whole(done)
    assert done.summary["verdict"] == "pass"
    left = {path.name for path in (tmp_path / "reports").iterdir()}
    assert len(left - {"index.html", ".index.json", ".index.lock"}) == 1, "no file is written twice"
    assert done.folder is not None
    assert f'href="{done.folder.name}/report.html"' in (tmp_path / "reports" / "index.html").read_text()
    assert "Target: embedded emulator at http://127.0.0.1:" in done.output
    assert "lost 0" in done.output, "the live line"
    rows = re.findall(r"^WPS +rtt +(\d+) +0\(0\.00%\)", done.output, re.MULTILINE)
    assert int(rows[-1]) == done.summary["metrics"]["rtt"]["count"], "Locust's table agrees with ours"


def test_a_run_that_its_workers_cannot_hold_is_refused_before_the_ramp(tmp_path: Path) -> None:
    port = str(free_port())
    load = ("-u", "100000000", "-r", "1000000", "-t", "200s", "--wps-scenario", "idle", "--processes", "2")
    done = run(tmp_path / "reports", *load, "--master-port", port, "--master-bind-port", port)
    assert done.code == 2, done.output
    who = "(?:these 2 workers hold|the embedded emulator holds)"  # the limits of this machine decide
    said = re.findall(rf"^wps-load: 100,000,000 connections do not fit: {who} [\d,]+ at most \(.+$",
                      done.output, re.MULTILINE)  # fmt: skip
    assert len(said) == 1, done.output
    assert "Traceback" not in done.output
    assert done.folder is None, "nothing has run, so there is no report"


def test_master_and_workers_started_apart(tmp_path: Path) -> None:
    port = str(free_port())
    worker = ("--worker", "--master-port", port)
    conducts = ("--master", "--expect-workers", "2", "--master-bind-port", port)
    with (
        start(tmp_path / "a", *worker) as first,
        start(tmp_path / "b", *worker) as second,
        start(tmp_path / "m", "--headless", *LOAD, "-t", "3s", *conducts) as master,
    ):
        done = master.finish()
        assert done.code == 0, done.output
        assert_whole(done)
        assert done.summary["generator"]["workers"] == 2
        assert [first.finish().folder, second.finish().folder] == [None, None], "only the master writes"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP], ids=lambda number: number.name)
def test_interrupted_run_with_two_processes_drains_and_reports(tmp_path: Path, number: signal.Signals) -> None:
    with start(tmp_path / "reports", "--headless", *LOAD, "-t", "30s", "--processes", "2") as program:
        program.await_output("measure ")
        (emulator,) = emulators_of(program.process.pid)
        program.signal(number, group=True)  # as a terminal's Ctrl-C and a supervisor's SIGTERM do
        done = program.finish()

    assert_whole(done)
    assert done.code == ExitCode.STOPPED, done.output
    reason = next(each for each in done.summary["exit"]["reasons"] if each["code"] == ExitCode.STOPPED)
    assert reason["message"].startswith(f"stopped before its end by {number.name} after ")
    assert f"Exit code 6: {reason['message']}." in done.output
    assert "Bad response code from worker" not in done.output
    assert "Traceback" not in done.output
    assert "disconnect" not in done.output, "what ends by plan is no failure in Locust's table either"
    until(lambda: not emulator.is_running(), "the emulator ends with the run")


def test_a_run_whose_processes_are_all_told_to_end_reports(tmp_path: Path) -> None:
    """As `docker compose stop` and the deletion of pods do: the workers wait for their master's drain."""
    port = str(free_port())
    worker, conducts = ("--worker", "--master-port", port), ("--master", "--expect-workers", "1")
    with (
        start(tmp_path / "w", *worker) as other,
        start(tmp_path / "m", "--headless", *LOAD, "-t", "30s", *conducts, "--master-bind-port", port) as master,
    ):
        master.await_output("measure ")
        for program in (other, master):
            program.signal(signal.SIGTERM)
        done = master.finish()
        assert other.finish().code == 0
    assert done.code == ExitCode.STOPPED, done.output
    assert_whole(done)


def test_a_run_stopped_before_it_began_leaves_quietly(tmp_path: Path) -> None:
    """Locust waits for a worker that does not come: ending that wait prints no traceback."""
    options = ("--master", "--expect-workers", "1", "--master-bind-port", str(free_port()))
    with start(tmp_path / "reports", "--headless", *LOAD, "-t", "30s", *options) as program:
        program.await_output("Scenario: ")
        emulators = emulators_of(program.process.pid)
        program.signal(signal.SIGTERM)
        done = program.finish()
    assert done.code == ExitCode.STOPPED, done.output
    assert "Traceback" not in done.output
    assert "stopped by SIGTERM before it had begun" in done.output
    until(lambda: not any(emulator.is_running() for emulator in emulators), "the emulator has ended")


def test_killed_run_leaves_no_emulator_and_a_readable_summary(tmp_path: Path) -> None:
    with start(tmp_path / "reports", "--headless", *LOAD) as program:
        until(lambda: list((tmp_path / "reports").glob("*/summary.json")), "a snapshot", limit_s=30)
        (emulator,) = emulators_of(program.process.pid)
        program.signal(signal.SIGKILL)
        done = program.finish()

    until(lambda: not emulator.is_running(), "the emulator's pipe has closed")
    assert done.summary["verdict"] == "invalid"
    assert "interrupted" in [doubt["name"] for doubt in done.summary["doubts"]]


NONSENSE = {
    "all faults of a configuration at once": (
        ("--wps-rate", "fast", "--wps-payload", "1B", "--wps-connection-string", "nonsense", "--wps-slo", "latency < 1",
         "--wps-emulator-faults", "dorp=1/2"),
        ("--wps-rate 'fast': messages per second", "--wps-payload '1B'", "--wps-slo", "--wps-emulator-faults",
         "part 1 of the connection string is not NAME=VALUE"),
    ),
    "what cannot go together": (
        ("--wps-scenario", "recovery", "--wps-client-url", "wss://x.webpubsub.azure.com/client/hubs/h"),
        ("reliable", "--wps-client-url: it has no access_token"),
    ),
    "an option that nobody has": (("--wps-raet", "5"), ("--wps-raet is not an option: did you mean --wps-rate?",)),
    "a class that nobody has": (("NoSuchUser",), ("'NoSuchUser' is not a User class of the locustfile",)),
    "an empty secret": (
        ("-u", "500", "-r", "1", "--wps-client-url", ""),
        ("--wps-client-url '': it is set but empty: a secret is",),
    ),
    "a host without a key": (
        ("--host", "https://x.webpubsub.azure.com"),
        ("--host 'https://x.webpubsub.azure.com/': it gives no key",),
    ),
    "a folder that nobody can write to": (
        ("--wps-report-dir", "/proc/nowhere"),
        ("--wps-report-dir '/proc/nowhere'",),
    ),
    "a file without certificates": (
        ("--wps-ca-file", str(Path(__file__))),
        ("must be a readable file with certificates",),
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", NONSENSE)
def test_wrong_options_are_refused_before_anything_connects(tmp_path: Path, name: str) -> None:
    options, sentences = NONSENSE[name]
    done = run(tmp_path / "reports", *LOAD, "-t", "5s", *options)
    assert done.code == 2, done.output
    assert "Traceback" not in done.output
    for sentence in sentences:
        assert sentence in done.output


BROKEN = """
from wps_load.errors import ConfigError, Fault
from wps_load.swarm.lifecycle import Lifecycle
from wps_load.swarm.users import ScenarioUser


class Load(ScenarioUser):
    abstract = False


def refuse(self):
    raise ConfigError([Fault("--wps-hub", "chat", "not any more")])


Lifecycle._join = refuse
"""


def test_what_fails_in_an_event_handler_ends_the_run_at_once(tmp_path: Path) -> None:
    """In a worker, whose Locust would log it and go on, and whose master would wait for users until -t."""
    locustfile = tmp_path / "locustfile.py"
    locustfile.write_text(BROKEN)
    done = run(tmp_path / "reports", *LOAD, "-t", "10m", "--processes", "1", locustfile=locustfile)
    assert done.code == 2
    assert done.output.count("wps-load: --wps-hub 'chat': not any more") == 1
    assert "Traceback" not in done.output
    assert done.summary["verdict"] == "invalid"
    assert done.summary["connections"]["opened"] == 0


def test_a_second_signal_ends_it_at_once(tmp_path: Path) -> None:
    slow_end = ("--wps-drain", "30s", "--wps-emulator-faults", "drop=1/2")
    with start(tmp_path / "reports", "--headless", *LOAD, *slow_end) as program:
        program.await_output("measure ")
        program.signal(signal.SIGTERM)
        program.await_output("Got SIGTERM")
        program.signal(signal.SIGTERM)
        done = program.finish()
    assert done.code == 130
    assert "Traceback" not in done.output


def test_tags_leave_the_one_task_of_our_users_alone(tmp_path: Path) -> None:
    done = run(tmp_path / "reports", *LOAD, "-t", "2s", "--tags", "other")
    assert "Traceback" not in done.output
    assert done.summary["messages"]["delivered"] > 0


def test_wrong_key_is_one_sentence_and_never_shown(tmp_path: Path, emulator: EmulatorProcess) -> None:
    target = f"Endpoint={emulator.endpoint};AccessKey={KEY};Version=1.0;"
    done = run(tmp_path / "reports", *LOAD, "-t", "3s", "--wps-connection-string", target)

    assert done.code == 4
    assert done.failures["connect", "http_401"] == 10
    assert done.output.count("the service does not accept the token") == 3, "before the run, in it, in the summary"
    assert "Traceback" not in done.output
    assert_no_secret(done, KEY)


def test_refused_port(tmp_path: Path) -> None:
    target = f"Endpoint=http://127.0.0.1:{free_port()};AccessKey={KEY};Version=1.0;"
    done = run(tmp_path / "reports", *LOAD, "-t", "3s", "--wps-connection-string", target)

    assert done.code == 4
    assert [row["label"] for row in done.summary["failures"]] == ["connect_refused"]
    assert done.output.count("refuses connections") == 3, "before the run, once in it, and in the summary"
    assert_no_secret(done, KEY)


def test_missing_role_is_a_labelled_failure(tmp_path: Path, emulator: EmulatorProcess) -> None:
    done = run(
        tmp_path / "reports", *LOAD, "-t", "2s", "--wps-roles", "none",
        "--wps-connection-string", emulator.connection_string,
    )  # fmt: skip
    assert done.code == 4, "what nobody receives is no test"
    assert done.failures["join_group", "ack_forbidden"] == 10
    assert done.output.count("give the token the role webpubsub.joinLeaveGroup") == 1, "once in the run"


def test_request_failures_decide_only_if_nothing_worse_does(tmp_path: Path) -> None:
    idle = ("-u", "10", "-r", "10", "-t", "3s", "--wps-scenario", "idle")
    failing = (*idle, "--wps-slo", "none", "--wps-emulator-faults", "refuse=1/5,seed=1")
    with (
        start(tmp_path / "on", "--headless", *failing) as on,
        start(tmp_path / "off", "--headless", *failing, "--exit-code-on-error", "0") as off,
    ):
        assert (on.finish().code, off.finish().code) == (1, 0)


def assert_no_secret(done: Finished, *secrets: str) -> None:
    assert done.folder is not None
    texts = {path.name: path.read_text() for path in done.folder.iterdir()}
    for name, text in {**texts, "output": done.output}.items():
        for secret in (*secrets, "access_token=ey", "Bearer ey"):
            assert secret not in text, f"a secret in {name}"
