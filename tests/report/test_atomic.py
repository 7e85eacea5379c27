"""A file appears whole or not at all: whoever reads it while it is written has the old one."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from wps_load.report.atomic import put


def test_a_file_is_replaced_and_nothing_is_left_beside_it(tmp_path: Path) -> None:
    path = tmp_path / "report.html"
    for content in (b"old", b"new"):
        put(path, [content])
    assert path.read_bytes() == b"new"
    assert list(tmp_path.iterdir()) == [path]


def test_until_all_of_it_is_written_the_old_one_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "report.html"
    seen: list[tuple[bytes, bytes]] = []
    put(path, [b"old"])
    replace = os.replace

    def look(source: Path, target: Path) -> None:
        seen.append((source.read_bytes(), target.read_bytes()))
        replace(source, target)

    monkeypatch.setattr("wps_load.report.atomic.os.replace", look)
    put(path, [b"new"])
    assert seen == [(b"new", b"old")]


def test_a_file_that_cannot_be_replaced_stays_and_nothing_is_left_beside_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "report.html"
    put(path, [b"old"])

    def full(source: Path, target: Path) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("wps_load.report.atomic.os.replace", full)
    with pytest.raises(OSError, match="No space left"):
        put(path, [b"new"])
    assert {each: each.read_bytes() for each in tmp_path.iterdir()} == {path: b"old"}
