"""Feeds the websocket codec with what nobody would send, and holds it to its promises.

    python fuzz/websocket_codec.py [--seconds 60] [--seed 1]     mutations of the corpus
    python fuzz/websocket_codec.py --atheris [libFuzzer flags]   guided by coverage, if installed

An input is one byte of settings, one that seeds how the stream is cut, and the stream. A finding
is a traceback and the input in hexadecimal; put it into corpus/websocket_codec, whose every file
is checked by the ordinary tests too.
"""

from __future__ import annotations

import argparse
import importlib
import itertools
import random
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from wsproto import events as theirs
from wsproto.connection import Connection, ConnectionState, ConnectionType

from realtime.gateway.websocket import (
    BadHandshake,
    CloseFrame,
    Decoder,
    Handshake,
    Message,
    Ping,
    Pong,
    Text,
    Violation,
)

ROOT = Path(__file__).resolve().parent.parent
CORPUS = ROOT / "fuzz/corpus/websocket_codec"
SIZES = (0, 1, 16, 125, 126, 1000, 65535, 70_000)  # of the largest message allowed
HANDSHAKE = 0x80  # in the settings: the stream is a request, not frames
LONGEST = 4096  # input that the mutations grow to


def check(data: bytes) -> None:
    """Raises for an input with which the codec breaks a promise."""
    if len(data) < 2:
        return
    settings, seed, stream = data[0], data[1], data[2:]
    pieces = cut(stream, random.Random(seed))
    if settings & HANDSHAKE:
        check_handshake(stream, pieces)
    else:
        check_frames(stream, pieces, SIZES[settings % len(SIZES)])


def cut(stream: bytes, rng: random.Random) -> list[bytes]:
    largest = rng.choice((1, 3, 10, 100, 1000))
    pieces = []
    while stream:
        size = rng.randint(0, largest)
        pieces.append(stream[:size])
        stream = stream[size:]
    return pieces


def check_frames(stream: bytes, pieces: list[bytes], largest: int) -> None:
    whole = Decoder(largest).feed(stream)
    decoder = Decoder(largest)
    messages: list[Message] = []
    for piece in pieces:
        messages += decoder.feed(piece)
        assert decoder.buffered <= largest + 125, "too much is kept"
    assert messages == whole, "the cut changed the outcome"
    last = [at for at, m in enumerate(whole) if isinstance(m, Violation | CloseFrame)]
    assert last in ([], [len(whole) - 1]), "read on after the end"
    for message in whole:
        if isinstance(message, bytes):
            assert len(message) <= largest
        elif isinstance(message, Text):
            assert len(message.text.encode()) <= largest
        elif isinstance(message, Ping | Pong):
            assert len(message.payload) <= 125
    if last:
        assert decoder.buffered == 0
        assert decoder.feed(stream) == []
    end = whole[-1] if whole else None
    limited = isinstance(end, Violation) and end.code in (1008, 1009)  # by bounds of our own
    late = isinstance(end, CloseFrame) and end.code == 1014  # registered after wsproto's list
    if not limited and not late:
        compare(whole, second_opinion(stream))


def second_opinion(stream: bytes) -> list[Message]:
    """What wsproto makes of the stream."""
    server = Connection(ConnectionType.SERVER)
    messages: list[Message] = []
    data = b""
    text = ""
    server.receive_data(stream)
    for event in server.events():
        if isinstance(event, theirs.BytesMessage):
            data += event.data
            if event.message_finished:
                messages.append(data)
                data = b""
        elif isinstance(event, theirs.TextMessage):
            text += event.data
            if event.message_finished:
                messages.append(Text(text))
                text = ""
        elif isinstance(event, theirs.Ping):
            messages.append(Ping(bytes(event.payload)))
        elif isinstance(event, theirs.Pong):
            messages.append(Pong(bytes(event.payload)))
        elif isinstance(event, theirs.CloseConnection):
            kind = Violation if server.state is ConnectionState.OPEN else CloseFrame
            messages.append(kind(int(event.code), event.reason or ""))
            break
    return messages


def compare(ours: list[Message], others: list[Message]) -> None:
    """Both must have read the same messages, and refused what followed for the same cause, except
    that wsproto may be later in seeing a breach."""
    if ours and isinstance(mine := ours[-1], Violation):
        ours.pop()
        if others and isinstance(other := others[-1], Violation):
            others.pop()
            # Of text that is cut inside a surrogate wsproto reads on, to another breach perhaps.
            assert mine.code in (other.code, 1007), (ours, mine, other)
    assert ours == others, (ours, others)


def check_handshake(stream: bytes, pieces: list[bytes]) -> None:
    handshake = Handshake()
    fed = 0
    for piece in filter(None, pieces):
        fed += len(piece)
        try:
            request = handshake.feed(piece)
        except BadHandshake as error:
            status = error.response.split(b" ")[1]
            if status not in (b"400", b"405", b"426", b"431"):
                raise AssertionError("not an answer") from error
            return
        if request is not None:
            assert stream[:fed].endswith(handshake.trailing)
            subprotocol = request.subprotocols[0] if request.subprotocols else None
            assert handshake.accept(subprotocol).endswith(b"\r\n\r\n")
            return
        assert fed <= 8192, "an endless head"


def seeds() -> list[bytes]:
    return [path.read_bytes() for path in sorted(CORPUS.iterdir())]


INTERESTING = [
    *(b"\x82\x80", b"\x82\xfe", b"\x82\xff", b"\x81", b"\x01", b"\x00\x80", b"\x80\x80"),
    *(b"\x88\x82", b"\x89\x80", b"\x8a\x80", b"\x00" * 4, b"\x00\x7e", b"\x00\x7d"),
    *(b"\xed\xa0", b"\xf4\x90", b"\xf0\x9f\x8e\x88", b"\x03\xe8", b"\r\n", b": ", b","),
]


def mutate(data: bytes, others: list[bytes], rng: random.Random) -> bytes:
    """A few random edits: bytes changed, cut out, doubled, put in, or another input joined on."""
    changed = bytearray(data)
    for _ in range(rng.choice((1, 1, 2, 4, 8))):
        at = rng.randint(0, len(changed))
        end = at + rng.choice((1, 1, 2, 4, 16, 64))
        edit = rng.randrange(6)
        if edit == 0:
            changed[at : at + 1] = bytes((rng.randrange(256),))
        elif edit == 1:
            del changed[at:end]
        elif edit == 2:
            changed[at:at] = changed[at:end] * rng.choice((1, 2, 40))
        elif edit == 3:
            changed[at:at] = rng.choice(INTERESTING)
        elif edit == 4 and at < len(changed):
            changed[at] ^= 1 << rng.randrange(8)
        else:
            changed[at:] = rng.choice(others)[2:]
    return bytes(changed[:LONGEST])


def mutations(pool: list[bytes], seed: int) -> Iterator[bytes]:
    """Inputs without end, the same for the same seed."""
    rng = random.Random(seed)
    pool = list(pool)
    while True:
        data = mutate(rng.choice(pool), pool, rng)
        yield data
        if rng.random() < 0.01:  # let some drift further from what was written by hand
            pool.append(data)
            if len(pool) > 2000:
                pool.pop(rng.randrange(len(pool)))


def loop(seconds: float, seed: int) -> int:
    """Checks for so long; returns how many inputs."""
    pool = seeds()
    end = time.monotonic() + seconds
    count = 0
    for data in itertools.chain(pool, mutations(pool, seed)):
        try:
            check(data)
        except Exception:
            print(f"after {count} inputs: {data.hex()}", file=sys.stderr)
            raise
        count += 1
        if time.monotonic() > end:
            break
    return count


def guided(flags: list[str]) -> None:
    """libFuzzer's loop; what it finds worth keeping goes to build/fuzz, not into the corpus."""
    atheris: Any = importlib.import_module("atheris")
    found = ROOT / "build/fuzz"
    found.mkdir(parents=True, exist_ok=True)
    atheris.instrument_all()
    atheris.Setup([sys.argv[0], *flags, str(found), str(CORPUS)], check)
    atheris.Fuzz()


def main() -> None:
    if "--atheris" in sys.argv:
        guided([flag for flag in sys.argv[1:] if flag != "--atheris"])
        return
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    count = loop(options.seconds, options.seed)
    print(f"{count} inputs in {options.seconds:.0f} s, every promise kept")


if __name__ == "__main__":
    main()
