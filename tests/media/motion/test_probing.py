"""What is said of files of motion, and which are refused."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from PIL import Image

from media.errors import MotionRefused
from media.motion.facts import PEAKS, MotionLimits, Probe
from media.motion.jobs import probe
from media.motion.kinds import Container, mime_of, sniff_motion
from media.motion.voice import peaks
from tests.media import films
from tests.media.samples import BLUE, RED

LIMITS = MotionLimits()
FILM, TALK = films.film(), films.film(form="webm")


def probed(folder: Path, data: bytes, limits: MotionLimits = LIMITS) -> Probe:
    container = sniff_motion(data[:64])
    assert container is not None
    path = folder / "file"
    path.write_bytes(data)
    return probe(path, container, limits)


def refused(folder: Path, data: bytes, limits: MotionLimits = LIMITS) -> str:
    with pytest.raises(MotionRefused) as caught:
        probed(folder, data, limits)
    return caught.value.message


@pytest.mark.parametrize(
    ("form", "codec", "mime", "codecs"),
    [
        ("mp4", "", "video/mp4", ("h264", "aac")),
        ("mov", "", "video/quicktime", ("h264", "aac")),
        ("webm", "", "video/webm", ("vp8", "opus")),
        ("webm", "libvpx-vp9", "video/webm", ("vp9", "opus")),
        ("ogg", "", "audio/ogg", ("", "opus")),
        ("ipod", "", "audio/mp4", ("", "aac")),
    ],
)
def test_a_file_is_described(
    tmp_path: Path, form: str, codec: str, mime: str, codecs: tuple[str, str]
) -> None:
    found = probed(tmp_path, films.film(form=form, codec=codec))
    assert (found.mime, (found.video_codec, found.audio_codec)) == (mime, codecs)
    assert found.seconds == pytest.approx(1.0, abs=0.05)
    assert (found.width, found.height) == ((160, 120) if codecs[0] else (0, 0))
    assert bool(found.poster) == bool(codecs[0])
    assert len(found.waveform) == (0 if codecs[0] else PEAKS)


@pytest.mark.parametrize("form", ["ogg", "ipod"])
def test_a_waveform_shows_where_somebody_speaks(tmp_path: Path, form: str) -> None:
    wave = probed(tmp_path, films.film(form=form)).waveform
    assert max(wave[: PEAKS // 2 - 3]) < 10
    assert min(wave[PEAKS // 2 + 3 :]) > 200


def test_peaks_of_few_and_of_no_values() -> None:
    assert peaks([]) == bytes(PEAKS)
    assert peaks([32768]) == b"\xff" * PEAKS
    assert set(peaks([0, 12800])) == {0, 100}


@pytest.mark.parametrize(
    ("degrees", "size", "blue"),
    [
        (0, (160, 120), (0, 0)),
        (90, (120, 160), (1, 0)),
        (180, (160, 120), (1, 1)),
        (270, (120, 160), (0, 1)),
    ],
)
def test_a_poster_is_upright_whichever_way_the_camera_was_held(
    tmp_path: Path, degrees: int, size: tuple[int, int], blue: tuple[int, int]
) -> None:
    found = probed(tmp_path, films.turned(FILM, degrees))
    assert (found.rotation, (found.width, found.height)) == (degrees, size)
    poster = Image.open(BytesIO(found.poster)).convert("RGB")
    assert poster.size == size
    for corner in ((0, 0), (0, 1), (1, 0), (1, 1)):
        pixel = poster.getpixel((5 + corner[0] * (size[0] - 10), 5 + corner[1] * (size[1] - 10)))
        assert isinstance(pixel, tuple)
        wanted = BLUE if corner == blue else RED
        assert max(abs(a - b) for a, b in zip(pixel, wanted, strict=True)) < 12


def test_a_film_without_sound(tmp_path: Path) -> None:
    assert probed(tmp_path, films.film(sound=False)).audio_codec == ""


# What is refused.


@pytest.mark.parametrize(
    "data",
    [
        b"ffconcat version 1.0\nfile '/etc/passwd'\n",
        b"#EXTM3U\n#EXTINF:1,\nfile:///etc/passwd\n",
        b"<?xml version='1.0'?><MPD></MPD>",
        b"RIFF\0\0\0\0AVI LIST" + bytes(60),
        b"\x1a\x45\xdf\xa3\x8b\x42\x82\x88matroska" + bytes(60),
        b"\0\0\0\x18ftypheic" + bytes(60),
        b"OggS" + bytes(24) + b"\x01vorbis" + bytes(30),
        b"",
    ],
)
def test_what_is_off_the_list_has_no_type(data: bytes) -> None:
    assert sniff_motion(data) is None


@pytest.mark.parametrize("text", [b"#EXTM3U\n#EXTINF:1,\n%s\n", b"ffconcat version 1.0\nfile %s\n"])
@pytest.mark.parametrize("begin", [FILM[:32], b"\0\0\0\x14ftypisom", TALK[:64]])
def test_a_playlist_behind_the_magic_of_another_type(
    tmp_path: Path, begin: bytes, text: bytes
) -> None:
    (tmp_path / "other.mp4").write_bytes(FILM)
    assert refused(tmp_path, begin + text % bytes(tmp_path / "other.mp4"))


def test_a_reference_to_another_file_is_not_followed(tmp_path: Path) -> None:
    """The samples of this one, although they are said to lie in the other."""
    other = tmp_path / "other.mp4"
    other.write_bytes(films.turned(films.film(width=64, height=64), 180))
    found = probed(tmp_path, films.referring(FILM, f"file://{other}"))
    assert Image.open(BytesIO(found.poster)).getpixel((20, 20)) != RED
    assert found.width == 160
    other.unlink()
    assert probed(tmp_path, films.referring(FILM, f"file://{other}")) == found


@pytest.mark.parametrize("codec", ["mpeg4", "mpeg2video"])
def test_a_codec_off_the_list(tmp_path: Path, codec: str) -> None:
    assert refused(tmp_path, films.film(form="mov", codec=codec)) == (
        "the video has a codec that is not taken"
    )


@pytest.mark.parametrize("share", [0.05, 0.3, 0.6, 0.95])
def test_a_file_that_is_cut_short(tmp_path: Path, share: float) -> None:
    """With its index behind the samples, and before them."""
    assert refused(tmp_path, FILM[: int(len(FILM) * share)])
    assert refused(tmp_path, films.indexed()[: int(len(films.indexed()) * share)])


@pytest.mark.parametrize(
    ("limits", "word"),
    [
        ({"max_pixels": 160 * 120 - 1}, "pixels"),
        ({"max_side": 159}, "pixels"),
        ({"max_frames": 9}, "frames"),
        ({"max_packets": 20}, "packets"),
        ({"max_seconds": 0.9}, "longer"),
        ({"max_channels": 0}, "sound"),
    ],
)
def test_limits(tmp_path: Path, limits: dict[str, int], word: str) -> None:
    assert word in refused(tmp_path, FILM, LIMITS._replace(**limits))


def test_frames_larger_than_the_header_says(tmp_path: Path) -> None:
    assert refused(tmp_path, films.swollen(TALK, 16383, 16383)) == "the file is broken"


@pytest.mark.parametrize("streams", [20, 3000])
def test_too_many_streams(tmp_path: Path, streams: int) -> None:
    assert refused(tmp_path, films.crowded(FILM, streams))


def test_a_film_that_hardly_ever_ends(tmp_path: Path) -> None:
    assert "longer" in refused(tmp_path, films.sparse(0, 1, 100_000))
    assert probed(tmp_path, films.sparse(0, 1, 100)).seconds == pytest.approx(100.1)


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.sampled_from([FILM, TALK]), st.lists(st.tuples(st.integers(64), st.integers(0, 255))))
@example(FILM, [(0, 0)])
def test_damage_is_refused_or_does_no_harm(
    tmp_path: Path, data: bytes, changes: list[tuple[int, int]]
) -> None:
    damaged = bytearray(data)
    for at, value in changes:
        damaged[64 + at % (len(data) - 64)] = value
    try:
        probed(tmp_path, bytes(damaged))
    except MotionRefused:
        pass


@given(st.binary(max_size=80))
def test_sniffing_answers_for_any_bytes(data: bytes) -> None:
    found = sniff_motion(data)
    assert found is None or mime_of(found, data).endswith(("mp4", "quicktime", "webm", "ogg"))


def test_sound_is_told_from_video_where_nobody_can_look() -> None:
    talk, voice = films.film(form="ogg"), films.film(form="ipod")
    assert mime_of(Container.OGG, talk) == "audio/ogg"
    assert mime_of(Container.MP4, voice) == "audio/mp4"
    assert mime_of(Container.MP4, FILM) == "video/mp4"
