"""Which containers of video and voice are taken in, known by their first bytes (pure)."""

from __future__ import annotations

from enum import StrEnum


class Container(StrEnum):
    """The containers that are taken in: each has one demuxer, and no other is tried."""

    MP4 = "mp4"  # and QuickTime, which phones write
    WEBM = "webm"
    OGG = "ogg"


DEMUXERS = {
    Container.MP4: "mov,mp4,m4a,3gp,3g2,mj2",
    Container.WEBM: "matroska,webm",
    Container.OGG: "ogg",
}
"""FFmpeg's names."""

VIDEO_CODECS = {
    Container.MP4: frozenset({"h264", "hevc", "av1"}),
    Container.WEBM: frozenset({"vp8", "vp9", "av1"}),
    Container.OGG: frozenset[str](),
}
AUDIO_CODECS = {
    Container.MP4: frozenset({"aac", "opus"}),
    Container.WEBM: frozenset({"opus", "vorbis"}),
    Container.OGG: frozenset({"opus"}),
}

_BRANDS = frozenset(
    b"isom iso2 iso3 iso4 iso5 iso6 iso7 iso8 iso9 mp41 mp42 avc1 hvc1 av01 MSNV dash 3gp4 3gp5 "
    b"3gp6".split()
)
_SOUND_BRAND, _QUICKTIME = b"M4A ", b"qt  "
_BRANDS |= {_SOUND_BRAND, _QUICKTIME, b"M4V "}


def sniff_motion(data: bytes) -> Container | None:
    """The container by magic bytes, or None for everything else. 64 bytes are enough."""
    if data[4:8] == b"ftyp" and data[8:12] in _BRANDS:
        return Container.MP4
    if data.startswith(b"\x1a\x45\xdf\xa3") and b"\x42\x82\x84webm" in data[:64]:
        return Container.WEBM
    if data.startswith(b"OggS") and data[28:36] == b"OpusHead":
        return Container.OGG
    return None


def mime_of(container: Container, begin: bytes, *, video: bool | None = None) -> str:
    """The MIME type of a file. Whether it has a picture is guessed from its first bytes where
    nobody has looked (`video` is None)."""
    if video is None:
        video = container is not Container.OGG and begin[8:12] != _SOUND_BRAND
    if container is Container.MP4 and video and begin[8:12] == _QUICKTIME:
        return "video/quicktime"
    return f"{'video' if video else 'audio'}/{container.value}"


MIMES = frozenset(
    mime_of(container, begin, video=video)
    for container in Container
    for begin in (b"", b"\0\0\0\0ftypqt  ")
    for video in (True, False)
    if not (video and container is Container.OGG)
)
"""Every type that `mime_of` may answer."""
