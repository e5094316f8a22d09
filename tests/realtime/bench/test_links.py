"""The load generator reads what a server may send, however it is cut."""

from __future__ import annotations

import socket

import pytest

from realtime.bench.links import (
    FAILURE,
    RESULT,
    UPDATE,
    Link,
    LinkError,
    client_message,
    frames,
)
from rpc.proto.frames_pb2 import Failure, Result, ServerBatch, ServerFrame, Update


def _batch(*sizes: int) -> bytes:
    return b"".join(
        ServerBatch(
            frames=[ServerFrame(result=Result(id=n + 1, payload=bytes(size)))]
        ).SerializeToString()
        for n, size in enumerate(sizes)
    )


def test_frames_are_found_by_their_outer_shape() -> None:
    made = [
        ServerFrame(result=Result(id=1, payload=bytes(300))),
        ServerFrame(update=Update(sequence=7)),
        ServerFrame(failure=Failure(id=2)),
    ]
    batch = ServerBatch(frames=made).SerializeToString()
    found = list(frames(batch))
    assert [kind for kind, _, _ in found] == [RESULT, UPDATE, FAILURE]
    assert [ServerFrame.FromString(batch[start:end]) for _, start, end in found] == made


def _link() -> tuple[Link, socket.socket]:
    near, far = socket.socketpair()
    near.setblocking(False)
    link = Link.__new__(Link)
    link.socket, link._buffer, link._unsent = near, b"", b""
    return link, far


def _server_message(payload: bytes) -> bytes:
    size = len(payload)
    if size < 126:
        return bytes([0x82, size]) + payload
    if size < 65536:
        return b"\x82\x7e" + size.to_bytes(2, "big") + payload
    return b"\x82\x7f" + size.to_bytes(8, "big") + payload


def test_messages_of_every_length_are_read_however_they_are_cut() -> None:
    payloads = [_batch(0), _batch(118), _batch(119), _batch(1000, 5), _batch(65_600)]
    stream = b"".join(map(_server_message, payloads))
    for step in (1, 2, 3, 7, 125, 100_000):
        if step < 7 and len(stream) > 10_000:
            data = b"".join(map(_server_message, payloads[:4]))
            expected = payloads[:4]
        else:
            data, expected = stream, payloads
        link, far = _link()
        seen: list[bytes] = []
        for at in range(0, len(data), step):
            far.sendall(data[at : at + step])
            seen += link.receive()
        far.close()
        assert seen == expected
        link.close()


def test_an_end_and_a_close_frame_are_errors() -> None:
    link, far = _link()
    far.sendall(b"\x88\x06" + (1001).to_bytes(2, "big") + b"away")
    with pytest.raises(LinkError, match="1001 away"):
        link.receive()
    far.close()
    link.close()
    link, far = _link()
    far.close()
    with pytest.raises(LinkError, match="closed the connection"):
        link.receive()
    link.close()


@pytest.mark.parametrize("size", [0, 125, 126, 65_535, 65_536])
def test_a_message_is_masked_with_zeros(size: int) -> None:
    message = client_message(bytes(size))
    assert message[0] == 0x82
    assert message[1] & 0x80
    head = {True: 6, False: 8 if size < 65_536 else 14}[size < 126]
    assert len(message) == head + size
    assert message[head - 4 : head] == bytes(4)
