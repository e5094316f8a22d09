"""The ladder, the texts of HLS, and the boxes of what the muxer writes."""

from __future__ import annotations

import struct

import pytest

from media.motion.facts import Rendition, Segment
from media.motion.playlists import (
    Listed,
    boxes,
    ladder,
    media_playlist,
    multivariant_playlist,
    split,
)

RUNGS = (360, 720, 1080)


@pytest.mark.parametrize(
    ("shorter", "sides"),
    [
        (100, [100]),
        (360, [360]),
        (400, [360]),  # nearly as large: not worth another rung
        (480, [360, 480]),
        (720, [360, 720]),
        (1080, [360, 720, 1080]),
        (2160, [360, 720, 1080]),
    ],
)
def test_a_ladder_ends_at_its_source(shorter: int, sides: list[int]) -> None:
    assert ladder(shorter, RUNGS) == sides


def test_a_media_playlist() -> None:
    assert media_playlist("i.mp4", [("a.m4s", 4.0), ("b.m4s", 1.25)]) == (
        "#EXTM3U\n#EXT-X-VERSION:7\n#EXT-X-INDEPENDENT-SEGMENTS\n#EXT-X-TARGETDURATION:4\n"
        '#EXT-X-PLAYLIST-TYPE:VOD\n#EXT-X-MAP:URI="i.mp4"\n'
        "#EXTINF:4.00000,\na.m4s\n#EXTINF:1.25000,\nb.m4s\n#EXT-X-ENDLIST\n"
    )


def test_the_bandwidth_is_that_of_the_fullest_segment_and_includes_the_sound() -> None:
    picture = Rendition(
        b"", (Segment(bytes(4000), 4.0), Segment(bytes(3000), 1.0)), "avc1.64001f", 640, 360, 29.97
    )
    sound = Rendition(b"", (Segment(bytes(500), 4.0),), "mp4a.40.2")
    text = multivariant_playlist([Listed("p.m3u8", picture)], Listed("s.m3u8", sound))
    assert text.splitlines()[3:] == [
        '#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID="sound",NAME="sound",DEFAULT=YES,AUTOSELECT=YES,'
        'URI="s.m3u8"',
        "#EXT-X-STREAM-INF:BANDWIDTH=25000,AVERAGE-BANDWIDTH=12200,"
        'CODECS="avc1.64001f,mp4a.40.2",RESOLUTION=640x360,FRAME-RATE=29.970,AUDIO="sound"',
        "p.m3u8",
    ]


def test_a_playlist_without_sound_names_none() -> None:
    one = Rendition(b"", (Segment(bytes(100), 1.0),), "avc1.64001f", 64, 36, 10.0)
    assert "AUDIO" not in multivariant_playlist([Listed("p.m3u8", one)], None)


@pytest.mark.parametrize(
    "data", [b"\0\0\0\x09abcd", b"\0\0\0\x07abcd", b"\0\0\0", b"\0\0\0\0abcd" + bytes(9)]
)
def test_boxes_that_are_none(data: bytes) -> None:
    with pytest.raises(ValueError, match="box"):
        list(boxes(data))


def test_what_has_no_segments_is_not_split() -> None:
    with pytest.raises(ValueError, match="no segments"):
        split(struct.pack(">I4s", 8, b"ftyp"), 1.0)
