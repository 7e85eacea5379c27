"""What `/wps` serves: its page and scripts, a run's data, and files of runs, of which no path leads anywhere else."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from flask import Flask, Response, request
from flask.testing import FlaskClient

from wps_load.swarm.web_page import pages
from wps_load.swarm.web_view import RunView

RUN = "20261128T120000Z-echo"


class View(RunView):
    """Of a run whose files are there."""

    def __init__(self, folder: Path | None) -> None:
        super().__init__(lambda: None)
        self._there = folder
        self.asked: list[tuple[str, int]] = []

    @property
    def folder(self) -> Path | None:
        return self._there

    @property
    def runs(self) -> Path | None:
        return None if self._there is None else self._there.parent

    def data(self, key: str, since: int) -> Any:
        self.asked.append((key, since))
        return {"state": "none"}


def client(
    view: RunView, base_path: str | None = None, guard: Callable[[Any], Any] = lambda route: route
) -> FlaskClient:
    app = Flask(__name__)
    app.register_blueprint(pages(view, lambda: f"Start will test: {request.form['wps_target']}.", base_path, guard))
    return app.test_client()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The folder of the last run, beside an earlier one and a private file."""
    for name in (RUN, "20261127T120000Z-idle"):
        (tmp_path / name).mkdir()
        for file in ("summary.json", "report.html", ".hidden", "secret.txt"):
            (tmp_path / name / file).write_text(f"{file} of {name}")
    (tmp_path / "index.html").write_text("all runs")
    (tmp_path / "no-run").mkdir()
    (tmp_path / "no-run" / "report.html").write_text("not of a run")
    (tmp_path / ".git").mkdir()
    (tmp_path / ".git" / "summary.json").write_text("{}")
    return tmp_path / RUN


def test_the_page_brings_all_that_it_needs_and_is_not_kept() -> None:
    page = client(View(None)).get("/wps")
    text = page.get_data(as_text=True)
    assert (page.status_code, page.headers["Cache-Control"]) == (200, "no-store")
    assert all(f'id="chart-{name}"' in text for name in ("latency", "messages", "connections", "generator", "lag"))
    assert "http://" not in text.replace("http://www.w3.org", ""), "nothing is fetched from elsewhere"


@pytest.mark.parametrize("name", ["chart.js", "live.js", "tab.js", "form.js"])
def test_scripts_are_kept_as_their_addresses_name_the_version(name: str) -> None:
    found = client(View(None)).get(f"/wps/{name}")
    assert (found.status_code, found.mimetype) == (200, "text/javascript")
    assert "max-age" in found.headers["Cache-Control"]


@pytest.mark.parametrize(
    ("query", "asked"),
    [("?key=run-rtt&since=7", ("run-rtt", 7)), ("", ("", 0)), ("?since=soon", ("", 0))],
)
def test_data_are_requested_from_a_row_on(query: str, asked: tuple[str, int]) -> None:
    view = View(None)
    found = client(view).get(f"/wps/data{query}")
    assert (found.get_json(), view.asked) == ({"state": "none"}, [asked])


def test_what_start_would_do_is_said_of_the_form_that_was_sent() -> None:
    found = client(View(None)).post("/wps/target", data={"wps_target": "emulator"})
    assert found.get_json() == {"says": "Start will test: emulator."}


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("/wps/report/report.html", f"report.html of {RUN}"),
        ("/wps/index.html", "all runs"),
        ("/wps/20261127T120000Z-idle/report.html", "report.html of 20261127T120000Z-idle"),
        ("/wps/report/missing.html", None),
        ("/wps/report/.hidden", None),
        ("/wps/report/..%2findex.html", None),
        ("/wps/report/%2e%2e/index.html", None),
        ("/wps/20261127T120000Z-idle/secret.txt", None),
        ("/wps/no-run/report.html", None),
        ("/wps/.git/summary.json", None),
        ("/wps/other.js", None),
    ],
)
def test_files_of_runs_are_served_and_no_others(folder: Path, path: str, said: str | None) -> None:
    found = client(View(folder)).get(path)
    assert found.status_code == (404 if said is None else 200)
    assert said is None or found.get_data(as_text=True) == said


@pytest.mark.parametrize("path", ["/wps/report/report.html", "/wps/index.html", f"/wps/{RUN}/report.html"])
def test_before_a_run_that_writes_files_there_are_none(path: str) -> None:
    assert client(View(None)).get(path).status_code == 404


def test_everything_stands_behind_the_guard_and_below_the_base_path(folder: Path) -> None:
    def guard(_: Any) -> Callable[..., Response]:
        return lambda **_: Response("log in first", 401)

    guarded, based = client(View(folder), guard=guard), client(View(folder), "/load")
    paths = ("/wps", "/wps/data", "/wps/chart.js", "/wps/live.js", "/wps/report/report.html", "/wps/index.html")
    assert {guarded.get(path).status_code for path in (*paths, f"/wps/{RUN}/report.html")} == {401}
    assert guarded.post("/wps/target").status_code == 401
    assert {based.get(f"/load{path}").status_code for path in paths} == {200}
    assert based.get("/wps").status_code == 404
