"""wps-load's classes in a locustfile: what ends a task, what a client is outside of a run, and tasks in a whole run."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import gevent
import pytest

from tests.client.engine_runs import until
from tests.client.json_service import JsonService
from wps_load.errors import Finding

if TYPE_CHECKING:
    from tests.swarm.locust_process import Process

pytestmark = pytest.mark.usefixtures("unpatched_locust")

Make = Callable[..., "Process"]
URL = "ws://127.0.0.1:9/client/hubs/h?access_token=T"
KEY = "Endpoint=http://127.0.0.1:9;AccessKey=k;Version=1.0;"


def test_a_finding_ends_a_task_silently_and_anything_else_is_locusts() -> None:
    from locust import TaskSet, task

    from wps_load.swarm.webpubsub_user import WebPubSubUser

    worked: list[Any] = []

    class Inner(TaskSet):
        @task
        def refused(self) -> None:
            raise Finding("ack_forbidden", "refused", "")

    class Own(WebPubSubUser):
        tasks = (Inner,)  # type: ignore[assignment]  # Locust takes any sequence

        @task
        def fails(self) -> None:
            raise KeyError("a bug of the locustfile")

        @task
        def works(self) -> None:
            worked.append(self)

    class Further(Own):
        pass

    by_name: dict[str, Any] = {getattr(each, "__name__", ""): each for each in Own.tasks}
    inner: Any = Inner.tasks[0]
    assert inner(None) is None
    by_name["works"]("a user")
    assert worked == ["a user"]
    with pytest.raises(KeyError):
        by_name["fails"](None)
    assert {getattr(each, "__name__", ""): each for each in Further.tasks} == by_name, "they are not wrapped again"


@pytest.mark.parametrize("kind", ["WebPubSubUser", "AppServerUser"])
def test_outside_of_a_run_a_user_has_no_client_and_ends(make_process: Make, kind: str) -> None:
    from locust import task
    from locust.exception import StopUser

    from wps_load.swarm.app_server_user import AppServerUser
    from wps_load.swarm.webpubsub_user import WebPubSubUser

    base: Any = {"WebPubSubUser": WebPubSubUser, "AppServerUser": AppServerUser}[kind]

    class Own(base):  # type: ignore[misc]
        @task
        def nothing(self) -> None: ...

    process = make_process(classes=[Own], connection_string=KEY)
    process.compose()
    with pytest.raises(StopUser):
        _ = Own(process.environment).client


@pytest.mark.parametrize(
    ("attributes", "said"),
    [
        ({"protocol": "morse"}, "Own.protocol: protocol is 'morse'"),
        ({"hub": "a hub"}, "Own.hub: hub is 'a hub'"),
        ({"groups": "lobby"}, "Own.groups: groups is of type str"),
    ],
)
def test_what_a_class_says_wrongly_ends_the_process_before_anything_connects(
    make_process: Make, capsys: pytest.CaptureFixture[str], attributes: dict[str, Any], said: str
) -> None:
    from wps_load.swarm.webpubsub_user import WebPubSubUser

    Own = type("Own", (WebPubSubUser,), {"abstract": False, "tasks": [lambda user: None], **attributes})
    with pytest.raises(SystemExit) as caught:
        make_process(classes=[Own], connection_string=KEY).compose()
    assert caught.value.code == 2
    assert said in capsys.readouterr().err


def test_tasks_play_in_a_run_and_what_goes_wrong_in_a_callback_is_told_to_locust(make_process: Make) -> None:
    from locust import task

    from wps_load.swarm.webpubsub_user import WebPubSubUser

    came: list[Any] = []

    class Own(WebPubSubUser):
        groups = ("lobby",)
        user_id = "anna"

        def on_start(self) -> None:
            self.client.on_message(self.hear)

        def hear(self, message: Any) -> None:
            came.append(message.data)
            if message.data == "first":
                raise KeyError("a bug of the locustfile")
            raise Finding("ack_forbidden", "counted already", "")

        @task
        def talk(self) -> None:
            for text in ("first", "second"):
                self.client.send_to_group("lobby", text, measured=True)
            gevent.sleep(60)

    with JsonService() as service:
        process = make_process(classes=[Own], connection_string=service.connection_string)
        errors: list[str] = []
        process.environment.events.user_error.add_listener(
            lambda exception, **_: errors.append(type(exception).__name__)
        )
        lifecycle = process.compose()
        process.runner.start(1, spawn_rate=10)
        until(lambda: came == ["first", "second"] and errors, "both came back")
        reporter = lifecycle.reporter
        assert process.quit() != 0
        assert errors == ["KeyError"]
        assert [message["group"] for message in service.messages if message["type"] == "joinGroup"] == ["lobby"]
        summary = None if reporter is None else reporter.summary
        assert summary is not None
        assert (summary["run"]["scenario"], summary["connections"]["opened"]) == ("locustfile", 1)
        assert any("1 exception in tasks" in reason["message"] for reason in summary["exit"]["reasons"])
        assert (summary["messages"]["published"], summary["messages"]["lost"]) == (2, 0)


def test_a_user_that_is_stopped_leaves_by_plan(make_process: Make) -> None:
    with JsonService() as service:
        process = make_process(connection_string=service.connection_string, scenario="idle")
        lifecycle = process.compose()
        process.runner.start(3, spawn_rate=100)
        until(lambda: lifecycle.agent, "it has begun")
        agent = lifecycle.agent
        assert agent is not None
        until(lambda: agent.engine.open == 3, "all are there")
        process.runner.start(1, spawn_rate=100)
        until(lambda: agent.engine.open == 1, "two have left")
        assert process.runner.user_count == 1
        assert agent.engine.take()[None].counters["connections_closed_by_plan"] == 2
