"""Moving images to video and back, ladders, and voice: as a player would find them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from fractions import Fraction
from io import BytesIO
from itertools import pairwise
from pathlib import Path
from typing import Any

import av
import pytest
from av.container import InputContainer
from PIL import Image

from media.errors import MotionRefused
from media.images.rendering import ImageLimits
from media.images.sniff import ImageType
from media.motion.facts import Encoding, MotionLimits, Rendition
from media.motion.jobs import clip, picture, preview, probe, sound, voice
from media.motion.kinds import Container
from media.motion.picture import image_of
from media.motion.playlists import boxes
from media.motion.tones import HLG, PQ, narrowed, toned
from tests.media import films, samples

LIMITS = MotionLimits()
IMAGES = ImageLimits()
QUICK = Encoding(preset="ultrafast", segment_seconds=1.0)


def clip_of(
    folder: Path, data: bytes, kind: ImageType, form: str, limits: ImageLimits = IMAGES
) -> bytes:
    path = folder / "image"
    path.write_bytes(data)
    return clip(path, kind, form, limits)


@contextmanager
def played(data: bytes) -> Iterator[InputContainer]:
    with av.open(BytesIO(data), "r") as file:
        yield file


def whole(rendition: Rendition) -> bytes:
    return rendition.init + b"".join(one.data for one in rendition.segments)


@pytest.fixture
def film(tmp_path: Path) -> Path:
    path = tmp_path / "film"
    path.write_bytes(films.turned(films.film(2.5), 90))
    return path


# Moving images.


@pytest.mark.parametrize("kind", ["GIF", "WEBP"])
@pytest.mark.parametrize(("form", "codec"), [("mp4", "h264"), ("webm", "vp9")])
def test_a_moving_image_becomes_a_video(tmp_path: Path, kind: str, form: str, codec: str) -> None:
    data = films.moving(5, (41, 31), kind)
    made = clip_of(tmp_path, data, ImageType(f"image/{kind.lower()}"), form)
    with played(made) as file:
        video = file.streams.video[0]
        context = video.codec_context
        assert (video.codec.canonical_name, context.pix_fmt) == (codec, "yuv420p")
        assert (context.width, context.height) == (40, 32)  # even
        frames = list(file.decode(video))
        assert [frame.time for frame in frames] == pytest.approx([0, 0.04, 0.08, 0.12, 0.16])
        assert file.duration == pytest.approx(200_000, abs=1000)
        corner = image_of(frames[0]).getpixel((39, 31))
        assert isinstance(corner, tuple)
        assert min(corner) > 240  # transparent: on white
    if form == "mp4":
        order = [name for name, _, _ in boxes(made)]
        assert order.index(b"moov") < order.index(b"mdat")


def test_frames_that_ask_for_no_time_are_shown_as_browsers_show_them(tmp_path: Path) -> None:
    made = clip_of(tmp_path, films.moving(3, duration=0), ImageType.GIF, "mp4")
    with played(made) as file:
        assert [frame.time for frame in file.decode(video=0)] == pytest.approx([0, 0.1, 0.2])


@pytest.mark.parametrize(
    ("data", "limits", "word"),
    [
        (films.moving(1), IMAGES, "does not move"),
        (films.moving(5), IMAGES._replace(max_frames=4), "frames"),
        (films.moving(5), IMAGES._replace(max_total_pixels=41 * 31 * 4), "frames"),
        (films.moving(5)[:200], IMAGES, "broken"),
        (b"GIF89a" + bytes(20), IMAGES, "broken"),
    ],
)
def test_images_that_become_no_video(
    tmp_path: Path, data: bytes, limits: ImageLimits, word: str
) -> None:
    with pytest.raises(MotionRefused, match=word):
        clip_of(tmp_path, data, ImageType.GIF, "mp4", limits)


def test_a_clip_is_a_fraction_of_its_image(tmp_path: Path) -> None:
    data = films.noisy(12, (120, 90))
    assert len(clip_of(tmp_path, data, ImageType.GIF, "mp4")) < len(data) / 5


def test_a_preview_is_small_and_moves(tmp_path: Path) -> None:
    path = tmp_path / "film"
    path.write_bytes(films.turned(films.indexed(30, (320, 180), 20), 90))
    made = Image.open(BytesIO(preview(path, Container.MP4, LIMITS)))
    assert (made.format, made.size) == ("GIF", (180, 320))
    assert getattr(made, "n_frames", 1) == 5  # at 0, 120, 240 and so on to 480 ms
    assert made.info["loop"] == 0


# Ladders.


def test_a_rung_is_upright_and_each_of_its_segments_begins_by_itself(film: Path) -> None:
    made = picture(film, Container.MP4, 90, QUICK, LIMITS)
    assert (made.width, made.height) == (90, 120)
    assert made.codecs.startswith("avc1.42")
    assert made.frame_rate == pytest.approx(10)
    assert [one.seconds for one in made.segments] == pytest.approx([1.0, 1.0, 0.5])
    with played(whole(made)) as file:
        assert file.duration == pytest.approx(2_500_000, abs=100_000)
    for number, segment in enumerate(made.segments):
        with played(made.init + segment.data) as file:
            frames = list(file.decode(video=0))
            assert frames[0].key_frame
            assert frames[0].time == pytest.approx(number)
            assert len(frames) == round(segment.seconds * 10)
            pixel = image_of(frames[0]).getpixel((80, 5))  # the blue quarter, turned
            assert isinstance(pixel, tuple)
            assert pixel[2] > 150 > pixel[0]


def shade(file: InputContainer) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """What a player is told of the colours, and shows in the middle."""
    frame = next(file.decode(video=0))
    context = file.streams.video[0].codec_context
    told = (context.colorspace, context.color_range, context.color_primaries, context.color_trc)
    pixel = image_of(frame).getpixel((frame.width // 2, frame.height // 2))
    assert isinstance(pixel, tuple)
    return tuple(map(int, told)), pixel


@pytest.mark.parametrize("full", [False, True])
@pytest.mark.parametrize("matrix", [1, 5, 6, 2])
@pytest.mark.parametrize("size", [(1280, 720), (160, 120)])
def test_colours_stay_whichever_way_they_are_written(
    tmp_path: Path, size: tuple[int, int], matrix: int, full: bool
) -> None:
    """Phones write full range, and small films are of another matrix than large ones: a rung of
    another size says what it is of."""
    if matrix == 2 and full:
        return  # nobody could know
    path = tmp_path / "film"
    path.write_bytes(films.orange(size, matrix, full))
    made = picture(path, Container.MP4, 120, QUICK, LIMITS)
    with played(whole(made)) as file:
        told, pixel = shade(file)
    assert told == (1, 1, 1, 1)
    assert pixel == pytest.approx(films.ORANGE, abs=6)
    poster = Image.open(BytesIO(probe(path, Container.MP4, LIMITS).poster)).getpixel((9, 9))
    assert poster == pytest.approx(films.ORANGE, abs=6)


@pytest.mark.parametrize("transfer", [HLG, PQ])
@pytest.mark.parametrize("color", [(0, 0, 0), (97, 97, 97), (191, 191, 191), (140, 107, 89)])
def test_high_dynamic_range_is_shown_on_a_screen_without(
    tmp_path: Path, transfer: int, color: tuple[int, int, int]
) -> None:
    path = tmp_path / "film"
    path.write_bytes(films.turned(films.bright(color, transfer), 90))
    red, green, blue = (one / 255 for one in color)
    signal = (toned(transfer, red), toned(transfer, green), toned(transfer, blue))
    wanted = [255 * one for one in narrowed(signal)]
    with played(whole(picture(path, Container.MP4, 60, QUICK, LIMITS))) as file:
        told, pixel = shade(file)
    assert told == (1, 1, 1, 1)
    assert pixel == pytest.approx(wanted, abs=9)
    poster = Image.open(BytesIO(probe(path, Container.MP4, LIMITS).poster))
    assert poster.size == (120, 160)
    assert poster.getpixel((9, 9)) == pytest.approx(wanted, abs=9)


@pytest.mark.parametrize("form", ["mp4", "webm"])
def test_the_colours_of_a_moving_image(tmp_path: Path, form: str) -> None:
    images = [Image.new("RGB", (64, 64), (*films.ORANGE[:2], one)) for one in (30, 31)]
    out = BytesIO()
    images[0].save(out, "WEBP", save_all=True, append_images=images[1:], lossless=True)
    with played(clip_of(tmp_path, out.getvalue(), ImageType.WEBP, form)) as file:
        told, pixel = shade(file)
    assert told == (1, 1, 1, 1)
    assert pixel == pytest.approx(films.ORANGE, abs=6)


def test_no_rung_is_larger_than_its_source(film: Path) -> None:
    made = picture(film, Container.MP4, 1080, QUICK, LIMITS)
    assert (made.width, made.height) == (120, 160)


def test_rungs_are_cut_at_the_same_times(film: Path) -> None:
    first, second = (picture(film, Container.MP4, side, QUICK, LIMITS) for side in (60, 120))
    assert [one.seconds for one in first.segments] == [one.seconds for one in second.segments]


def test_the_sound_of_a_ladder(film: Path) -> None:
    made = sound(film, Container.MP4, QUICK, LIMITS)
    assert made.codecs == "mp4a.40.2"
    assert sum(one.seconds for one in made.segments) == pytest.approx(2.5, abs=0.05)
    with played(whole(made)) as file:
        context = file.streams.audio[0].codec_context
        assert (context.name, context.channels) == ("aac", 2)
        assert file.streams.video == ()


@pytest.mark.parametrize("form", ["mp4", "webm"])
@pytest.mark.parametrize(
    ("late", "moments"),
    [
        ({}, [0.52, 2.0]),
        ({"sound_from": 0.3}, [0.52, 2.0]),
        ({"picture_from": 0.32}, [0.2, 1.68]),  # time begins with the picture
        ({"hole": (1.0, 1.5)}, [0.52, 2.0]),  # a part of the sound was lost
    ],
)
def test_sound_and_picture_stay_together(
    tmp_path: Path, form: str, late: dict[str, Any], moments: list[float]
) -> None:
    path = tmp_path / "film"
    path.write_bytes(films.clapped(form=form, **late))
    container = Container(form)
    shown = films.flashes(whole(picture(path, container, 64, QUICK, LIMITS)))
    heard = films.bangs(whole(sound(path, container, QUICK, LIMITS)))
    assert shown == pytest.approx(moments, abs=0.001)
    assert heard == pytest.approx(moments, abs=0.045)


def test_sixty_frames_a_second_become_thirty(tmp_path: Path) -> None:
    path = tmp_path / "film"
    path.write_bytes(films.film(1.0, 64, 48, rate=60, sound=False))
    made = picture(path, Container.MP4, 48, QUICK, LIMITS)
    assert made.frame_rate == pytest.approx(30, abs=1)


def test_a_film_with_a_gap_keeps_its_times(tmp_path: Path) -> None:
    path = tmp_path / "film"
    path.write_bytes(films.sparse(0, 1, 7))
    made = picture(path, Container.MP4, 32, QUICK, LIMITS)
    assert [one.seconds for one in made.segments][:2] == pytest.approx([1.0, 6.0])


def test_sound_alone_has_no_ladder_and_a_silent_film_no_sound(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(films.film(form="ogg"))
    with pytest.raises(MotionRefused, match="no picture"):
        picture(path, Container.OGG, 48, QUICK, LIMITS)
    with pytest.raises(MotionRefused, match="no picture"):
        preview(path, Container.OGG, LIMITS)
    path.write_bytes(films.film(sound=False))
    with pytest.raises(MotionRefused, match="no sound"):
        sound(path, Container.MP4, QUICK, LIMITS)
    with pytest.raises(MotionRefused, match="no sound"):
        voice(path, Container.MP4, "ogg", LIMITS)


# Voice.


@pytest.mark.parametrize("source", ["ogg", "ipod", "webm"])
@pytest.mark.parametrize(("form", "codec"), [("ogg", "opus"), ("m4a", "aac")])
def test_voice_in_both_forms(tmp_path: Path, source: str, form: str, codec: str) -> None:
    path = tmp_path / "voice"
    path.write_bytes(films.film(form=source))
    container = {"ogg": Container.OGG, "ipod": Container.MP4, "webm": Container.WEBM}[source]
    with played(voice(path, container, form, LIMITS)) as file:
        stream = file.streams.audio[0]
        assert (stream.codec.canonical_name, stream.codec_context.channels) == (codec, 1)
        assert file.duration == pytest.approx(1_000_000, abs=60_000)
        samples = sum(frame.samples for frame in file.decode(stream))
        assert samples / 48_000 == pytest.approx(1.0, abs=0.06)


def test_voice_plays_before_all_of_it_has_come(tmp_path: Path) -> None:
    path = tmp_path / "voice"
    path.write_bytes(films.film(form="ogg"))
    order = [name for name, _, _ in boxes(voice(path, Container.OGG, "m4a", LIMITS))]
    assert order.index(b"moov") < order.index(b"mdat")


def test_a_pause_in_a_voice_is_kept(tmp_path: Path) -> None:
    """Recorders leave out what is silent."""
    path = tmp_path / "voice"
    path.write_bytes(films.clapped(form="webm", hole=(1.0, 1.5)))
    assert films.bangs(voice(path, Container.WEBM, "m4a", LIMITS)) == pytest.approx(
        [0.5, 2.0], abs=0.045
    )


def test_what_the_recorder_wrote_into_it_is_in_nothing_that_is_made(
    film: Path, tmp_path: Path
) -> None:
    secret = films.SECRET.encode()
    assert secret in film.read_bytes()
    for made in (
        whole(picture(film, Container.MP4, 48, QUICK, LIMITS)),
        whole(sound(film, Container.MP4, QUICK, LIMITS)),
        preview(film, Container.MP4, LIMITS),
        voice(film, Container.MP4, "ogg", LIMITS),
        voice(film, Container.MP4, "m4a", LIMITS),
    ):
        assert secret not in made
    noted = samples.encoded(
        "GIF",
        samples.picture(),
        save_all=True,
        append_images=[samples.picture(300, 400).resize((400, 300))],
        comment=secret,
    )
    assert secret in noted
    assert secret not in clip_of(tmp_path, noted, ImageType.GIF, "mp4")


def test_rungs_of_a_long_film_hold_no_more_frames_than_it_has(film: Path) -> None:
    made = picture(film, Container.MP4, 48, QUICK, LIMITS._replace(max_seconds=1.0))
    times = []
    with played(whole(made)) as file:
        times = [
            Fraction(frame.pts or 0) * (frame.time_base or 0) for frame in file.decode(video=0)
        ]
    assert len(times) == 11
    assert all(before < after for before, after in pairwise(times))
