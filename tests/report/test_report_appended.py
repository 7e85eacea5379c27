"""The files that grow with a run: nothing in them is ever written again, and their intervals grow with its length."""

from __future__ import annotations

import csv
import io
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.report.report_runs import STARTED, histogram
from wps_load.measure.histogram_log import read_log
from wps_load.measure.snapshot import Snapshot
from wps_load.report.appended import CSV_BY_SECONDS, LOG_BY_SECONDS, AppendedFiles, Growing
from wps_load.report.interval import Interval


def second(to_s: float, *, length_s: float = 1.0, published: int = 1, rtt_ns: int = 5_000_000) -> Interval:
    snapshot = Snapshot({"rtt": histogram([rtt_ns])}, {("rtt", "answer_timeout"): 1}, {"bytes_sent": 3})
    return Interval(to_s - length_s, to_s, {"measure": length_s}, 5, 1.0, {"published": published}, snapshot)


def grown(lengths: list[float], dense: int) -> Iterator[Interval]:
    growing, at = Growing(dense), 0.0
    for length in lengths:
        at += length
        found = growing.add(second(at, length_s=length))
        if found is not None:
            yield found
    rest = growing.rest()
    if rest is not None:
        yield rest


@given(st.lists(st.sampled_from([1.0, 1.0, 1.0, 2.0, 7.0]), max_size=400), st.sampled_from([2, 10, 60]))
@settings(deadline=None)
def test_intervals_follow_each_other_and_lose_nothing(lengths: list[float], dense: int) -> None:
    found = list(grown(lengths, dense))
    assert [each.from_s for each in found] == [0.0, *(each.to_s for each in found)][:-1] if found else not lengths
    assert sum(each.counts["published"] for each in found) == len(lengths)
    assert sum(each.snapshot.histograms["rtt"].count for each in found) == len(lengths)
    assert sum(sum(each.phases.values()) for each in found) == sum(lengths)


def test_a_file_has_a_fixed_number_of_lines_for_each_doubling_of_the_run() -> None:
    assert [each.to_s for each in grown([1.0] * 60, 10)] == [
        *range(1, 11),
        *range(12, 21, 2),
        *range(24, 41, 4),
        *range(48, 61, 8),
        60,
    ]
    rows, lines = Growing(CSV_BY_SECONDS), Growing(LOG_BY_SECONDS)
    counted = {"csv": 0, "log": 0}
    for at in range(1, 86_401):
        plain = Interval(at - 1.0, float(at), {"measure": 1.0}, 1, 0.0, {})
        counted["csv"] += rows.add(plain) is not None
        counted["log"] += lines.add(plain) is not None
    assert counted["csv"] < 12_000
    assert counted["log"] < 3_000


def test_what_is_written_stays_as_it_is_and_can_be_read_at_any_moment(tmp_path: Path) -> None:
    course, files = (
        AppendedFiles(tmp_path / "run", lambda: STARTED),
        [tmp_path / "run" / name for name in ("timeline.csv", "histograms.hlog")],
    )
    before = [b"", b""]
    for at in range(1, 2 * LOG_BY_SECONDS + 1):
        course.add(second(float(at), rtt_ns=at * 1_000_000))
        if at % 100 == 0:
            now = [file.read_bytes() for file in files]
            assert all(new.startswith(old) and new.endswith(b"\n") for new, old in zip(now, before, strict=True))
            assert sum(entry.histogram.count for entry in read_log(now[1].decode())) == at
            before = now
    course.add(second(2 * LOG_BY_SECONDS + 1.0))
    course.close()
    assert course.error is None
    entries = read_log(files[1].read_text())
    assert len(entries) == LOG_BY_SECONDS + LOG_BY_SECONDS // 2 + 1
    assert sum(entry.histogram.count for entry in entries) == 2 * LOG_BY_SECONDS + 1
    rows = list(csv.DictReader(io.StringIO(files[0].read_text(), newline="")))
    assert sum(int(row["published"]) for row in rows) == 2 * LOG_BY_SECONDS + 1


def test_a_run_without_a_second_has_files_that_can_be_read(tmp_path: Path) -> None:
    AppendedFiles(tmp_path, lambda: STARTED).close()
    assert read_log((tmp_path / "histograms.hlog").read_text()) == []
    assert (tmp_path / "timeline.csv").read_text().startswith("t_s,")


def test_a_full_disk_ends_one_file_without_half_a_line_and_not_the_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    course = AppendedFiles(tmp_path, lambda: STARTED)
    course.add(second(1.0))
    whole, write = (tmp_path / "histograms.hlog").read_bytes(), os.write

    def full(handle: int, content: bytes) -> int:
        if bytes(content[:3]) == b"Tag":
            write(handle, content[:10])
            raise OSError(28, "No space left on device")
        return write(handle, content)

    monkeypatch.setattr(os, "write", full)
    course.add(second(2.0))
    assert isinstance(course.error, OSError)
    monkeypatch.undo()
    course.add(second(3.0))
    assert (tmp_path / "histograms.hlog").read_bytes() == whole
    assert (tmp_path / "timeline.csv").read_bytes().count(b"\r\n") == 4, "its head, and three seconds"


def test_a_folder_that_was_removed_is_made_again(tmp_path: Path) -> None:
    course = AppendedFiles(tmp_path / "run", lambda: STARTED)
    course.add(second(1.0))
    for path in (tmp_path / "run").iterdir():
        path.unlink()
    (tmp_path / "run").rmdir()
    course.add(second(2.0))
    assert course.error is None
    assert len(read_log((tmp_path / "run" / "histograms.hlog").read_text())) == 1
