"""Files of the archive: whole or not there, the same whoever writes them, and what damages them
is found."""

from __future__ import annotations

import gzip
import os
from pathlib import Path
from typing import Any

import pytest

from store.archive import (
    SEGMENT,
    Segment,
    Stretch,
    end_of_segment,
    line_of,
    read_segment,
    segments,
    stretches,
    write_segment,
)
from store.errors import Corrupt
from store.log import Entry, Kind, Stream


def entries(first: int, last: int) -> list[Entry]:
    return [
        Entry(
            position=position,
            at_ms=1_700_000_000_000 + position,
            kind=Kind.MESSAGE_SENT,
            stream=Stream.room(5) if position % 2 else Stream.user(6),
            sequence=position,
            actor_id=6,
            subject_id=position,
        )
        for position in range(first, last + 1)
    ]


def test_a_file_is_found_and_read_again(tmp_path: Path) -> None:
    folder = tmp_path / "archive"
    written = write_segment(folder, 7, entries(1, 20))
    assert written == Segment(7, 1, 20)
    (folder / "notes.txt").write_text("not of it")
    write_segment(folder, 7, entries(21, 30))
    assert segments(folder) == [written, Segment(7, 21, 30)]
    assert sorted(os.listdir(folder)) == [
        "log-00000007-0000000000000000001-0000000000000000020.jsonl.gz",
        "log-00000007-0000000000000000021-0000000000000000030.jsonl.gz",
        "notes.txt",
    ]
    assert list(read_segment(folder, written)) == [line_of(one) for one in entries(1, 20)]
    assert line_of(entries(1, 1)[0])["stream"] == "room:5"


def test_whoever_writes_it_writes_the_same(tmp_path: Path) -> None:
    written = write_segment(tmp_path, 7, entries(1, 20))
    before = (tmp_path / written.name).read_bytes()
    assert write_segment(tmp_path, 7, entries(1, 20)) == written
    assert (tmp_path / written.name).read_bytes() == before


def test_files_end_at_multiples() -> None:
    assert [end_of_segment(after) for after in (0, SEGMENT - 1, SEGMENT, 3 * SEGMENT + 5)] == [
        *(SEGMENT, SEGMENT, 2 * SEGMENT, 4 * SEGMENT),
    ]


def test_entries_with_a_gap_are_not_written(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="missing"):
        write_segment(tmp_path, 7, [*entries(1, 5), *entries(7, 9)])
    assert os.listdir(tmp_path) == []


def test_what_fails_on_the_way_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: Any) -> None:
        raise OSError("full")

    monkeypatch.setattr("os.fsync", fail)
    with pytest.raises(OSError, match="full"):
        write_segment(tmp_path, 7, entries(1, 5))
    assert os.listdir(tmp_path) == []


LINES = 7  # header, five entries, digest


@pytest.mark.parametrize(
    "damage",
    [
        lambda lines: lines[:-1],
        lambda lines: lines[:3],
        lambda lines: [],
        lambda lines: [*lines, lines[-1]],
        lambda lines: [lines[0], *lines[2:]],
        lambda lines: [lines[0], lines[2], lines[1], *lines[3:]],
        lambda lines: [lines[0].replace(b'"epoch":7', b'"epoch":8'), *lines[1:]],
        lambda lines: [lines[0], lines[1].replace(b'"actor_id":6', b'"actor_id":9'), *lines[2:]],
        lambda lines: [*lines[:-1], b'{"sha256":"00"}\n'],
        lambda lines: [*lines[:2], b"{\n", *lines[3:]],
    ],
    ids=["end", "half", "empty", "more", "gap", "order", "header", "entry", "digest", "json"],
)
def test_what_was_changed_is_found(tmp_path: Path, damage: Any) -> None:
    segment = write_segment(tmp_path, 7, entries(1, 5))
    file = tmp_path / segment.name
    lines = gzip.decompress(file.read_bytes()).splitlines(keepends=True)
    assert len(lines) == LINES
    file.write_bytes(gzip.compress(b"".join(damage(lines))))
    with pytest.raises(Corrupt, match=r"jsonl\.gz is damaged"):
        list(read_segment(tmp_path, segment))


@pytest.mark.parametrize("cut", [0, 5, 40, -1])
def test_a_file_that_was_cut_is_found(tmp_path: Path, cut: int) -> None:
    segment = write_segment(tmp_path, 7, entries(1, 5))
    file = tmp_path / segment.name
    file.write_bytes(file.read_bytes()[:cut])
    with pytest.raises(Corrupt):
        list(read_segment(tmp_path, segment))


def test_files_without_a_gap_between_them_are_a_stretch() -> None:
    assert stretches([]) == []
    found = [(7, 1, 10), (7, 6, 10), (7, 11, 20), (7, 22, 30), (8, 31, 40)]
    assert stretches(Segment(*one) for one in found) == [
        Stretch(7, 1, 20, 3),
        Stretch(7, 22, 30, 1),
        Stretch(8, 31, 40, 1),
    ]
