"""The run's folder: made before the run, whole at any time, read back as it was written."""

from __future__ import annotations

import csv
import errno
import io
import json
import os
import shutil
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest
from hdrh.histogram import HdrHistogram
from hdrh.log import HistogramLogReader

from tests.report.report_runs import append, facts, write
from wps_load.errors import ConfigError
from wps_load.measure.histogram import MAX_NS
from wps_load.report import files
from wps_load.report.document import Summary
from wps_load.report.model import RunState
from wps_load.report.run_folder import BrokenRun, load_run

NOW = datetime(2026, 3, 14, 10, 26, 53, tzinfo=timezone(timedelta(hours=1)))
CONTRACT = {
    "report.html",
    "summary.json",
    "summary.md",
    "junit.xml",
    "timeline.csv",
    "histograms.hlog",
    "settings.json",
}


def test_prepare_names_by_utc_and_never_twice(tmp_path: Path) -> None:
    first, second = (files.prepare(str(tmp_path / "a" / "b"), "echo", NOW) for _ in range(2))
    assert first is not None
    assert second is not None
    assert (first.name, second.name) == ("20260314T092653Z-echo", "20260314T092653Z-echo-2")
    assert list(first.iterdir()) == []


def test_no_folder_wanted() -> None:
    assert files.prepare("", "echo", NOW) is None


def test_unusable_folder_is_refused_before_the_run(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError) as caught:
        files.prepare(str(tmp_path / "file" / "sub"), "echo", NOW)
    (fault,) = caught.value.faults
    assert fault.option == "--wps-report-dir"
    assert "Not a directory" in fault.allowed


def test_a_finished_run_has_all_files_and_no_leftovers(tmp_path: Path) -> None:
    summary = write(tmp_path, facts())
    assert {path.name for path in tmp_path.iterdir()} == CONTRACT
    assert json.loads((tmp_path / "summary.json").read_text()) == json.loads(json.dumps(summary))
    assert json.loads((tmp_path / "settings.json").read_text())["wps-rate"] == "2"


def test_the_log_is_read_by_hdrhistogram(tmp_path: Path) -> None:
    run = facts()
    write(tmp_path, run)
    reader = HistogramLogReader(str(tmp_path / "histograms.hlog"), HdrHistogram(1, MAX_NS, 3))
    counts: dict[str, int] = {}
    while (interval := reader.get_next_interval_histogram()) is not None:
        counts[interval.get_tag()] = counts.get(interval.get_tag(), 0) + interval.get_total_count()
    reader.input_file.close()
    assert counts == {name: histogram.count for name, histogram in run.snapshot.histograms.items()}
    assert reader.get_start_time_sec() == run.started_at.timestamp()


def test_the_timeline_has_every_second(tmp_path: Path) -> None:
    write(tmp_path, facts())
    rows = list(csv.DictReader(io.StringIO((tmp_path / "timeline.csv").read_text(), newline="")))
    assert [row["t_s"] for row in rows][:2] == ["1.0", "2.0"]
    assert rows[0]["rtt_p50"] == ""
    assert sum(int(row["published"]) for row in rows) == 3000


def test_a_killed_run_leaves_a_report(tmp_path: Path) -> None:
    pauses: list[int] = []
    append(tmp_path, facts())
    files.write_snapshot(tmp_path, facts(state=RunState.RUNNING), lambda: pauses.append(len(list(tmp_path.iterdir()))))
    assert sorted(set(pauses)) == list(range(2, 7)), "the load has its turn before each file"
    assert pauses.count(6) > 10, "and between the pieces of the page"
    assert pauses.count(3) > 5, "and of the document"
    assert {path.name for path in tmp_path.iterdir()} == CONTRACT
    found = load_run(tmp_path)
    assert found.summary["verdict"] == "invalid"
    assert found.summary["doubts"][0]["name"] == "interrupted"
    assert "did not reach its end" in (tmp_path / "report.html").read_text()


def test_a_failed_write_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path, facts())
    before = (tmp_path / "summary.json").read_bytes()

    def full(summary: Summary) -> Iterator[bytes]:
        yield b"{"
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(files, "_summary_pieces", full)
    with pytest.raises(OSError, match="No space"):
        files.write_run(tmp_path, facts(seed=2))
    assert (tmp_path / "summary.json").read_bytes() == before
    assert {path.name for path in tmp_path.iterdir()} == CONTRACT


def test_rendered_again_from_the_folder_alone(tmp_path: Path) -> None:
    write(tmp_path, facts(failures={("connect", "http_429"): 3}))
    written = {name: (tmp_path / name).read_bytes() for name in ("report.html", "summary.md", "junit.xml")}
    for name in written:
        (tmp_path / name).unlink()
    run = load_run(tmp_path)
    files.write_rendered(tmp_path, run.summary, run.histograms)
    assert (tmp_path / "summary.md").read_bytes() == written["summary.md"]
    assert (tmp_path / "junit.xml").read_bytes() == written["junit.xml"]
    assert len((tmp_path / "report.html").read_bytes()) == pytest.approx(len(written["report.html"]), rel=0.001)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (None, "does not exist"),
        ("{", "is not JSON"),
        ("[]", "names no schema"),
        (
            '{"schema": "wps-load.summary/0"}',
            "has schema 'wps-load.summary/0', but this version of wps-load reads",
        ),
        ('{"schema": "wps-load.summary/1", "run": {}}', "is broken: run: object missing required field `id`"),
        (b"\xff\xfe", "cannot be read: it is not text"),
    ],
)
def test_broken_summary_is_refused_with_its_reason(tmp_path: Path, content: str | bytes | None, reason: str) -> None:
    if content is not None:
        raw = content if isinstance(content, bytes) else content.encode()
        (tmp_path / "summary.json").write_bytes(raw)
    with pytest.raises(BrokenRun, match=reason):
        load_run(tmp_path)


def test_broken_summary_inside(tmp_path: Path) -> None:
    write(tmp_path, facts())
    document = json.loads((tmp_path / "summary.json").read_text())
    document["metrics"]["rtt"] = 5
    (tmp_path / "summary.json").write_text(json.dumps(document))
    with pytest.raises(BrokenRun, match=r"is broken: metrics\.rtt: expected `object`, got `int`"):
        load_run(tmp_path)


def test_broken_log_is_refused(tmp_path: Path) -> None:
    write(tmp_path, facts())
    (tmp_path / "histograms.hlog").write_text("Tag=rtt,0,1,garbage\n")
    with pytest.raises(BrokenRun, match="is not a histogram log: line 1"):
        load_run(tmp_path)


def test_step_summary_is_appended(tmp_path: Path) -> None:
    summary = write(tmp_path, facts())
    target = tmp_path / "step.md"
    target.write_text("before\n")
    assert files.append_step_summary({"GITHUB_STEP_SUMMARY": str(target)}, summary)
    assert target.read_text().startswith("before\n## ✅ Passed")
    assert not files.append_step_summary({}, summary)
    assert not files.append_step_summary({"GITHUB_STEP_SUMMARY": str(tmp_path / "no" / "where")}, summary)
    target.write_bytes(b"x" * 1024 * 1024)
    assert not files.append_step_summary({"GITHUB_STEP_SUMMARY": str(target)}, summary)
    assert target.stat().st_size == 1024 * 1024


def test_a_folder_that_was_removed_is_made_again(tmp_path: Path) -> None:
    folder = files.prepare(str(tmp_path / "reports"), "echo", NOW)
    assert folder is not None
    shutil.rmtree(tmp_path / "reports")
    files.write_snapshot(folder, facts(state=RunState.RUNNING), lambda: None)
    assert (folder / "summary.json").exists()
    shutil.rmtree(folder)
    write(folder, facts())
    assert {path.name for path in folder.iterdir()} >= {"summary.json", "report.html", "junit.xml"}


def test_a_file_that_cannot_be_written_does_not_keep_the_others_from_it(tmp_path: Path) -> None:
    (tmp_path / "settings.json").mkdir()
    (tmp_path / "settings.json" / "in the way").touch()
    with pytest.raises(OSError, match="settings"):
        write(tmp_path, facts())
    assert {path.name for path in tmp_path.iterdir()} >= {"summary.json", "summary.md", "junit.xml", "report.html"}
    assert not list(tmp_path.glob(".*")), "nothing unfinished is left"


def test_a_disk_without_room_is_reported_before_the_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(path: Path, content: bytes) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(ConfigError, match="No space left on device"):
        files.prepare(str(tmp_path), "echo", NOW)
    assert list(tmp_path.iterdir()) == [], "no empty folder stays behind"


def test_a_summary_of_the_first_release_is_read_and_rendered(tmp_path: Path) -> None:
    """`summary_v1.json` is what version 0.1.0 wrote: whatever it did not know is unknown now."""
    run = load_run(Path(__file__).with_name("summary_v1.json"))
    assert (run.summary["connections"]["open_mean"], run.summary["messages"]["missed"]) == (None, None)
    assert run.summary["generator"]["clock_error_ms"] is None
    files.write_rendered(tmp_path, run.summary, None)
    assert "peak connections" in (tmp_path / "report.html").read_text()


def test_of_a_long_run_intervals_are_compared_that_are_of_one_length(tmp_path: Path) -> None:
    """Its log has seconds at the beginning, and longer intervals later."""
    write(tmp_path, facts(measure_s=1500, rate=5))
    run = load_run(tmp_path)
    assert {second.length_s for second in run.log["rtt"]} == {1.0, 2.0, 4.0}
    found = run.seconds("rtt")
    assert {second.length_s for second in found} == {4.0}
    assert len(found) == 376
    assert sum(second.histogram.count for second in found if second.histogram) == run.count("rtt") == 7500
