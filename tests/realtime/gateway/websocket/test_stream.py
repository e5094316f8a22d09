"""The decoder as a reader of streams: cut anyhow, encoded by others, damaged, and flooded."""

from __future__ import annotations

import gc
import itertools
import random
import tracemalloc

from hypothesis import given, settings
from hypothesis import strategies as st
from websockets.frames import Frame, Opcode
from wsproto.connection import Connection, ConnectionType
from wsproto.events import BytesMessage, CloseConnection, Event, TextMessage
from wsproto.events import Ping as PingEvent
from wsproto.events import Pong as PongEvent

from realtime.gateway.websocket import CloseFrame, Decoder, Message, Ping, Pong, Text, Violation
from tests.realtime.gateway.websocket.frames import (
    BINARY,
    CLOSE,
    CONTINUATION,
    PING,
    PONG,
    TEXT,
    client_frame,
    close_payload,
    fed,
    one_by_one,
)

exact = settings(max_examples=150, deadline=None, derandomize=True)

MIXED = [
    client_frame(b"first"),
    client_frame(b""),
    client_frame(b"z"),
    client_frame(b"beat", PING),
    client_frame(b"m" * 130),
    client_frame(b"", PONG),
    client_frame("grüße 🎈".encode(), TEXT),
    client_frame(b"frag", final=False),
    client_frame(b"", PING),
    client_frame(b"", CONTINUATION, final=False),
    client_frame(b"mented", CONTINUATION),
    client_frame("日本".encode()[:4], TEXT, final=False),
    client_frame(b"late", PONG),
    client_frame("日本".encode()[4:], CONTINUATION),
    client_frame(b"last"),
    client_frame(close_payload(1000, "tschüß".encode()), CLOSE),
    client_frame(b"unread"),
]
EXPECTED: list[Message] = [
    b"first",
    b"",
    b"z",
    Ping(b"beat"),
    b"m" * 130,
    Pong(b""),
    Text("grüße 🎈"),
    Ping(b""),
    b"fragmented",
    Pong(b"late"),
    Text("日本"),
    b"last",
    CloseFrame(1000, "tschüß"),
]


def test_every_cut_in_two_gives_the_same_messages() -> None:
    stream = b"".join(MIXED)
    assert fed([stream]) == EXPECTED
    for cut in range(len(stream) + 1):
        assert fed([stream[:cut], stream[cut:]]) == EXPECTED


def test_every_cut_in_three_gives_the_same_messages() -> None:
    stream = b"".join(MIXED[:4] + MIXED[5:])
    expected = EXPECTED[:4] + EXPECTED[5:]
    for first, second in itertools.combinations(range(len(stream)), 2):
        assert fed([stream[:first], stream[first:second], stream[second:]]) == expected


def test_pieces_of_every_size_give_the_same_messages() -> None:
    stream = b"".join(MIXED)
    for size in range(1, len(stream)):
        pieces = [stream[at : at + size] for at in range(0, len(stream), size)]
        assert fed(pieces) == EXPECTED
        assert fed(itertools.chain.from_iterable((piece, b"") for piece in pieces)) == EXPECTED


def cut(stream: bytes, random_source: random.Random) -> list[bytes]:
    """The stream in pieces of random sizes, most of them small."""
    pieces = []
    while stream:
        size = random_source.choice((1, 2, 7, 64, 1000, 5000))
        pieces.append(stream[:size])
        stream = stream[size:]
    return pieces


CONTROLS = st.one_of(
    st.builds(PingEvent, payload=st.binary(max_size=125)),
    st.builds(PongEvent, payload=st.binary(max_size=125)),
)
SIZES = st.sampled_from((0, 1, 5, 125, 126, 4000, 65535, 65536))
PAYLOADS = st.one_of(
    st.text(max_size=40),
    st.binary(max_size=300),
    st.builds(lambda size, byte: bytes((byte,)) * size, SIZES, st.integers(0, 255)),
)


@st.composite
def conversations(draw: st.DrawFn) -> tuple[list[Event], list[Message]]:
    """What a client says to wsproto, and what must arrive."""
    events: list[Event] = []
    expected: list[Message] = []

    def control() -> None:
        event = draw(CONTROLS)
        events.append(event)
        kind = Ping if isinstance(event, PingEvent) else Pong
        expected.append(kind(bytes(event.payload)))

    for payload in draw(st.lists(PAYLOADS, max_size=5)):
        cuts = sorted(draw(st.lists(st.integers(0, len(payload)), max_size=4)))
        bounds = [0, *cuts, len(payload)]
        for start, end in itertools.pairwise(bounds):
            last = end == len(payload)
            part = payload[start:end]
            if isinstance(part, str):
                events.append(TextMessage(part, message_finished=last))
            else:
                events.append(BytesMessage(part, message_finished=last))
            if last:
                break
            if draw(st.booleans()):
                control()
        expected.append(Text(payload) if isinstance(payload, str) else payload)
        if draw(st.booleans()):
            control()
    if draw(st.booleans()):
        code = draw(st.sampled_from((1000, 1001, 3000, 4999)))
        reason = draw(st.text(max_size=30))
        events.append(CloseConnection(code=code, reason=reason))
        expected.append(CloseFrame(code, reason))
    return events, expected


@exact
@given(conversations(), st.randoms(use_true_random=False))
def test_what_wsproto_says_arrives(
    conversation: tuple[list[Event], list[Message]], random_source: random.Random
) -> None:
    events, expected = conversation
    client = Connection(ConnectionType.CLIENT)
    stream = b"".join(client.send(event) for event in events)
    assert fed([stream]) == expected
    assert fed(cut(stream, random_source)) == expected


FRAMES = st.lists(
    st.tuples(st.sampled_from((TEXT, BINARY, PING, PONG)), st.binary(max_size=125)), max_size=8
)


@exact
@given(FRAMES, st.randoms(use_true_random=False))
def test_what_websockets_says_arrives(
    frames: list[tuple[int, bytes]], random_source: random.Random
) -> None:
    """Its text frames hold any bytes here: what is no UTF-8 must be refused, and only that."""
    stream = b""
    expected: list[Message] = []
    for opcode, payload in frames:
        stream += Frame(Opcode(opcode), payload).serialize(mask=True)
        if opcode == TEXT:
            try:
                expected.append(Text(payload.decode()))
            except UnicodeDecodeError:
                expected.append(Violation(1007, ""))
                break
        else:
            expected.append({BINARY: bytes, PING: Ping, PONG: Pong}[opcode](payload))
    got = fed(cut(stream, random_source))
    if got and isinstance(got[-1], Violation):
        got[-1] = Violation(got[-1].code, "")
    assert got == expected


GARBAGE = st.one_of(
    st.binary(max_size=200),
    st.lists(
        st.one_of(
            st.sampled_from(MIXED[:-2]),
            st.binary(max_size=8),
            st.builds(
                client_frame,
                st.binary(max_size=140),
                st.integers(0, 15),
                final=st.booleans(),
                reserved=st.sampled_from((0, 0, 0, 1)),
                length=st.sampled_from((None, None, None, 0, 125, 126, 65535, 1 << 62)),
            ),
        ),
        max_size=12,
    ).map(b"".join),
)


@settings(exact, max_examples=400)
@given(GARBAGE, st.randoms(use_true_random=False))
def test_garbage_gives_messages_and_at_most_one_violation(
    stream: bytes, random_source: random.Random
) -> None:
    """Nothing is raised, no cut changes the outcome, and what is kept has a bound."""
    whole = fed([stream], 100)
    ends = [at for at, message in enumerate(whole) if isinstance(message, Violation | CloseFrame)]
    assert ends in ([], [len(whole) - 1])
    assert all(len(m) <= 100 for m in whole if isinstance(m, bytes))
    decoder = Decoder(100)
    messages: list[Message] = []
    for piece in cut(stream, random_source):
        messages += decoder.feed(piece)
        assert decoder.buffered <= 100 + 125
    assert messages == whole


def held(decoder: Decoder) -> list[object]:
    """The objects that a decoder keeps alive."""
    return [thing for thing in gc.get_referents(decoder) if thing is not Decoder]


def test_an_idle_decoder_holds_nothing() -> None:
    decoder = Decoder(1 << 18)
    new = held(decoder)
    assert all(thing is None or isinstance(thing, int) for thing in new)
    for frame in MIXED[:7]:
        decoder.feed(frame)
        assert held(decoder) == new
        for byte in one_by_one(frame):
            assert decoder.feed(frame[:0]) == []
            decoder.feed(byte)
        assert held(decoder) == new
    for frame in MIXED[7:15]:
        decoder.feed(frame)
    assert held(decoder) == new
    assert decoder.buffered == 0


def test_a_large_message_in_single_bytes_costs_no_more_than_its_size() -> None:
    size = 50_000
    decoder = Decoder(size)
    header = client_frame(b"", length=size)
    decoder.feed(header)
    tracemalloc.start()
    try:
        for _ in range(size - 1):
            assert not decoder.feed(b"x")
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert decoder.buffered == size - 1
    assert peak < 2 * size
    [message] = decoder.feed(b"x")
    assert isinstance(message, bytes)
    assert len(message) == size
    assert decoder.buffered == 0


def test_a_large_message_in_tiny_fragments_costs_no_more_than_its_size() -> None:
    size = 160_000
    first = client_frame(b"x" * 16, TEXT, final=False)
    more = client_frame(b"x" * 16, CONTINUATION, final=False)
    decoder = Decoder(size)
    tracemalloc.start()
    try:
        decoder.feed(first)
        for _ in range(size // 16 - 1):
            assert not decoder.feed(more)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 2 * size
    assert decoder.buffered == size
    assert decoder.feed(client_frame(b"", CONTINUATION)) == [Text("x" * size)]
