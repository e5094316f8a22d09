"""The archive of the log: files of entries that the log itself has not got any more.

A file is named `log-EPOCH-FIRST-LAST.jsonl.gz`: the log's epoch in 8 hexadecimal digits, its first
and last position in 19 decimal ones. It is compressed by gzip, and holds lines of JSON: a header

    {"format": 1, "epoch": 7, "first": 1, "last": 10000}

then an entry on each line, every position from the first to the last once and in order (the
fields are those of `line_of`), and at the end a digest of all lines before, line ends included:

    {"sha256": "…"}

Files end at multiples of `SEGMENT`, so whoever writes one writes the same: a file is there as a
whole or not at all, and may be written twice without harm. All calls block.
"""

from __future__ import annotations

import gzip
import hashlib
import os
import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from store.errors import Corrupt
from store.log import Entry, StreamKind

FORMAT = 1
SEGMENT = 10_000  # positions that a file ends at
LEVEL = 6  # of the compression: 10,000 entries take some hundredths of a second

STREAMS = {StreamKind.ROOM: "room", StreamKind.USER: "user"}
_NAME = re.compile(r"log-([0-9a-f]{8})-(\d{19})-(\d{19})\.jsonl\.gz")


class Segment(NamedTuple):
    """What a file holds."""

    epoch: int
    first: int
    last: int

    @property
    def name(self) -> str:
        return f"log-{self.epoch:08x}-{self.first:019}-{self.last:019}.jsonl.gz"


class _Header(msgspec.Struct):
    format: int
    epoch: int
    first: int
    last: int


class _Digest(msgspec.Struct):
    sha256: str


def line_of(entry: Entry) -> dict[str, Any]:
    """An entry as people and programs read it."""
    return {
        "position": entry.position,
        "at_ms": entry.at_ms,
        "kind": str(entry.kind),
        "stream": f"{STREAMS[entry.stream.kind]}:{entry.stream.id}",
        "sequence": entry.sequence,
        "actor_id": entry.actor_id,
        "subject_id": entry.subject_id,
        "other_id": entry.other_id,
    }


def end_of_segment(after: int) -> int:
    """The last position of the file that begins behind `after`."""
    return begin_of_segment(after) + SEGMENT


def begin_of_segment(position: int) -> int:
    """The last position, up to this one, that a file ends at."""
    return position // SEGMENT * SEGMENT


class Stretch(NamedTuple):
    """Files without a gap between them."""

    epoch: int
    first: int
    last: int
    files: int


def stretches(found: Iterable[Segment]) -> list[Stretch]:
    """What is without a gap, of files by epoch and position."""
    joined: list[Stretch] = []
    for epoch, first, last in found:
        before = joined[-1] if joined else None
        # Two may overlap, where archiving was ended and begun again.
        if before is not None and before.epoch == epoch and first <= before.last + 1:
            joined[-1] = before._replace(last=max(last, before.last), files=before.files + 1)
        else:
            joined.append(Stretch(epoch, first, last, 1))
    return joined


def segments(folder: Path) -> list[Segment]:
    """Those of the folder, by epoch and position; other files are not looked at."""
    found = [_NAME.fullmatch(file.name) for file in folder.iterdir()]
    return sorted(Segment(int(m[1], 16), int(m[2]), int(m[3])) for m in found if m)


def write_segment(folder: Path, epoch: int, entries: Sequence[Entry]) -> Segment:
    """Writes entries that follow each other. The file is on the disk when this returns; whatever
    happens before, it is whole or not there. Raises `OSError`."""
    segment = Segment(epoch, entries[0].position, entries[-1].position)
    if len(entries) != segment.last - segment.first + 1:
        raise ValueError("entries are missing")
    file = folder / segment.name
    new = folder / f".{segment.name}.{os.getpid()}"
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    try:
        with open(new, "wb") as raw:
            # Without a name and a time in it, the same entries make the same bytes.
            with gzip.GzipFile("", "wb", LEVEL, raw, mtime=0) as packed:
                packed.writelines(_lines(segment, entries))
            raw.flush()
            os.fsync(raw.fileno())
        os.replace(new, file)
    finally:
        new.unlink(missing_ok=True)
    _sync(folder)
    return segment


def _lines(segment: Segment, entries: Iterable[Entry]) -> Iterator[bytes]:
    digest = hashlib.sha256()
    header = _Header(FORMAT, *segment)
    for line in (header, *map(line_of, entries)):
        encoded = msgspec.json.encode(line) + b"\n"
        digest.update(encoded)
        yield encoded
    yield msgspec.json.encode(_Digest(digest.hexdigest())) + b"\n"


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def read_segment(folder: Path, segment: Segment) -> Iterator[dict[str, Any]]:
    """Its entries, in order. Raises `Corrupt` where the file is not what it says, at its end at
    the latest, and `OSError`."""
    file = folder / segment.name
    try:
        with gzip.open(file, "rb") as unpacked:
            yield from _verified(segment, unpacked)
    except (EOFError, gzip.BadGzipFile, ValueError, msgspec.MsgspecError) as error:
        raise Corrupt(f"{file.name} is damaged: {error}") from error


def _verified(segment: Segment, lines: Iterable[bytes]) -> Iterator[dict[str, Any]]:
    digest, expected = hashlib.sha256(), segment.first - 1  # of the header
    for line in lines:
        if expected > segment.last:
            if msgspec.json.decode(line, type=_Digest).sha256 != digest.hexdigest():
                raise ValueError("its digest is another")
            expected += 1
            break
        digest.update(line)
        if expected < segment.first:
            header = msgspec.json.decode(line, type=_Header)
            if header != _Header(FORMAT, *segment):
                raise ValueError("its header is another")
        else:
            entry: dict[str, Any] = msgspec.json.decode(line, type=dict[str, Any])
            if entry.get("position") != expected:
                raise ValueError(f"instead of {expected} comes {entry.get('position')}")
            yield entry
        expected += 1
    if expected != segment.last + 2 or next(iter(lines), b""):
        raise ValueError("it does not end where it should")
