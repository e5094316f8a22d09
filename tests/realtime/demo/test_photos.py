"""The photographs come from a package that ships them, and films are made of them."""

from __future__ import annotations

import hashlib
import importlib.util
from io import BytesIO

import av
import pytest

from media.images.sniff import ImageType, sniff
from media.motion.kinds import sniff_motion
from realtime.demo.films import GIF_FRAMES, SECONDS, clips
from realtime.demo.photos import NAMES, photographs
from realtime.demo.sources import FILM, GIF, PHOTOGRAPH, VOICE, Source


def test_they_are_images_that_the_server_takes() -> None:
    found = photographs()
    assert {one.name for one in found} <= set(NAMES)
    assert len(found) > 3
    for one in found:
        data = one.read_bytes()
        assert sniff(data) is not None
        source = Source(PHOTOGRAPH, one)
        assert (source.size, source.digest) == (len(data), hashlib.sha256(data).hexdigest())


def test_without_the_package_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)
    with pytest.raises(ValueError, match=r"sunwire\[demo\]"):
        photographs()


def test_three_people_have_everything_between_them_and_nobody_what_another_has() -> None:
    made = [clips(photographs(), number) for number in range(3)]
    sources = [one for mine in made for one in (mine.posted, mine.sent, mine.voice) if one]
    assert sorted(one.kind for one in sources) == [FILM, FILM, GIF, GIF, VOICE, VOICE, VOICE]
    assert len({one.digest for one in sources}) == len(sources)
    for one in sources:
        assert isinstance(one.content, bytes)
        assert one.size == len(one.content)
        if one.kind == GIF:
            assert sniff(one.content) is ImageType.GIF
            assert one.seconds == pytest.approx(GIF_FRAMES * 0.04)
            continue
        assert sniff_motion(one.content) is not None
        with av.open(BytesIO(one.content), "r") as file:
            assert file.duration is not None
            assert file.duration / 1e6 == pytest.approx(one.seconds, abs=0.05)
            kinds = {stream.type for stream in file.streams}
        assert kinds == ({"audio"} if one.kind == VOICE else {"audio", "video"})
    assert sources[0].seconds == SECONDS
    assert clips(photographs(), 0).posted.digest == made[0].posted.digest
