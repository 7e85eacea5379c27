"""Snapshots of a run in its middle: what is in them, and that the run goes on while they are written."""

from __future__ import annotations

import json
import logging
from pathlib import Path

import gevent
import pytest

from tests.report.report_runs import facts
from wps_load.report.model import RunFacts
from wps_load.swarm import snapshots
from wps_load.swarm.snapshots import SnapshotWriter


@pytest.fixture(autouse=True)
def _without_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(snapshots, "PAUSE_S", 0)


class Asked:
    """The facts of a run, or none; `asked`: for them, how often."""

    def __init__(self, facts: RunFacts | None) -> None:
        self._facts = facts
        self.asked = 0

    def __call__(self) -> RunFacts | None:
        self.asked += 1
        return self._facts

    def await_question(self) -> None:
        while not self.asked:
            gevent.sleep(0)


def written(writer: SnapshotWriter) -> None:
    while writer.busy:
        gevent.sleep(0.001)


def test_it_is_of_the_moment_at_which_it_begins(tmp_path: Path) -> None:
    """The run goes on at once, and what it adds meanwhile is not in the snapshot."""
    made, writer = facts(measure_s=3), SnapshotWriter(tmp_path)
    count = made.snapshot.histograms["rtt"].count
    assert not writer.busy
    found = Asked(made)
    writer.write(found)
    assert writer.busy
    assert list(tmp_path.iterdir()) == [], "written between messages, not before the next one"
    found.await_question()
    assert writer.busy
    made.snapshot.histograms["rtt"].record(1)
    written(writer)
    summary = json.loads((tmp_path / "summary.json").read_text())
    assert summary["metrics"]["rtt"]["count"] == count
    assert (tmp_path / "report.html").is_file()


def test_one_that_waits_for_its_turn_is_busy_and_is_not_written_when_the_run_ends_first(tmp_path: Path) -> None:
    """A second one would be made beside it."""
    writer = SnapshotWriter(tmp_path)
    nothing = Asked(None)
    writer.write(nothing, 0.02)
    assert (writer.busy, nothing.asked) == (True, 0)
    written(writer)
    assert nothing.asked == 1
    writer.write(Asked(facts(measure_s=3)), 60)
    writer.finish()
    assert not writer.busy
    assert list(tmp_path.iterdir()) == []


def test_one_that_is_given_up_leaves_no_half_file(tmp_path: Path) -> None:
    """The final files come instead of it."""
    writer = SnapshotWriter(tmp_path)
    writer.finish()
    found = Asked(facts(measure_s=3))
    writer.write(found)
    found.await_question()
    writer.finish()
    assert not writer.busy
    for path in tmp_path.glob("*.json"):
        json.loads(path.read_text())
    assert not [path for path in tmp_path.iterdir() if path.suffix not in (".json", ".html", ".md", ".xml", ".csv")]


def test_a_folder_that_cannot_be_written_is_one_line_of_the_log(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "file").write_text("")
    writer = SnapshotWriter(tmp_path / "file" / "run")
    with caplog.at_level(logging.ERROR):
        writer.write(Asked(facts(measure_s=3)))
        written(writer)
    assert [record.getMessage() for record in caplog.records] == [
        "The snapshot of the run could not be written: Not a directory"
    ]
