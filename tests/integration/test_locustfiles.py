"""Other people's locustfiles: the examples as they stand, and what a task gets to see when things go wrong."""

from __future__ import annotations

import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from textwrap import dedent

import pytest

from tests.integration.program import ROOT, Finished, clean_environment, run
from tests.ports import free_port
from wps_load.emulator.process import EmulatorProcess

EXAMPLES = ROOT / "examples"
USERS = ("-u", "8", "-r", "8")


def rows(done: Finished, kind: str) -> dict[str, int]:
    """Locust's last table: requests by name."""
    return {name: int(n) for name, n in re.findall(rf"^{kind} +(\S+) +(\d+) +\d+\(", done.output, re.MULTILINE)}


def written(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "locustfile.py"
    path.write_text("from locust import constant, task\nfrom wps_load import WebPubSubUser\n" + dedent(text))
    return path


@pytest.mark.parametrize("workers", [0, 2])
def test_quickstart(tmp_path: Path, workers: int) -> None:
    port = str(free_port())
    processes = ("--processes", "2", "--master-port", port, "--master-bind-port", port) if workers else ()
    done = run(tmp_path / "reports", *USERS, "-t", "2s", *processes, locustfile=EXAMPLES / "quickstart.py")

    assert done.code == 0, done.output
    assert "Traceback" not in done.output
    summary, table = done.summary, rows(done, "WPS")
    assert summary["verdict"] == "pass"
    assert summary["run"]["scenario"] == "locustfile"
    assert summary["slo"] == []
    assert summary["generator"]["workers"] == max(1, workers)
    assert [doubt["name"] for doubt in summary["doubts"] if doubt["level"] == "error"] == []
    assert summary["connections"]["target"] == summary["connections"]["opened"] == 8
    messages = summary["messages"]
    assert messages["published"] >= messages["delivered"] >= summary["metrics"]["rtt"]["count"] >= 8
    assert messages["expected"] is messages["lost"] is None, "a task's messages carry no stamp: nobody knows"
    assert summary["rates"]["published_per_s"] > 0
    assert re.search(r"out [1-9][\d.]*/s", done.output), "the live line"
    for name in ("connect", "join_group"):
        assert summary["metrics"][name]["count"] == table[name] == 8
    assert summary["metrics"]["rtt"]["count"] >= 8
    assert summary["metrics"]["publish_ack"]["count"] >= summary["metrics"]["rtt"]["count"]


def test_quickstart_is_what_the_page_shows_and_short() -> None:
    code = (EXAMPLES / "quickstart.py").read_text()
    assert len([line for line in code.splitlines() if line.strip()]) == 10
    assert f"```python\n{code}```" in (ROOT / "docs" / "locustfiles.md").read_text()


def test_answers_are_streamed_to_readers_in_another_process(tmp_path: Path) -> None:
    port = str(free_port())
    processes = ("--processes", "2", "--master-port", port, "--master-bind-port", port)
    slo = ("--wps-slo", "loss = 0, reader.first_fragment p95 < 1s, assistant.stream_start fail_ratio = 0%")
    done = run(tmp_path / "reports", *USERS, "-t", "5s", *processes, *slo, locustfile=EXAMPLES / "answers.py")

    assert done.code == 0, done.output
    summary = done.summary
    streams, messages, metrics = summary["streams"], summary["messages"], summary["metrics"]
    assert streams["started"] > 1
    assert abs(streams["started"] - metrics["stream_start"]["count"]) <= 2, "one of each assistant began before"
    assert streams["started"] - 2 <= streams["ended"] == metrics["stream_end"]["count"] > 0
    assert streams["failed"] == 0
    assert metrics["first_fragment"]["count"] > streams["ended"]
    assert metrics["fragment_gap"]["count"] > metrics["first_fragment"]["count"]
    assert messages["delivered"] == messages["expected"] > 0
    assert (messages["lost"], messages["reordered"], messages["corrupted"]) == (0, 0, 0)


class Shop(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(404 if "missing" in self.path else 200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Says nothing."""


@pytest.fixture
def shop() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Shop)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


def test_http_user_beside_ours(tmp_path: Path, shop: str) -> None:
    done = run(tmp_path / "reports", *USERS, "-t", "2s", "--host", shop, locustfile=EXAMPLES / "mixed.py")

    assert done.code == 0, done.output
    assert rows(done, "GET")["/"] > 0
    assert rows(done, "WPS")["connect"] == 6
    assert done.summary["connections"]["target"] == done.summary["connections"]["peak"] == 6
    assert "GET" not in done.summary["metrics"]


def test_what_another_class_fails_stands_in_every_report_as_the_reason_of_the_exit_code(
    tmp_path: Path, shop: str
) -> None:
    path = written(
        tmp_path,
        """
        from locust import HttpUser

        class Chatter(WebPubSubUser):
            wait_time = constant(0.5)

            @task
            def chat(self):
                self.client.send_to_group("g", "hello")

        class Shopper(HttpUser):
            wait_time = constant(0.5)

            @task
            def look(self):
                self.client.get("/missing")
        """,
    )
    done = run(tmp_path / "reports", *USERS, "-t", "3s", "--host", shop, locustfile=path)

    assert done.code == 1, done.output
    (reason,) = done.summary["exit"]["reasons"]
    assert "(GET /missing " in reason["message"]
    assert done.folder is not None
    for text in (done.output, (done.folder / "summary.md").read_text(), (done.folder / "junit.xml").read_text()):
        assert f"Exit code 1: {reason['message']}." in text


def test_scenario_users_beside_a_task_of_ones_own(tmp_path: Path) -> None:
    path = written(
        tmp_path,
        """
        from wps_load import ScenarioUser

        class Load(ScenarioUser):
            pass

        class Own(WebPubSubUser):
            wait_time = constant(0.2)

            @task
            def ask(self):
                self.client.send_event("ask", "x")
                self.client.join_group("own")
                self.client.send_to_group("own", "y", measured=True)
        """,
    )
    done = run(tmp_path / "reports", *USERS, "-t", "4s", "--wps-rate", "5", locustfile=path)

    messages, metrics = done.summary["messages"], done.summary["metrics"]
    assert done.code == 0, done.output
    assert messages["delivered"] == messages["expected"] >= messages["published"] > 0
    assert messages["foreign"] == messages["lost"] == 0
    echo, own = done.summary["populations"]
    assert [echo["name"], own["name"]] == ["echo", "own"]
    for name in ("offered", "published", "expected", "delivered", "lost"):
        assert echo["messages"][name] + own["messages"][name] == messages[name]
    assert echo["metrics"]["rtt"]["count"] == echo["messages"]["delivered"]
    round_trips = own["metrics"]["rtt"]["count"]
    assert round_trips > own["messages"]["published"] > 0, "events come back, too, which are not measured"
    assert rows(done, "WPS")["own/rtt"] == round_trips
    assert echo["connections"]["open_end"] + own["connections"]["open_end"] == 8
    assert metrics["connect"]["count"] == done.summary["connections"]["target"] == 8


GROUP_TASK = """
    class Own(WebPubSubUser):
        wait_time = constant(0.1)

        @task
        def talk(self):
            self.client.join_group("g")
    """


def test_wrong_key_is_one_sentence_without_a_traceback(tmp_path: Path) -> None:
    key = "NotTheRightKeyNotTheRightKeyNotTheRightKey"
    with EmulatorProcess.start() as emulator:
        target = f"Endpoint={emulator.endpoint};AccessKey={key};Version=1.0;"
        done = run(
            tmp_path / "reports", *USERS, "-t", "2s", "--wps-connection-string", target,
            locustfile=written(tmp_path, GROUP_TASK),
        )  # fmt: skip

    assert done.code == 4, done.output
    assert done.failures["connect", "http_401"] == 8
    assert done.output.count("the service does not accept the token") == 2, "told once, and in the summary"
    assert "Traceback" not in done.output
    assert key not in done.output


def test_finding_can_be_caught_and_a_mistake_is_locusts_to_report(tmp_path: Path) -> None:
    path = written(
        tmp_path,
        """
        from wps_load.errors import Finding

        class Own(WebPubSubUser):
            wait_time = constant(0.5)

            @task
            def caught(self):
                try:
                    self.client.join_group("g")
                except Finding as finding:
                    print("caught", finding.label)

            @task
            def mistaken(self):
                self.client.send("only for simple clients")
        """,
    )
    done = run(tmp_path / "reports", *USERS, "-t", "2s", "--wps-roles", "none", locustfile=path)

    assert done.code == 1, done.output
    assert "caught ack_forbidden" in done.output
    assert "LocalProtocolError: send is for --wps-protocol simple" in done.output


def test_users_connections_end_with_them_whatever_on_stop_does(tmp_path: Path) -> None:
    path = written(
        tmp_path,
        """
        from locust import events

        class Own(WebPubSubUser):
            wait_time = constant(0.1)
            opened = []

            def on_start(self):
                self.client.connect()
                self.opened.append(self.client)

            @task
            def wait_for_nothing(self):
                self.client.receive(None)

            def on_stop(self):
                pass

        @events.quitting.add_listener
        def tell(**_):
            print("still connected:", sum(client.connected for client in Own.opened), "of", len(Own.opened))
        """,
    )
    done = run(tmp_path / "reports", *USERS, "-t", "2s", locustfile=path)

    assert done.code == 0, done.output
    assert "still connected: 0 of 8" in done.output


def test_import_is_lazy() -> None:
    program = dedent(
        """
        import sys
        import wps_load, wps_load.protocol.codecs, wps_load.measure.ledger, wps_load.workload.pacer
        assert not {"gevent", "locust"} & set(sys.modules)
        assert wps_load.__version__
        from wps_load import WebPubSubUser
        assert "locust" in sys.modules and WebPubSubUser.abstract
        from wps_load import AppServerUser, ScenarioUser
        assert AppServerUser.abstract and ScenarioUser.abstract
        assert {"AppServerUser", "ScenarioUser", "WebPubSubUser"} <= set(wps_load.__all__)
        try:
            wps_load.nothing
        except AttributeError as error:
            assert "nothing" in str(error)
        else:
            raise SystemExit("an attribute that is not there")
        """
    )
    command = [sys.executable, "-c", program]
    done = subprocess.run(command, env=clean_environment(), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("workers", [0, 2])
def test_chat(tmp_path: Path, shop: str, workers: int) -> None:
    port = str(free_port())
    processes = ("--processes", "2", "--master-port", port, "--master-bind-port", port) if workers else ()
    demands = (
        "delivery p99 < 10s, rtt p99 < 10s, rest_publish p99 < 10s, loss = 0, misdelivered = 0",
        "chat-user.delivery p99 < 10s, chat-user.loss = 0, display.delivery count > 3, display.connected >= 50%",
        "announcer.rest_publish count > 1",
    )
    slo = ("--wps-slo", ", ".join(demands))
    done = run(
        tmp_path / "reports", "-u", "12", "-r", "12", "-t", "5s", "--host", shop, *slo, *processes,
        locustfile=EXAMPLES / "chat.py",
    )  # fmt: skip

    assert done.code == 0, done.output
    assert "Traceback" not in done.output
    messages, metrics, table = done.summary["messages"], done.summary["metrics"], rows(done, "WPS")
    assert done.summary["verdict"] == "pass"
    assert messages["expected"] == messages["delivered"] > messages["published"] > 10
    assert messages["lost"] == messages["duplicated"] == messages["misdelivered"] == messages["foreign"] == 0
    assert messages["send_failed"] == 0
    assert messages["delivered"] == metrics["delivery"]["count"] + metrics["rtt"]["count"]
    assert metrics["rest_publish"]["count"] > 0
    assert metrics["rest_manage"]["count"] == table["rest_manage"] > 0
    assert rows(done, "GET")["/"] > 0
    connections = done.summary["connections"]
    assert connections["target"] == connections["peak"] == connections["opened"] == 9, "8 who talk and the display"

    parts = {each["name"]: each for each in done.summary["populations"]}
    assert [(name, parts[name]["protocol"]) for name in parts] == [
        ("chat-user", "json"), ("display", "simple"), ("announcer", "json"),
    ]  # fmt: skip
    for name in ("offered", "published", "expected", "delivered", "lost", "misdelivered"):
        assert sum(part["messages"][name] for part in parts.values()) == messages[name], "they add up to the run"
    assert [part["connections"]["opened"] for part in parts.values()] == [8, 1, 0]
    assert parts["display"]["metrics"]["delivery"]["count"] == parts["display"]["messages"]["delivered"]
    assert "rtt" not in parts["display"]["metrics"]
    assert len(parts["chat-user"]["slo"]) == len(parts["display"]["slo"]) == 2
    for metric in ("chat-user/rtt", "chat-user/delivery", "display/delivery", "announcer/rest_publish"):
        population, _, name = metric.partition("/")
        assert table[metric] == parts[population]["metrics"][name]["count"]


def test_every_example_of_the_page_is_a_piece_of_a_file_that_is_run() -> None:
    page = (ROOT / "docs" / "locustfiles.md").read_text()
    files = {path.name: path.read_text() for path in EXAMPLES.glob("*.py")}
    run_here = set(re.findall(r'EXAMPLES / "(\w+\.py)"', Path(__file__).read_text()))
    assert set(files) == run_here
    blocks = re.findall(r"^```python\n(.*?)^```", page, re.MULTILINE | re.DOTALL)
    assert len(blocks) >= 4
    for block in blocks:
        assert any(block.strip() in text for text in files.values()), block
