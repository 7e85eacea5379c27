"""Every ready file of configs/, shortened, as a whole program against the embedded emulator: so every scenario too."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from tests.integration.program import ROOT, Finished, run, start
from wps_load.emulator.process import EmulatorProcess
from wps_load.workload.scenarios import SCENARIOS

AT_ONCE = 3
"""Runs side by side: what they wait for is mostly time."""
OF_THE_GENERATOR = {"send_lag", "loop_lag", "cpu", "gc_pauses", "few_samples", "drift", "rate_missed"}
"""Doubts that runs side by side on a busy machine may raise; what they send and count must be right all the same."""

SMALL = ("-u", "20", "-r", "20", "-t", "3s", "--wps-seed", "3", "--wps-slo", "none")
FILES = {
    "echo": (),
    "smoke": (),
    "ci": ("--wps-warmup", "500ms"),
    "small-group": (),
    "big-group": ("--wps-publishers", "5", "--wps-groups", "4"),
    "upstream": ("--wps-protocol", "protobuf"),
    "invoke": ("--wps-protocol", "json-reliable"),
    "stream": ("--wps-stream-length", "1s", "--wps-protocol", "protobuf-reliable", "--processes", "2"),
    "send-to-user": ("--processes", "2", "--wps-publishers", "3"),
    "broadcast": ("--wps-publishers", "2", "--wps-total-rate", "40", "--wps-protocol", "simple"),
    "idle": ("-u", "60", "-r", "500"),
    "churn": ("--wps-lifetime", "800ms"),
    "recovery": ("--wps-cut", "5/s reset", "--processes", "2"),
    "slow-consumer": (
        "-t", "4s", "-u", "6", "--wps-protocol", "json-reliable",
        "--wps-publishers", "1", "--wps-payload", "256KiB", "--wps-rate", "40",
    ),
}  # fmt: skip


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Finished]]:
    """All of them, `AT_ONCE` at a time."""
    folders = {name: tmp_path_factory.mktemp(name) for name in FILES}  # here: its first use is not for threads

    def one(name: str) -> Finished:
        file = str(ROOT / "configs" / f"{name}.conf")
        return run(folders[name] / "reports", "--config", file, *SMALL, *FILES[name])

    with ThreadPoolExecutor(AT_ONCE) as pool:
        yield dict(zip(FILES, pool.map(one, FILES), strict=True))


def test_the_files_cover_every_scenario() -> None:
    files = {path.stem for path in (ROOT / "configs").glob("*.conf")}
    assert set(FILES) == files - {"capacity"}, "the search has tests of its own"
    assert set(SCENARIOS) <= set(FILES)


@pytest.mark.parametrize("name", FILES)
def test_ledger_closes_and_nothing_fails(finished: dict[str, Finished], name: str) -> None:
    done = finished[name]
    assert done.code in (0, 4), done.output
    assert "Traceback" not in done.output
    summary = done.summary
    assert {doubt["name"] for doubt in summary["doubts"]} <= OF_THE_GENERATOR, summary["doubts"]
    assert summary["failures"] == []
    connections, messages = summary["connections"], summary["messages"]
    assert connections["dropped"] == connections["failed"] == 0
    assert connections["peak"] == connections["target"], connections
    assert messages["lost"] == messages["duplicated"] == messages["foreign"] == 0
    assert messages["expected"] == messages["delivered"]
    assert messages["offered"] == messages["published"] + messages["send_failed"]
    assert messages["send_failed"] <= 2, "the last ones, if this machine was too busy to send them at all"
    assert (messages["published"] > 0) == SCENARIOS[summary["run"]["scenario"]].publishes


def counted(finished: dict[str, Finished], name: str) -> tuple[dict[str, int], dict[str, int], dict[str, Any]]:
    summary = finished[name].summary
    counts = {metric: row["count"] for metric, row in summary["metrics"].items()}
    return summary["connections"], summary["messages"], counts


@pytest.mark.parametrize("name", ["echo", "smoke", "ci", "upstream"])
def test_round_trips(finished: dict[str, Finished], name: str) -> None:
    _, messages, counts = counted(finished, name)
    assert counts["rtt"] == counts["rtt_service"] == messages["delivered"] == messages["published"]
    assert "delivery" not in counts


def test_invocations(finished: dict[str, Finished]) -> None:
    _, messages, counts = counted(finished, "invoke")
    assert counts["invoke"] == messages["delivered"] == messages["published"] > 20
    assert not {"rtt", "delivery", "join_group"} & set(counts)
    assert finished["invoke"].summary["invocations"]["pending_max"] >= 1


def test_streams(finished: dict[str, Finished]) -> None:
    _, messages, counts = counted(finished, "stream")
    assert counts["delivery"] == messages["delivered"] == 4 * messages["published"] > 100
    streams = finished["stream"].summary["streams"]
    assert streams["started"] == streams["ended"] == counts["stream_start"] == counts["stream_end"] >= 4
    assert streams["heard_whole"] == counts["first_fragment"] == 4 * streams["started"]
    assert counts["fragment_gap"] == counts["delivery"] - counts["first_fragment"]
    assert (streams["failed"], streams["cut_off"], streams["nacks"]) == (0, 0, 0)
    assert "rtt" not in counts


@pytest.mark.parametrize(("name", "members"), [("small-group", 10), ("big-group", 5)])
def test_groups(finished: dict[str, Finished], name: str, members: int) -> None:
    _, messages, counts = counted(finished, name)
    assert messages["delivered"] == members * messages["published"]
    assert counts["rtt"] == messages["published"]
    assert counts["delivery"] == (members - 1) * messages["published"]
    assert counts["join_group"] == 20


@pytest.mark.parametrize(("name", "receivers"), [("send-to-user", 1), ("broadcast", 20)])
def test_rest_senders(finished: dict[str, Finished], name: str, receivers: int) -> None:
    _, messages, counts = counted(finished, name)
    assert counts["rest_publish"] == messages["published"]
    assert counts["delivery"] == messages["delivered"] == receivers * messages["published"]
    assert "rtt" not in counts


def test_connections_as_the_load(finished: dict[str, Finished]) -> None:
    idle, _, counts = counted(finished, "idle")
    assert idle["opened"] == counts["connect"] == 60
    assert idle["closed_by_plan"] == idle["reconnected"] == 0
    churn, _, counts = counted(finished, "churn")
    assert churn["opened"] == counts["connect"] == 20 + churn["reconnected"]
    assert 30 < churn["closed_by_plan"] < 120, "20 users, two to three seconds of 0.8 s lives"
    assert churn["reconnected"] <= churn["closed_by_plan"]


def test_recovery(finished: dict[str, Finished]) -> None:
    connections, messages, counts = counted(finished, "recovery")
    assert connections["recovered"] == counts["recover"] > 1
    under_way = connections["cut"] - connections["recovered"]
    assert 0 <= under_way <= connections["target"] - connections["open_end"], "cut in the last moment"
    assert connections["reconnected"] == 0
    assert counts["publish_ack"] == messages["published"]
    assert messages["replayed"] is not None
    assert finished["echo"].summary["messages"]["replayed"] is None, "nothing can be recovered there"


def test_slow_consumer(finished: dict[str, Finished]) -> None:
    connections, messages, counts = counted(finished, "slow-consumer")
    assert connections["cut"] >= 1, "the service has had enough of the slow reader"
    assert connections["reconnected"] == connections["cut"]
    assert messages["expected"] == 5 * messages["published"], "the slow one is expected to get nothing"
    assert counts["delivery"] == 4 * messages["published"]


def test_what_a_scenario_ends_itself_is_not_missing(finished: dict[str, Finished]) -> None:
    for name, done in finished.items():
        connections = done.summary["connections"]
        assert connections["requested_mean"] == connections["requested_end"] == connections["target"], name
        assert connections["open_mean"] >= 0.95 * connections["requested_mean"], (name, connections)
        assert connections["open_mean"] <= connections["requested_mean"], (name, connections)
        assert connections["open_end"] >= 0.8 * connections["requested_end"], (name, connections)
        assert connections["connecting"] == 0, name
        assert done.summary["messages"]["missed"] in (0, None), name


# -- storms, neighbours ------------------------------------------------------------------------------------------------


def test_connect_storm_is_counted_and_backed_off(tmp_path: Path) -> None:
    done = run(
        tmp_path / "reports", "-u", "40", "-r", "1000", "-t", "6s", "--wps-scenario", "idle", "--wps-seed", "3",
        "--wps-emulator-faults", "throttle=1/8,refuse=1/8,seed=3", "--exit-code-on-error", "0",
    )  # fmt: skip
    summary = done.summary
    assert done.code == 3, done.output
    (connected,) = summary["slo"]
    assert (connected["expression"], connected["verdict"]) == ("connected >= 99%", "fail"), "those who had to wait"
    assert 50 < connected["value"] < 99
    failures = {row["label"]: row["count"] for row in summary["failures"]}
    assert set(failures) == {"http_429", "http_503"}
    connections = summary["connections"]
    assert connections["failed"] == sum(failures.values())
    assert connections["failed"] < 60, "backed off: in six seconds a client that does not would try thousands of times"
    assert connections["opened"] == connections["peak"] == 40, "in the end everybody is in"
    assert done.output.count("the service throttles") == 2, "told once, and in the summary"


def test_two_programs_in_one_hub(tmp_path: Path) -> None:
    with EmulatorProcess.start() as emulator:
        target = ("--wps-connection-string", emulator.connection_string, "--wps-scenario", "broadcast")
        options = ("--headless", "-u", "5", "-r", "5", "-t", "2s", "--wps-rate", "20", "--wps-slo", "none", *target)
        with start(tmp_path / "a", *options) as first, start(tmp_path / "b", *options) as second:
            runs = [first.finish().summary, second.finish().summary]
    for summary in runs:
        messages = summary["messages"]
        assert messages["delivered"] == messages["expected"] == 5 * messages["published"] > 0
        assert messages["foreign"] > 0, "the other run's, counted apart"
    assert runs[0]["run"]["id"] != runs[1]["run"]["id"]


def test_a_service_that_ends_connections_is_judged_by_the_slos_and_the_generator_is_not_blamed(tmp_path: Path) -> None:
    done = run(
        tmp_path / "reports", "-u", "10", "-r", "10", "-t", "5s", "--wps-seed", "3", "--wps-rate", "20",
        "--wps-emulator-faults", "disconnect=1/60", "--wps-slo", "rtt p99 < 30s, connect count >= 1",
        "--exit-code-on-error", "0",
    )  # fmt: skip
    messages = done.summary["messages"]
    by_cause = messages["send_failed_by"]
    assert sum(by_cause.values()) == messages["send_failed"] == messages["offered"] - messages["published"]
    assert by_cause["service"] > 0.01 * messages["offered"] > by_cause["plan"] == 0, "else the test shows nothing"
    assert "rate_missed" not in {doubt["name"] for doubt in done.summary["doubts"]}
    assert f"Not sent: {by_cause['service']:,} (service:" in done.output
    assert done.folder is not None
    assert "Not sent: " in (done.folder / "summary.md").read_text()
