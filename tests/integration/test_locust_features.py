"""Locust's documented features of User classes work with wps-load's: weights, fixed counts, tags, TaskSets, shapes."""

from __future__ import annotations

import json
import re
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest

from tests.integration.program import Finished, run

pytestmark = pytest.mark.program

HEAD = """
import json
from locust import HttpUser, LoadTestShape, SequentialTaskSet, User, constant, constant_pacing, events, tag, task
from wps_load import AppServerUser, ScenarioUser, WebPubSubUser

SEEN = {}

def saw(what):
    SEEN[what] = SEEN.get(what, 0) + 1

@events.quitting.add_listener
def tell(**_):
    print("SEEN", json.dumps(SEEN))
"""


def written(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "locustfile.py"
    path.write_text(HEAD + dedent(text))
    return path


def seen(done: Finished) -> dict[str, Any]:
    found = re.search(r"^SEEN (.*)$", done.output, re.MULTILINE)
    assert found is not None, done.output
    values: dict[str, Any] = json.loads(found[1])
    return values


def test_weights_fixed_counts_tags_task_sets_and_hooks(tmp_path: Path) -> None:
    path = written(
        tmp_path,
        """
        class Heavy(WebPubSubUser):
            weight = 3
            wait_time = constant_pacing(0.2)

            def on_start(self):
                saw("heavy started")

            def on_stop(self):
                saw("heavy stopped")

            @tag("quick")
            @task(9)
            def often(self):
                saw("often")
                self.client.send_to_group("g", "x", measured=True)

            @tag("quick")
            @task(1)
            def seldom(self):
                saw("seldom")

            @tag("slow")
            @task(100)
            def never(self):
                saw("never")

        class Light(WebPubSubUser):
            weight = 1
            wait_time = constant(0.05)

            @task
            class InOrder(SequentialTaskSet):
                @tag("quick")
                @task
                def first(self):
                    self.user.last = "first"
                    saw("first")

                @tag("quick")
                @task
                def second(self):
                    saw("second" if self.user.last == "first" else "out of order")
                    self.user.last = "second"
                    self.user.client.join_group("forbidden")  # a Finding ends this task, quietly
                    saw("not ended")

        class Server(AppServerUser):
            fixed_count = 1
            wait_time = constant(0.2)

            @tag("quick")
            @task
            def announce(self):
                saw("announced")
                self.client.send_to_all("x")

        class Player(ScenarioUser):
            fixed_count = 2
        """,
    )
    done = run(
        tmp_path / "reports", "-u", "11", "-r", "11", "-t", "5s", "--tags", "quick",
        "--wps-roles", "webpubsub.sendToGroup,webpubsub.joinLeaveGroup.g,webpubsub.joinLeaveGroup.*",
        "--wps-scenario", "idle", "--exit-code-on-error", "0", locustfile=path,
    )  # fmt: skip

    assert done.code == 0, done.output
    assert "Traceback" not in done.output
    found = seen(done)
    assert found["heavy started"] == found["heavy stopped"] == 6, "of 8 that are not fixed: 3 to 1"
    assert found["often"] > 3 * found["seldom"] > 0
    assert "never" not in found
    assert found["first"] >= found["second"] > 2
    assert "out of order" not in found
    assert "not ended" not in found
    assert found["announced"] > 2
    assert 6 * 10 <= found["often"] + found["seldom"] <= 6 * 27, "one each 0.2 s of 5 s"
    assert done.summary["connections"]["peak"] == 10, "all but the app server"
    assert {each["label"] for each in done.summary["failures"]} == {"ack_forbidden"}


def test_a_shape_and_a_task_that_ends_the_run(tmp_path: Path) -> None:
    path = written(
        tmp_path,
        """
        class Talker(WebPubSubUser):
            wait_time = constant(0.1)

            def on_start(self):
                saw("started")

            @task
            def talk(self):
                self.client.join_group(self.client.name)
                self.client.send_to_group(self.client.name, "x", measured=True)
                if SEEN.get("ticks", 0) > 5 and self.environment.runner.user_count == 4:
                    self.environment.runner.quit()

        class Steps(LoadTestShape):
            def tick(self):
                saw("ticks")
                return (2, 2) if SEEN["ticks"] < 3 else (4, 4)
        """,
    )
    done = run(tmp_path / "reports", locustfile=path)

    assert done.code == 0, done.output
    assert "Traceback" not in done.output
    assert seen(done)["started"] == 4
    messages = done.summary["messages"]
    assert messages["published"] == messages["expected"] == messages["delivered"] > 10
    assert messages["lost"] == 0
    assert done.summary["connections"]["peak"] == 4


def test_what_classes_cannot_be_is_refused_at_once_before_anything_connects(tmp_path: Path) -> None:
    path = written(
        tmp_path,
        """
        class Talker(WebPubSubUser):
            protocol = "smoke-signals"
            hub = "other"

            @task
            def talk(self):
                saw("talked")

        class Server(AppServerUser):
            @task
            def announce(self):
                saw("announced")
        """,
    )
    url = "ws://127.0.0.1:9/client/hubs/h?access_token=abc"
    done = run(tmp_path / "reports", "-u", "2", "-r", "2", "-t", "5s", "--wps-client-url", url, locustfile=path)

    assert done.code == 2, done.output
    said = [line for line in done.output.splitlines() if line.startswith("wps-load: ")]
    assert [line.partition(":")[2].strip().partition(":")[0] for line in said] == [
        "Talker.protocol",
        "Talker.hub",
        "Server",
    ]
    assert "Traceback" not in done.output
    assert "talked" not in done.output
    assert done.folder is None


def test_who_listens_in_a_worker_gets_each_request_and_the_masters_table_counts_it_once(tmp_path: Path) -> None:
    path = written(
        tmp_path,
        """
        class Talker(ScenarioUser):
            pass

        @events.request.add_listener
        def on_request(name, **_):
            saw(name)
        """,
    )
    done = run(tmp_path / "reports", "-u", "4", "-r", "4", "-t", "3s", "--processes", "1", locustfile=path)

    assert done.code == 0, done.output
    (row,) = re.findall(r"^WPS +rtt +(\d+) +0\(0\.00%\)", done.output, re.MULTILINE)[-1:]
    said = [json.loads(line) for line in re.findall(r"^SEEN (.*)$", done.output, re.MULTILINE)]
    heard = sum(each.get("rtt", 0) for each in said)
    assert int(row) == heard == done.summary["metrics"]["rtt"]["count"] > 0
