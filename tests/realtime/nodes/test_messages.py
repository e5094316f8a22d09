"""What a node says is heard as it was said, by those who have the key."""

from __future__ import annotations

import pytest

from realtime.link.framing import LinkError
from realtime.link.messages import Hints, Message, Reached, Relay
from realtime.nodes.messages import (
    CODEC,
    NAME,
    RELAY,
    TAG,
    Announce,
    Ask,
    Beat,
    Bye,
    Moved,
    Seal,
    channel_of,
)
from store.projections.base import CountsHint, HomeHint

SEAL = Seal(b"k" * 32)
ONE = b"one node"
COUNTS = CountsHint(post_id=1, author_id=2, likes=3, comments=4)
SAID: list[Message] = [
    Relay(7, [], 3, ["typing", 7, 3], b"data"),
    Hints(
        [HomeHint(author_id=1, post_id=2)],
        [COUNTS],
    ),
    Reached(1 << 62),
    Announce(5, [1, 2, 3], True),
    Moved(6, 1 << 62, False, True),
    Beat(6),
    Ask(ONE, lost=True),
    Bye(),
]


def test_what_is_said_is_heard() -> None:
    frames = b"".join(map(CODEC.encode, SAID))
    assert SEAL.open(SEAL.close(ONE, frames)) == (ONE, SAID)
    assert len(ONE) == NAME
    assert CODEC.encode(SAID[0])[4] == RELAY


WHOLE = SEAL.close(ONE, CODEC.encode(Beat(1)))


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"garbage",
        WHOLE[: TAG + NAME],
        WHOLE[:-1],
        WHOLE + b"x",
        Seal(b"q" * 32).close(ONE, CODEC.encode(Beat(1))),
        SEAL.close(ONE, CODEC.encode(Beat(1))[:-1]),
        SEAL.close(ONE, b"\x00\x00\x00\x01\x63\xc0"),
        SEAL.close(ONE, b"\xff" * 40),
        SEAL.close(ONE, b"\x00\x00\x00\x01\x05\xc0"),
        SEAL.close(b"", b""),
        *(WHOLE[:at] + bytes([WHOLE[at] ^ 1]) + WHOLE[at + 1 :] for at in range(0, len(WHOLE), 5)),
    ],
)
def test_nothing_else_is(data: bytes) -> None:
    with pytest.raises(LinkError):
        SEAL.open(data)


def test_a_channel_is_of_one_database_and_one_epoch() -> None:
    channels = {channel_of(key, epoch) for key in (b"k" * 32, b"q" * 32) for epoch in (1, 2)}
    assert len(channels) == 4
    assert channel_of(b"k" * 32, 1) in channels
