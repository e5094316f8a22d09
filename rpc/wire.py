"""The frame codec (sans-I/O).

A websocket message is a serialized batch of frames. Serialized batches concatenate, so an
update is encoded once, as a batch of one, and joined with whatever else waits for a socket.
"""

from __future__ import annotations

from collections.abc import Iterable

from google.protobuf.message import DecodeError, Message

from rpc.errors import Close, ProtocolError
from rpc.proto.frames_pb2 import (
    ClientBatch,
    ClientFrame,
    Failure,
    Result,
    ServerBatch,
    ServerFrame,
)

SUBPROTOCOL = "sunwire.v1"
MAX_FRAMES = 1024  # in one batch from a client


def encode_server(frame: ServerFrame) -> bytes:
    """A batch of one frame: join several to send them together."""
    return ServerBatch(frames=[frame]).SerializeToString()


def encode_client(frames: Iterable[ClientFrame]) -> bytes:
    return ClientBatch(frames=frames).SerializeToString()


def encode_result(call_id: int, payload: bytes) -> bytes:
    """`encode_server` of a Result, by hand: every call has one, and building the three nested
    messages takes three times as long."""
    result = _RESULT_ID + _varint(call_id) if call_id else b""
    if payload:
        result += _RESULT_PAYLOAD + _varint(len(payload)) + payload
    frame = _FRAME_RESULT + _varint(len(result)) + result
    return _BATCH_FRAMES + _varint(len(frame)) + frame


def _tag(message: type[Message], field: str, wire_type: int) -> bytes:
    return _varint(message.DESCRIPTOR.fields_by_name[field].number << 3 | wire_type)


def _varint(value: int) -> bytes:
    if value < 128:
        return _SMALL[value]
    if value < 16384:
        return bytes((value & 0x7F | 0x80, value >> 7))
    parts = bytearray()
    while value > 127:
        parts.append(value & 0x7F | 0x80)
        value >>= 7
    parts.append(value)
    return bytes(parts)


_SMALL = tuple(bytes((value,)) for value in range(128))
_BATCH_FRAMES = _tag(ServerBatch, "frames", 2)
_FRAME_RESULT = _tag(ServerFrame, "result", 2)
_RESULT_ID = _tag(Result, "id", 0)
_RESULT_PAYLOAD = _tag(Result, "payload", 2)


def encode_failure(failure: Failure) -> bytes:
    return encode_server(ServerFrame(failure=failure))


def decode_client(data: bytes) -> list[tuple[str, ClientFrame]]:
    """The frames of a client's message, each with its kind (the name of the field that is set).
    An unknown field is ignored; a frame of a kind that this server does not know, or none at all,
    is a `ProtocolError`."""
    try:
        frames = ClientBatch.FromString(data).frames
    except DecodeError as error:
        raise ProtocolError(Close.BAD_FRAME, "not a batch of frames") from error
    # Counted before they are looked at: a message has room for a hundred thousand empty ones.
    count = len(frames)
    if not 0 < count <= MAX_FRAMES:
        problem = f"more than {MAX_FRAMES} frames in a batch" if count else "an empty batch"
        raise ProtocolError(Close.BAD_FRAME, problem)
    known = []
    for frame in frames:
        kind = frame.WhichOneof("frame")
        if kind is None:
            raise ProtocolError(Close.BAD_FRAME, "a frame of no known kind")
        known.append((kind, frame))
    return known


def decode_server(data: bytes) -> list[ServerFrame]:
    """The frames of a server's message; kinds that this client does not know have
    `WhichOneof("frame") is None` and are the client's to count and ignore."""
    try:
        return list(ServerBatch.FromString(data).frames)
    except DecodeError as error:
        raise ProtocolError(Close.BAD_FRAME, "not a batch of frames") from error
