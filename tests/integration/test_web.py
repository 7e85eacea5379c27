"""Locust's web page with wps-load's parts, used in a browser; and refused requests."""

from __future__ import annotations

import json
import socket
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from http.cookiejar import CookieJar
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests.browser import browser_test, chromium_running, looking
from tests.integration.program import Program, start, until
from tests.ports import free_port
from wps_load.settings.options import OPTIONS

NO_HEADERS: Mapping[str, str] = {}
BY_DEST = {option.dest: option.flag for option in OPTIONS}

LOGIN = """
from flask import redirect
from flask_login import UserMixin, login_user
from locust import events
from wps_load.swarm.users import ScenarioUser


class Load(ScenarioUser):
    abstract = False


class Person(UserMixin):
    id = "somebody"


@events.init.add_listener
def add_login(environment, **_):
    web_ui = environment.web_ui
    web_ui.app.secret_key = "of a test"
    web_ui.login_manager.user_loader(lambda _: Person())
    web_ui.template_args["extended_tabs"] = [{"title": "Of somebody else", "key": "else"}]

    @web_ui.app.route("/load/enter")
    def enter():
        login_user(Person())
        return redirect("/load/")
"""


def listens(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port)).close()
    except ConnectionRefusedError:
        return False
    return True


class Site:
    """A program that serves its page, and what it wrote."""

    def __init__(self, program: Program, port: int) -> None:
        self.program = program
        self.address = f"http://127.0.0.1:{port}"
        until(lambda: listens(port), "the page is served")  # Locust says so a moment earlier

    @property
    def summaries(self) -> list[Path]:
        return sorted(self.program.report_dir.glob("*/summary.json"))

    def emulators(self) -> list[psutil.Process]:
        children = psutil.Process(self.program.process.pid).children()
        return [child for child in children if "wps_load.emulator" in " ".join(child.cmdline())]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    port = free_port()
    reports = tmp_path_factory.mktemp("web") / "reports"
    with start(reports, "--web-host", "127.0.0.1", "--web-port", str(port)) as program:
        yield Site(program, port)


@pytest.fixture(scope="module")
def chromium() -> Iterator[Any]:
    with chromium_running() as browser:
        yield browser


@pytest.fixture
def page(chromium: Any, site: Site) -> Iterator[Any]:
    """Locust's page. Whatever the consoles of this page and those it opens call an error fails the test."""
    with looking(chromium) as found:
        found.goto(site.address)
        yield found


def fill_form(page: Any, **values: str) -> None:
    """`values`: by the names of the form's fields."""
    page.locator('input[name="userCount"]').fill("5")
    page.locator('input[name="spawnRate"]').fill("5")
    page.get_by_role("button", name="▸ Load").wait_for()  # the list is open, and folded by groups
    for group in page.get_by_role("button", name="▸").all_inner_texts():
        page.get_by_role("button", name=group.strip()).click()
    for name, value in values.items():
        page.locator(f'input[name="{name}"]').fill(value)


def press(page: Any, name: str) -> None:
    page.get_by_role("button", name=name, exact=True).click()


def await_row(page: Any, *texts: str) -> None:
    row = page.locator("tr")
    for text in texts:
        row = row.filter(has=page.get_by_role("cell", name=text, exact=True))
    row.first.wait_for()


class TestInABrowser:
    pytestmark = browser_test

    def test_the_form_shows_the_options_and_refuses_a_wrong_one(self, page: Any, site: Site) -> None:
        page.get_by_role("status").filter(has_text="Start will test: embedded emulator.").wait_for()
        assert not page.locator('input[name="wpsPayload"]').is_visible(), "folded away"
        fill_form(page, wpsRate="abc", wpsPayload="12B")

        assert page.locator('select[name="wpsScenario"]').input_value() == "echo"
        labels = page.locator("label").all_inner_texts()
        assert "Wps Publishers (how many of the users publish, a number or a share (10%))" in labels
        assert not [label for label in labels if "Connection String" in label or "Client Url" in label], "secrets"
        names = page.locator('[name^="wps"]').evaluate_all("found => found.map(each => each.name)")
        shown = ["wpsTarget", "wpsScenario", "wpsProtocol", "wpsRate", "wpsSlo"]
        assert [name for name in names if name != "wpsMix"][:5] == shown, "what most runs differ in comes first"
        assert not {"wpsNegotiateUrl", "wpsPayloadFile", "wpsReportDir", "wpsCaFile", "wpsPrometheusPort"} & set(names)
        assert page.get_by_text("no host attribute").count() == 0

        refused = page.get_by_role("status").filter(has_text="Start will be refused: --wps-rate 'abc'")
        refused.wait_for()  # before anybody presses it

        press(page, "Start")

        alert = page.get_by_role("alert")
        alert.wait_for()
        assert "--wps-rate" in alert.inner_text()
        assert "abc" in alert.inner_text()
        assert "--wps-payload" in alert.inner_text(), "all faults at once"
        assert page.get_by_text("READY").is_visible()
        assert site.emulators() == []
        assert list(site.program.report_dir.iterdir()) == []

    def test_start_stop_and_start_again(self, page: Any, site: Site) -> None:
        fill_form(page, wpsRate="", wpsWarmup="", wpsDrain="1s")  # empty: not set
        press(page, "Start")
        for name in ("connect", "connect_upgrade", "rtt"):
            await_row(page, "WPS", name)

        page.get_by_role("tab", name="Web PubSub").click()
        await_row(page, "connections", "5 of 5")
        await_row(page, "scenario", "echo over json")
        await_row(page, "SLO loss = 0", "✓ met so far")
        page.get_by_role("link", name="live charts").click()
        assert_charts_move(page)

        page.go_back()
        press(page, "Stop")
        page.get_by_text("STOPPED").wait_for()
        until(lambda: len(site.summaries) == 1, "the report")
        summary = json.loads(site.summaries[0].read_text())
        assert summary["run"]["settings"]["wps-rate"] == "1"
        assert summary["messages"]["lost"] == 0
        assert summary["messages"]["delivered"] == summary["messages"]["expected"] > 0

        press(page, "New")
        fill_form(page, wpsRate="20", wpsDrain="1s")
        press(page, "Start")
        until(lambda: site.program.output.count("All users spawned") == 2, "the second run")
        page.goto(f"{site.address}/wps")
        page.get_by_text("5 of 5").wait_for()
        await_drawn(page, 2)
        page.goto(site.address)
        press(page, "Stop")
        until(lambda: len(site.summaries) == 2, "the second report")

        page.goto(f"{site.address}/wps")
        page.get_by_role("heading", name="Passed (EMULATOR)").wait_for()
        live = page.locator("#figures > div, #generator > div").all_inner_texts()
        page.get_by_role("link", name="Full report").click()
        page.locator('html[data-drawn="yes"]').wait_for(state="attached")
        assert page.url.endswith("/wps/report/report.html")
        reported = page.locator(".figures > div, .pairs > div").all_inner_texts()
        assert len(live) > 10
        assert [words for words in live if words not in reported] == [], "what it shows at the end equals the report"
        assert "Traceback" not in site.program.output


def assert_charts_move(page: Any) -> None:
    """On `/wps`, during a run: all charts drawn, more in them each second, readable on a phone."""
    seconds = await_drawn(page, 2)
    assert page.locator("figure.chart path.line").count() >= 9
    await_drawn(page, seconds + 1)
    assert page.locator("#phase").inner_text() in ("Settle", "Measure", "Measure · SLOs met so far")
    page.set_viewport_size({"width": 390, "height": 800})
    until(
        lambda: page.evaluate("document.documentElement.scrollWidth") <= 390,
        "nothing is wider than a phone",
    )
    page.set_viewport_size({"width": 1280, "height": 900})


def await_drawn(page: Any, seconds: int) -> int:
    """Waits until `/wps` has drawn this many seconds; returns how many it has."""
    found = 0

    def drawn() -> bool:
        # the page's policy forbids what wait_for_function does
        nonlocal found
        found = int(page.evaluate("document.documentElement.dataset.seconds || 0"))
        return found >= seconds

    until(drawn, f"{seconds} seconds in the charts")
    return found


class Refused(urllib.request.HTTPRedirectHandler):
    """Redirects are answers, not ways."""

    def redirect_request(self, *args: Any, **kwargs: Any) -> None:
        return None


class Visitor:
    def __init__(self, address: str) -> None:
        self._address = address
        self._opener = urllib.request.build_opener(
            urllib.request.ProxyHandler({}), urllib.request.HTTPCookieProcessor(CookieJar()), Refused()
        )

    def ask(self, path: str, body: bytes | None = None, headers: Mapping[str, str] = NO_HEADERS) -> tuple[int, bytes]:
        request = urllib.request.Request(self._address + path, body, dict(headers))
        try:
            with self._opener.open(request, timeout=10) as answer:
                return answer.status, answer.read()
        except urllib.error.HTTPError as error:
            return error.code, error.read()


def test_a_stranger_neither_starts_a_run_nor_learns_of_files(site: Site, tmp_path: Path) -> None:
    secret = tmp_path / "secret.txt"
    secret.write_text("a line of this host")
    start_form = "user_count=1&spawn_rate=1"
    refused = {
        "wps_payload_file": str(secret),
        "wps_negotiate_url": "http://127.0.0.1:9/negotiate",
        "wps_connection_string": "Endpoint=http://127.0.0.1:9;AccessKey=abc;",
        "wps_report_dir": str(tmp_path / "elsewhere"),
        "html_file": str(tmp_path / "written.html"),
        "host": "http://127.0.0.1:9",
    }
    visitor, emulators = Visitor(site.address), site.emulators()
    for name, value in refused.items():
        status, answer = visitor.ask("/swarm", f"{start_form}&{name}={value}".encode())
        assert (status, json.loads(answer)["success"]) == (200, False), name
        assert (BY_DEST.get(name) or name).lower() in json.loads(answer)["message"].lower()
    for path in ("/swarm", "/stop", "/stats/reset", "/user"):
        for header in ({"Origin": "http://evil.example"}, {"Sec-Fetch-Site": "cross-site"}):
            assert visitor.ask(path, start_form.encode(), header)[0] == 403, path
    assert visitor.ask("/user", b'{"user_class_name": "Load", "host": "http://127.0.0.1:9"}')[0] == 403
    assert site.emulators() == emulators, "nothing was started"
    ours = [line for line in site.program.output.splitlines() if not line.startswith("[")]
    assert ours[0] == f"The page listens on {site.address.removeprefix('http://')}"


def test_login_and_base_path_of_locust_hold_for_our_pages(tmp_path: Path) -> None:
    locustfile = tmp_path / "locustfile.py"
    locustfile.write_text(LOGIN)
    port = free_port()
    options = ("--web-host", "127.0.0.1", "--web-port", str(port), "--web-base-path", "/load", "--web-login")
    with start(tmp_path / "reports", *options, locustfile=locustfile) as program:
        site = Site(program, port)
        stranger, friend = Visitor(site.address), Visitor(site.address)
        until(lambda: _answers(stranger), "the page answers")
        for path in ("/load/wps", "/load/wps/data", "/load/wps/chart.js", "/load/wps/report/report.html"):
            assert stranger.ask(path)[0] == 302, path
        assert stranger.ask("/load/swarm", b"user_count=1&spawn_rate=1")[0] == 302
        assert site.emulators() == []
        assert list(program.report_dir.iterdir()) == []

        assert friend.ask("/load/enter")[0] == 302
        assert friend.ask("/load/wps/data?since=nonsense") == (200, b'{"state":"none"}')
        assert friend.ask("/load/wps")[0] == 200
        index = friend.ask("/load/")[1]
        for text in (b"./wps/tab.js", b'{"title": "Web PubSub", "key": "wps"}', b'"Of somebody else"'):
            assert index.count(text) == 1, "beside the tabs of others"
        assert friend.ask("/wps")[0] == 404
        assert friend.ask("/load/wps/report/report.html")[0] == 404, "there is no run yet"

        for form, said in (
            (
                b"user_count=500&spawn_rate=1&run_time=20s",
                b"connecting 500 users at 1 a second takes 500 s of the 20 s",
            ),
            (b"user_count=0&spawn_rate=1", b"Number of users (--users) '0': at least 1"),
            (b"user_count=1&spawn_rate=1&run_time=0", b"Run time (--run-time) '0'"),
            (b"user_count=1&spawn_rate=1&host=https%3A%2F%2Fx.webpubsub.azure.com", b"Host"),
            (b"user_count=1&spawn_rate=1&wps_target=azure", b"no target is given"),
        ):
            answer = friend.ask("/load/swarm", form)[1]
            assert b'"success": false' in answer
            assert said in answer
            assert said in friend.ask("/load/wps/target", form)[1], "it is said before Start is pressed"
        assert site.emulators() == []

        assert b'"success": true' in friend.ask("/load/swarm", b"user_count=1&spawn_rate=1&run_time=8s")[1]
        until(lambda: b'"running"' in friend.ask("/load/wps/data")[1], "the run is on")
        for form, said in (
            (b"user_count=2&spawn_rate=9&wps_rate=7", b"--wps-rate cannot be changed while a run is on"),
            (b"user_count=2&spawn_rate=9&run_time=9s", b"(--run-time) cannot be changed"),
            (b"user_count=0&spawn_rate=9", b"at least 1 while a run is on"),
        ):
            answer = friend.ask("/load/swarm", form)[1]
            assert b'"success": false' in answer
            assert said in answer
        assert b'"success": true' in friend.ask("/load/swarm", b"user_count=3&spawn_rate=9&run_time=8s")[1]
        until(lambda: b'"finished"' in friend.ask("/load/wps/data")[1], "the run is over")
        summary = json.loads(friend.ask("/load/wps/report/summary.json")[1])
        assert (summary["connections"]["opened"], summary["connections"]["target"]) == (3, 3)
        assert summary["run"]["duration_s"] < 14, "the edited run ends when it was to end"
        assert b'"Passed (EMULATOR)"' in friend.ask("/load/wps/data")[1]
        for name in ("..%2f..%2flocustfile.py", "%2e%2e/%2e%2e/locustfile.py", "..", ".report.html.1"):
            assert friend.ask(f"/load/wps/report/{name}")[0] == 404, name
        assert b"All runs" in friend.ask("/load/wps/index.html")[1]
        (folder,) = (path.name for path in program.report_dir.iterdir() if (path / "summary.json").exists())
        assert json.loads(friend.ask(f"/load/wps/{folder}/summary.json")[1]) == summary
        for name in (
            f"{folder}/settings.json",
            "..%2freports/summary.json",
            "%2e%2e/summary.json",
            "nobody/report.html",
        ):
            assert friend.ask(f"/load/wps/{name}")[0] == 404, name


def test_workers_run_what_the_form_says(tmp_path: Path) -> None:
    port = free_port()
    options = ("--web-host", "127.0.0.1", "--web-port", str(port), "--processes", "2")
    with start(tmp_path / "reports", *options) as program:
        site = Site(program, port)
        program.await_output("2 workers connected")
        visitor = Visitor(site.address)
        form = b"user_count=10&spawn_rate=10&run_time=3s&wps_scenario=small-group&wps_drain=1s"
        assert b'"success": true' in visitor.ask("/swarm", form)[1]

        def finished() -> dict[str, Any]:
            found: dict[str, Any] = json.loads(visitor.ask("/wps/data")[1])
            return found if found["state"] == "finished" else {}

        until(finished, "the run is over")
        data = finished()
        assert (data["what"], data["metric"]) == ("small-group over json", "delivery")
        assert data["limits"] == [{"expression": "delivery p99 < 1s", "ms": 1000.0}]
        assert data["figures"]["peak"] == data["figures"]["target"] == 10
        assert data["figures"]["delivered"] == 10 * data["figures"]["published"] > 0
        assert ["workers", "2"] in data["generator"]
        assert sum(data["rows"]["published"]) > 0
        stats = json.loads(visitor.ask("/stats/requests")[1])
        (tab,) = stats["extended_stats"]
        assert {"what": "lost", "now": "–", "so_far": "0"} in tab["data"]


def _answers(visitor: Visitor) -> bool:
    try:
        return visitor.ask("/load/wps")[0] > 0
    except OSError:
        return False
