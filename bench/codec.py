"""Measures the websocket codec alone: µs a message, the best of some alternating rounds.

    python bench/codec.py [--rounds 9]

With `taskset -c 1` on a machine of 2 shared cores (AMD EPYC), Python 3.11, the medians of five
runs of `--rounds 15`, in µs a message, the 0.03 of the timing loop included:

    128 B, one a feed                             0.30
    128 B, 16 a feed                              0.20
    128 B, 480 a feed                             0.21
    128 B, 16 in two feeds cut inside a frame     0.32
    128 B, one in two feeds                       2.26
    60 B, one a feed                              0.36
    60 B, 16 a feed                               0.26
    64 KiB in feeds of 16 KiB                     8.12
    ping                                          1.31
    text of 60 B                                  1.89
    frame() of 128 B                              0.10
    unmasking 128 B in C                          0.07
    unmasking 128 B without C                     0.43
    wsproto, 128 B, one a feed                    6.64
    wsproto, 128 B, 16 a feed                     6.07
    websockets, 128 B, one a feed                 2.40
    websockets, 128 B, 16 a feed                  2.14
    handshake, read and accepted                 44.56
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))

from websockets.frames import Frame, Opcode
from websockets.protocol import OPEN
from websockets.server import ServerProtocol
from wsproto.connection import Connection, ConnectionType

from realtime.gateway.websocket import Decoder, Handshake, frame
from realtime.gateway.websocket.mask import apply_mask, xor_mask

MAX = 256 * 1024
MASK = b"\x37\xfa\x21\x3d"
REQUEST = (
    b"GET /ws HTTP/1.1\r\nHost: 127.0.0.1:8000\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
    b"User-Agent: Mozilla/5.0 (X11; Linux x86_64)\r\nOrigin: http://a.example\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
    b"Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n"
    b"Sec-WebSocket-Protocol: sunwire.1\r\nAccept-Encoding: gzip\r\n\r\n"
)

Case = tuple[str, Callable[[], object], int]  # name, what is timed, messages that it handles


def client_frame(size: int, opcode: Opcode = Opcode.BINARY) -> bytes:
    return Frame(opcode, bytes(at & 0xFF for at in range(size))).serialize(mask=True)


def ours(*pieces: bytes) -> Callable[[], object]:
    feed = Decoder(MAX).feed
    if len(pieces) == 1:
        [piece] = pieces
        return lambda: feed(piece)

    def run() -> None:
        for piece in pieces:
            feed(piece)

    return run


def of_wsproto(piece: bytes) -> Callable[[], object]:
    connection = Connection(ConnectionType.SERVER)

    def run() -> None:
        connection.receive_data(piece)
        for _ in connection.events():
            pass

    return run


def of_websockets(piece: bytes) -> Callable[[], object]:
    protocol = ServerProtocol(state=OPEN, max_size=MAX)

    def run() -> None:
        protocol.receive_data(piece)
        protocol.events_received()

    return run


def handshake() -> None:
    shake = Handshake()
    assert shake.feed(REQUEST)
    shake.accept("sunwire.1")


def cases() -> list[Case]:
    one = client_frame(128)
    many = one * 16
    small = client_frame(60)
    bulk = one * 480  # what one read of 64 KiB brings
    payload = bytes(128)
    return [
        ("128 B, one a feed", ours(one), 1),
        ("128 B, 16 a feed", ours(many), 16),
        ("128 B, 480 a feed", ours(bulk), 480),
        ("128 B, 16 in two feeds cut inside a frame", ours(many[:1000], many[1000:]), 16),
        ("128 B, one in two feeds", ours(one[:70], one[70:]), 1),
        ("60 B, one a feed", ours(small), 1),
        ("60 B, 16 a feed", ours(small * 16), 16),
        ("64 KiB in feeds of 16 KiB", ours(*chunks(client_frame(65536), 16384)), 1),
        ("ping", ours(client_frame(4, Opcode.PING)), 1),
        ("text of 60 B", ours(client_frame(60, Opcode.TEXT)), 1),
        ("frame() of 128 B", lambda: frame(payload), 1),
        ("unmasking 128 B in C", lambda: apply_mask(payload, MASK), 1),
        ("unmasking 128 B without C", lambda: xor_mask(payload, MASK), 1),
        ("wsproto, 128 B, one a feed", of_wsproto(one), 1),
        ("wsproto, 128 B, 16 a feed", of_wsproto(many), 16),
        ("websockets, 128 B, one a feed", of_websockets(one), 1),
        ("websockets, 128 B, 16 a feed", of_websockets(many), 16),
        ("handshake, read and accepted", handshake, 1),
    ]


def chunks(data: bytes, size: int) -> list[bytes]:
    return [data[at : at + size] for at in range(0, len(data), size)]


def timed(run: Callable[[], object], times: int) -> float:
    """Seconds a run; the loop itself, some 0.03 µs, is counted too."""
    start = time.perf_counter()
    for _ in range(times):
        run()
    return (time.perf_counter() - start) / times


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--rounds", type=int, default=9)
    rounds = parser.parse_args().rounds
    measured = cases()
    times = [max(1, int(0.02 / timed(run, 3))) for _, run, _ in measured]
    best = [float("inf")] * len(measured)
    for _ in range(rounds):
        for at, (_, run, _) in enumerate(measured):
            best[at] = min(best[at], timed(run, times[at]))
    for (name, _, messages), seconds in zip(measured, best, strict=True):
        print(f"{name:42} {seconds / messages * 1e6:8.3f} µs")


if __name__ == "__main__":
    main()
