"""Locust's page with wps-load's parts, as a browser requests it: what it offers, refuses and starts."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import pytest

from tests.client.engine_runs import until
from tests.client.json_service import JsonService

if TYPE_CHECKING:
    from tests.swarm.locust_process import Process
    from wps_load.swarm.lifecycle import Lifecycle

WAITS = ("--loglevel", "INFO")
"""A process that waits for its page."""
RIGHT = {"user_count": "2", "spawn_rate": "100", "host": "", "run_time": ""}


class Site:
    """The page of a process; `post` sends a form, and returns what came of it."""

    def __init__(self, process: Process) -> None:
        self.process = process
        self.lifecycle: Lifecycle = process.compose()
        self._client = process.web_ui.app.test_client()

    def post(self, path: str = "/swarm", **fields: str) -> dict[str, Any]:
        found: dict[str, Any] = self._client.post(path, data={**RIGHT, **fields}).get_json()
        return found

    def refusal(self, **fields: str) -> str:
        """Why Start is refused."""
        found = self.post(**fields)
        assert found["success"] is False
        return str(found["message"])

    def get(self, path: str) -> Any:
        return self._client.get(path)

    def settings(self, values: object) -> int:
        """The status that answers new settings of a user class."""
        return int(self._client.post("/user", json=values).status_code)


MakeSite = Callable[..., Site]


@pytest.fixture
def service() -> Iterator[JsonService]:
    with JsonService() as made:
        yield made


@pytest.fixture
def make_site(make_process: Callable[..., Process], service: JsonService) -> MakeSite:
    def make(*argv: str, **options: Any) -> Site:
        given = {"connection_string": service.connection_string, "rate": "20", **options}
        return Site(make_process(*WAITS, *argv, web=True, **given))

    return make


def test_the_page_has_our_tab_beside_those_of_others_however_often_it_is_loaded(make_site: MakeSite) -> None:
    site = make_site()
    site.process.web_ui.template_args["extended_tabs"] = [{"title": "Of somebody else", "key": "else"}]
    for _ in range(2):
        page = site.get("/").get_data(as_text=True)
    arguments = site.process.web_ui.template_args
    assert page.count("/wps/tab.js") == page.count("/wps/form.js") == 1
    assert [tab["key"] for tab in arguments["extended_tabs"]] == ["else", "wps"]
    assert arguments["missing_host_warning"] is False, "no user of ours has a host"


@pytest.mark.parametrize("allowed", [False, True])
def test_the_form_offers_what_may_be_set_there(make_site: MakeSite, allowed: bool) -> None:
    site = make_site(allow_target_change=allowed)
    site.get("/")
    arguments = site.process.web_ui.template_args
    fields = arguments["extra_options"]
    assert "wps_rate" in fields
    assert "wps_report_dir" not in fields, "it names a folder of this machine"
    assert ("wps_negotiate_url" in fields) is allowed
    assert "wps_connection_string" not in fields, "it is a secret"
    grouped = [name for group in arguments["wps_form"] for name in group["names"]]
    assert len(grouped) == len({*grouped}) > 10
    assert {*grouped} <= {*fields}


def test_the_form_says_what_is_wrong_in_its_own_words_and_nothing_is_prepared(make_site: MakeSite) -> None:
    site = make_site()
    assert "--wps-rate 'often'" in site.refusal(wps_rate="often")
    assert "Number of users (--users) '0': at least 1" in site.refusal(user_count="0")
    assert site.lifecycle.reporter is None


@pytest.mark.parametrize(
    ("allowed", "fields", "said"),
    [
        (False, {"wps_negotiate_url": "http://127.0.0.1:9/negotiate"}, "--wps-negotiate-url"),
        (False, {"host": "http://elsewhere"}, "Host"),
        (True, {"wps_connection_string": "Endpoint=http://127.0.0.1:9;AccessKey=k;"}, "--wps-connection-string"),
        (True, {"wps_negotiate_url": "http://127.0.0.1:9/negotiate?code=a-secret"}, "--wps-negotiate-url"),
        (True, {"wps_report_dir": "/elsewhere"}, "--wps-report-dir"),
    ],
    ids=["another target", "another host", "a key", "a secret", "a folder"],
)
def test_what_the_page_may_not_change(make_site: MakeSite, allowed: bool, fields: dict[str, str], said: str) -> None:
    site = make_site(allow_target_change=allowed)
    assert said in site.refusal(**fields)
    assert site.lifecycle.reporter is None


def test_what_start_would_test_is_said_before(make_site: MakeSite) -> None:
    site = make_site()
    said = site.post("/wps/target")["says"]
    assert said.startswith("Start will test: http://127.0.0.1:")
    refused = site.post("/wps/target", wps_rate="often")["says"]
    assert refused.startswith("Start will be refused: --wps-rate 'often'")
    foreign = site.post("/wps/target", host="http://elsewhere")["says"]
    assert foreign.startswith("Start will be refused: ")
    assert site.lifecycle.reporter is None


def test_a_run_that_the_page_starts_is_edited_as_far_as_it_can_be_and_ends(
    make_site: MakeSite, service: JsonService
) -> None:
    site = make_site()
    assert site.post(wps_rate="40")["success"] is True
    until(lambda: service.count("sendToGroup"), "it publishes")
    assert site.lifecycle.ready().population.rate == 40
    stats = site.get("/stats/requests").get_json()
    (ours,) = [each for each in stats["extended_stats"] if each["key"] == "wps"]
    assert any(row["what"] == "phase" for row in ours["data"])

    assert "rate cannot be changed while a run is on" in site.refusal(wps_rate="50")
    assert "at least 1 while a run is on" in site.refusal(wps_rate="40", user_count="0")
    assert site.post(wps_rate="40", user_count="3")["success"] is True
    until(lambda: service.connections == 3, "another user came")

    run = site.lifecycle.run
    assert run is not None
    run.conductor.drain(0)
    assert "The run is ending" in site.refusal(wps_rate="40", user_count="4")


def test_a_load_that_stages_set_is_not_edited(make_site: MakeSite, service: JsonService) -> None:
    site = make_site(stages="2:30s,4:30s")
    assert site.post()["success"] is True
    until(lambda: service.connections, "it has begun")
    assert "(--wps-stages): stop it and start again" in site.refusal(user_count="3")


def test_settings_of_a_user_class_are_judged(make_site: MakeSite) -> None:
    site = make_site()
    assert site.settings({"user_class_name": "Load", "tasks": ["live"], "weight": 2}) == 201
    assert site.settings({"user_class_name": "Load", "host": "http://elsewhere"}) == 403
    assert site.settings(["nonsense"]) == 403
