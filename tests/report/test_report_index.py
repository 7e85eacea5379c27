"""index.html: every run of a folder, whatever else is there; small, quick, and safe against hostile summaries."""

from __future__ import annotations

import json
import os
import re
import threading
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.report.capacity_runs import searched
from tests.report.report_runs import STARTED, facts, write
from tests.report.test_report_html import EVIL, Outline
from wps_load.report import history, index
from wps_load.report.entry import Entry, entry_of
from wps_load.report.history import ABSENT, CACHE, read_history
from wps_load.report.index import INDEX, render, write_index
from wps_load.report.model import RunFacts
from wps_load.report.summary import build_summary


def add(folder: Path, name: str, run: RunFacts | None = None, **changes: Any) -> dict[str, Any]:
    """A run's summary.json alone, with some of its keys changed."""
    summary: Any = {**build_summary(run or facts()), **changes}
    (folder / name).mkdir()
    (folder / name / "summary.json").write_text(json.dumps(summary))
    found: dict[str, Any] = summary
    return found


def later(minutes: int, **changes: Any) -> Any:
    return facts(started_at=STARTED + timedelta(minutes=minutes), **changes)


def page(folder: Path) -> str:
    write_index(folder)
    return (folder / INDEX).read_text()


def rows(text: str) -> list[list[str]]:
    """The table's cells as texts, row by row."""
    body = text[text.index('id="rows"') :]
    cells = re.compile(r"<t[hd][^>]*>(.*?)</t[hd]>", re.DOTALL)
    return [
        [re.sub(r"<[^>]+>", "", cell) for cell in cells.findall(row)]
        for row in re.findall(r"<tr>(.*?)</tr>", body, re.DOTALL)
    ]


def test_newest_first_with_what_a_reader_wants_to_know(tmp_path: Path) -> None:
    add(tmp_path, "b-first", later(0))
    add(tmp_path, "a-second", later(10, slo="rtt p99 < 1ms", lost=3))
    second, first = rows(page(tmp_path))
    assert first[0] == "2026-03-14 09:26:53"
    assert first[1:6] == ["Passed", "echo over json", "EMULATOR", "50 connections, 100/s, 33 s", first[5]]
    assert re.fullmatch(r"rtt 1\d\.\d / p99 2\d\.\d", first[5])
    assert (first[6], first[7]) == ("0", "first")
    assert (second[1], second[6]) == ("Failed", "3")


def test_links_of_each_run(tmp_path: Path) -> None:
    add(tmp_path, "run 1#?", later(0))
    links = set(Outline(page(tmp_path)).addresses)
    files = {f"run%201%23%3F/{name}" for name in ("report.html", "timeline.csv", "histograms.hlog", "summary.json")}
    assert links == files | {"data:,", "#runs"}


def test_against_the_last_good_run_with_the_same_settings(tmp_path: Path) -> None:
    add(tmp_path, "1", later(1))
    add(tmp_path, "2", later(2, median_ms=24.0))
    add(tmp_path, "3", later(3, settings_hash="other"))
    add(tmp_path, "4", later(4), verdict="invalid")
    add(tmp_path, "5", later(5))
    fifth, fourth, third, second, first = (row[7] for row in rows(page(tmp_path)))
    assert (first, third, fourth) == ("first", "first", "–")
    assert second == "+100%"
    assert fifth == "-50%", "against the second: the invalid one between them is nothing to go by"


def test_what_the_runs_own_comparison_said_stands_beside_the_change(tmp_path: Path) -> None:
    write(tmp_path / "1", later(1))
    summary = write(tmp_path / "2", later(2, median_ms=24.0))
    assert summary["previous"] is not None
    assert summary["previous"]["verdict"] == "worse"
    assert rows(page(tmp_path))[0][7] == "+100% worse"


def test_trends_of_settings_that_ran_more_than_once(tmp_path: Path) -> None:
    for i in range(5):
        add(tmp_path, f"a{i}", later(i, median_ms=10.0 + i))
    add(tmp_path, "once", later(9, settings_hash="other"))
    text = page(tmp_path)
    assert text.count("<figure") == 1
    assert "<h3>echo over json, 50 users, 2 messages/s for each publisher, payload 2KiB</h3>" in text
    assert text.count('data-label="rtt p') == 2
    assert 'data-names="2026-03-14 09:26, passed|2026-03-14 09:27, passed|' in text


def test_searches_show_what_was_held(tmp_path: Path) -> None:
    add(tmp_path, "s", searched())
    assert re.search(r", held [\d,]+/s, ", rows(page(tmp_path))[0][4])


def test_whatever_else_lies_there_is_said_and_never_in_the_way(tmp_path: Path) -> None:
    add(tmp_path, "good")
    add(tmp_path, "of-tomorrow", schema="wps-load.summary/9")
    add(tmp_path, "no-date")
    document = json.loads((tmp_path / "no-date" / "summary.json").read_text())
    document["run"]["started_at"] = "yesterday"
    (tmp_path / "no-date" / "summary.json").write_text(json.dumps(document))
    for name, content in {
        "json": "{",
        "list": "[]",
        "binary": "\0\xff",
        "nested": "[" * 5000,
        "short": '{"schema"',
    }.items():
        (tmp_path / name).mkdir()
        (tmp_path / name / "summary.json").write_bytes(content.encode("latin-1"))
    (tmp_path / "empty").mkdir()
    (tmp_path / "folder" / "summary.json").mkdir(parents=True)
    (tmp_path / "pipe").mkdir()
    os.mkfifo(tmp_path / "pipe" / "summary.json")  # whoever opens it waits for a writer
    (tmp_path / ".hidden").mkdir()
    (tmp_path / "a file.txt").write_text("")
    found = write_index(tmp_path)
    assert [run.folder for run in found.runs] == ["good"]
    reasons = {each.folder: each.reason for each in found.skipped}
    assert set(reasons) == {
        "of-tomorrow",
        "no-date",
        "json",
        "list",
        "binary",
        "nested",
        "short",
        "empty",
        "folder",
        "pipe",
    }
    assert reasons["empty"] == ABSENT
    assert "schema 'wps-load.summary/9'" in reasons["of-tomorrow"]
    assert "<dt>empty</dt>" in (tmp_path / INDEX).read_text()


def test_a_summary_of_the_first_version_is_listed(tmp_path: Path) -> None:
    (tmp_path / "old").mkdir()
    (tmp_path / "old" / "summary.json").write_bytes(Path(__file__).with_name("summary_v1.json").read_bytes())
    assert len(rows(page(tmp_path))) == 1


def test_a_run_that_goes_on_or_was_killed_has_no_verdict(tmp_path: Path) -> None:
    doubt = {"name": "interrupted", "level": "error", "message": "m", "advice": "a"}
    add(tmp_path, "a", doubts=[doubt], verdict="invalid")
    assert rows(page(tmp_path))[0][1] == "Unfinished"


def test_texts_are_escaped_wherever_they_come_from(tmp_path: Path) -> None:
    add(tmp_path, "<b>&", facts(scenario=EVIL, protocol=EVIL, target=EVIL, settings_hash=EVIL))
    add(tmp_path, "2", later(2, scenario=EVIL, protocol=EVIL, target=EVIL, settings_hash=EVIL))
    text = page(tmp_path)
    assert Outline(text).tags.count("script") == 1
    assert "<img" not in text


def test_what_was_read_once_is_not_read_again_unless_it_changed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    add(tmp_path, "1", later(1))
    add(tmp_path, "2", later(2))
    write_index(tmp_path)
    read: list[str] = []

    def reading(name: str, content: bytes) -> Entry:
        read.append(name)
        return entry_of(name, content)

    monkeypatch.setattr(history, "entry_of", reading)
    write_index(tmp_path)
    assert read == []
    (tmp_path / "1" / "summary.json").unlink()
    (tmp_path / "1").rmdir()
    changed = json.loads((tmp_path / "2" / "summary.json").read_text())
    (tmp_path / "2" / "summary.json").write_text(json.dumps({**changed, "verdict": "fail"}))
    add(tmp_path, "3", later(3))
    found = write_index(tmp_path)
    assert read == ["2", "3"]
    assert [(run.folder, run.verdict) for run in found.runs] == [("3", "pass"), ("2", "fail")]


@pytest.mark.parametrize("content", [b"", b"{}", b'{"version": "0", "runs": {}}', b"\xff"])
def test_an_invalid_cache_is_made_again(tmp_path: Path, content: bytes) -> None:
    add(tmp_path, "1")
    (tmp_path / CACHE).write_bytes(content)
    assert len(read_history(tmp_path).runs) == 1
    assert b"7f3a9c01" in (tmp_path / CACHE).read_bytes()


def test_a_cache_that_cannot_be_written_costs_time_only(tmp_path: Path) -> None:
    add(tmp_path, "1")
    (tmp_path / CACHE).mkdir()
    (tmp_path / CACHE / "x").write_text("")
    assert len(rows(page(tmp_path))) == 1


def test_runs_that_end_at_once_are_all_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The first to begin is the last to write, unless they wait for each other."""
    add(tmp_path, "1", later(1))
    reading, go = threading.Event(), threading.Event()
    whole = history.read_history

    def slow(folder: Path) -> history.History:
        found = whole(folder)
        if not reading.is_set():
            reading.set()
            assert go.wait(30)
        return found

    monkeypatch.setattr(index, "read_history", slow)
    first = threading.Thread(target=write_index, args=(tmp_path,))
    first.start()
    assert reading.wait(30)
    add(tmp_path, "2", later(2))
    second = threading.Thread(target=write_index, args=(tmp_path,))
    second.start()
    go.set()
    first.join(30)
    second.join(30)
    assert len(rows((tmp_path / INDEX).read_text())) == 2


def test_a_lock_that_nobody_gives_back_is_passed_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(history, "LOCK_PAUSE_S", 0.0)
    add(tmp_path, "1")
    with history.locked(tmp_path):
        assert len(rows(page(tmp_path))) == 1


def test_a_thousand_runs_stay_below_a_megabyte() -> None:
    summary = build_summary(facts(target="https://a-rather-long-name.webpubsub.azure.com", failures={("rtt", "x"): 1}))
    one = entry_of("20260314T092653Z-slow-consumer", json.dumps(summary).encode())
    runs = []
    for i in range(1200):
        changes = {"started_at": (STARTED + timedelta(hours=i)).isoformat(), "settings_hash": f"{i % 20:016x}"}
        changes |= {"folder": f"{one.folder}-{i}", "standing": "unclear", "title": f"{one.title} {i % 20}"}
        runs.append(type(one)(**{name: getattr(one, name) for name in one.__struct_fields__} | changes))
    text = render(history.History(tuple(history.newest_first(runs))))
    assert len(text.encode()) < 1_000_000
    assert len(rows(text)) == 1000
    assert "And 200 older runs" in text
    assert text.count("<figure") == index.MOST_TRENDS


def test_an_empty_folder_has_a_page(tmp_path: Path) -> None:
    assert "No run has written a report here yet" in page(tmp_path)
