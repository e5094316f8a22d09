"""Frames come out as they went in, however the stream is cut."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from realtime.link import framing
from realtime.link.framing import HEAD, Codec, FrameDecoder, LinkError, TooLong, frame

frames = st.lists(st.tuples(st.integers(0, 255), st.binary(max_size=40)), max_size=8)


class Ping(msgspec.Struct, array_like=True):
    number: int


class Pong(msgspec.Struct, array_like=True):
    text: str = ""


CODEC = Codec([Ping, Pong])


def fed(*pieces: bytes) -> list[tuple[int, bytes]]:
    decoder = FrameDecoder()
    return [found for piece in pieces for found in decoder.feed(piece)]


def test_a_stream_that_is_cut_at_any_byte_is_the_same() -> None:
    expected = [(1, b""), (2, b"two"), (255, b"\x00" * 20), (0, b"x")]
    data = b"".join(frame(kind, payload) for kind, payload in expected)
    assert fed(data) == expected
    assert fed(*(data[at : at + 1] for at in range(len(data)))) == expected
    for at in range(len(data)):
        decoder = FrameDecoder()
        before = decoder.feed(data[:at])
        assert before == expected[: len(before)]
        assert before + decoder.feed(data[at:]) == expected


@given(frames, st.lists(st.integers(1, 30)))
def test_any_frames_in_any_pieces(expected: list[tuple[int, bytes]], sizes: list[int]) -> None:
    data = b"".join(frame(kind, payload) for kind, payload in expected)
    pieces = []
    for size in sizes:
        pieces.append(data[:size])
        data = data[size:]
    assert fed(*pieces, data) == expected


def test_what_is_too_long_is_neither_sent_nor_awaited(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(framing, "MAX_PAYLOAD", 10)
    assert fed(frame(1, b"x" * 10)) == [(1, b"x" * 10)]
    with pytest.raises(TooLong):
        frame(1, b"x" * 11)
    with pytest.raises(LinkError):
        fed(HEAD.pack(11, 1))
    with pytest.raises(LinkError):
        fed(b"\xff" * HEAD.size)


def test_a_message_is_what_its_kind_says() -> None:
    (found,) = fed(CODEC.encode(Ping(7)))
    assert CODEC.decode(*found) == Ping(7)
    (found,) = fed(CODEC.encode(Pong("seven")))
    assert CODEC.decode(*found) == Pong("seven")


@pytest.mark.parametrize(
    ("kind", "payload"),
    [
        (2, msgspec.msgpack.encode([1])),
        (0, msgspec.msgpack.encode(["seven"])),
        (0, msgspec.msgpack.encode({"number": 7})),
        (0, b""),
        (0, b"\xc1garbage"),
        (1, msgspec.msgpack.encode(["seven"]) + b"more"),
    ],
)
def test_what_is_no_message_is_refused(kind: int, payload: bytes) -> None:
    with pytest.raises(LinkError):
        CODEC.decode(kind, payload)
