"""The texts of HLS (RFC 8216) and the boxes of fragmented MP4 (ISO/IEC 14496-12), without a codec
(pure).

    index.m3u8                the multivariant playlist: which renditions there are
      {digest}.m3u8           one rendition: its initialization section and its segments
        {digest}.mp4          the initialization section
        {digest}.m4s          a segment
"""

from __future__ import annotations

import math
import struct
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from media.motion.facts import Rendition, Segment

_HEAD = ("#EXTM3U", "#EXT-X-VERSION:7", "#EXT-X-INDEPENDENT-SEGMENTS")
SOUND = "sound"  # the group of the one sound


def ladder(shorter: int, rungs: Sequence[int]) -> list[int]:
    """The shorter sides to make of a video with this one, the least first: none above it. A video
    between two rungs, or below all, is a rung itself, unless the one below is nearly as large."""
    below = [rung for rung in sorted(rungs) if rung < shorter]
    top = min(shorter, max(rungs))
    if not below:
        return [top]
    return below if top < below[-1] * 1.25 else [*below, top]


def media_playlist(init: str, segments: Sequence[tuple[str, float]]) -> str:
    """The playlist of one rendition, of names and seconds."""
    lines = [
        *_HEAD,
        f"#EXT-X-TARGETDURATION:{max(1, math.ceil(max(seconds for _, seconds in segments)))}",
        "#EXT-X-PLAYLIST-TYPE:VOD",
        f'#EXT-X-MAP:URI="{init}"',
    ]
    for name, seconds in segments:
        lines += [f"#EXTINF:{seconds:.5f},", name]
    return "\n".join([*lines, "#EXT-X-ENDLIST", ""])


class Listed(NamedTuple):
    """A rendition and the name of its playlist."""

    name: str
    rendition: Rendition


def multivariant_playlist(pictures: Sequence[Listed], sound: Listed | None) -> str:
    """Of renditions of the picture, and of the sound that goes with each of them."""
    lines = list(_HEAD)
    group, codecs, peak, average = "", "", 0, 0
    if sound is not None:
        lines.append(
            f'#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID="{SOUND}",NAME="{SOUND}",DEFAULT=YES,'
            f'AUTOSELECT=YES,URI="{sound.name}"'
        )
        group, codecs = f',AUDIO="{SOUND}"', f",{sound.rendition.codecs}"
        peak, average = sound.rendition.peak, sound.rendition.average
    for name, one in pictures:
        rate = f",FRAME-RATE={one.frame_rate:.3f}" if one.frame_rate else ""
        lines += [
            f"#EXT-X-STREAM-INF:BANDWIDTH={one.peak + peak},"
            f"AVERAGE-BANDWIDTH={one.average + average},"
            f'CODECS="{one.codecs}{codecs}",RESOLUTION={one.width}x{one.height}{rate}{group}',
            name,
        ]
    return "\n".join([*lines, ""])


def boxes(data: bytes, start: int = 0, stop: int | None = None) -> Iterator[tuple[bytes, int, int]]:
    """The boxes of what our own muxer has written: type, and where its content begins and ends.
    Raises `ValueError` for anything else."""
    stop = len(data) if stop is None else stop
    while start < stop:
        if stop - start < 8:
            raise ValueError("half a box")
        size, kind = struct.unpack_from(">I4s", data, start)
        if size < 8 or start + size > stop:
            raise ValueError("a box of a strange size")
        yield kind, start + 8, start + size
        start += size


def _find(data: bytes, *path: bytes) -> tuple[int, int]:
    """The content of the first box at a path."""
    start, stop = 0, len(data)
    for wanted in path:
        for kind, begin, end in boxes(data, start, stop):
            if kind == wanted:
                start, stop = begin, end
                break
        else:
            raise ValueError(f"no {wanted!r}")
    return start, stop


def split(data: bytes, seconds: float) -> tuple[bytes, tuple[Segment, ...]]:
    """A fragmented MP4 of one track that plays so long, as its initialization section and a
    segment of each fragment, with the time that it plays."""
    init_end = 0
    pieces: list[bytes] = []
    begin = 0
    for kind, start, end in boxes(data):
        if kind in (b"ftyp", b"moov"):
            init_end = end
        elif kind == b"moof":
            begin = start - 8
        elif kind == b"mdat":
            pieces.append(data[begin:end])
    if not init_end or not pieces:
        raise ValueError("no segments")
    init = data[:init_end]
    at, _ = _find(init, b"moov", b"trak", b"mdia", b"mdhd")
    scale = struct.unpack_from(">I", init, at + (20 if init[at] == 1 else 12))[0]
    starts = [_decode_time(piece) / scale for piece in pieces]
    ends = [*starts[1:], max(starts[0] + seconds, starts[-1] + 1 / scale)]
    return init, tuple(
        Segment(piece, end - start) for piece, start, end in zip(pieces, starts, ends, strict=True)
    )


def _decode_time(fragment: bytes) -> int:
    at, _ = _find(fragment, b"moof", b"traf", b"tfdt")
    found: int = struct.unpack_from(">Q" if fragment[at] == 1 else ">I", fragment, at + 4)[0]
    return found


def avc_codec(init: bytes) -> str:
    """`avc1.` and the profile, constraints and level that the decoder's configuration has."""
    at = init.index(b"avcC") + 5
    return f"avc1.{init[at : at + 3].hex()}"


AAC_CODEC = "mp4a.40.2"
