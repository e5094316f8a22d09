"""Entries as records of a topic (pure).

The key is the entry's stream, `r:7` or `u:7`. The value is an array of MessagePack: the version
of this encoding, then position, time in Unix milliseconds, kind, stream (kind and id), sequence,
actor, subject and other id. A later version may only add to its end; one that changes what is
there goes to another topic.
"""

from __future__ import annotations

import msgspec

from store.errors import Incompatible
from store.log import Entry, Kind, Stream, StreamKind

VERSION = 1


class _Value(msgspec.Struct, array_like=True, frozen=True):
    version: int
    position: int
    at_ms: int
    kind: Kind
    stream_kind: StreamKind
    stream_id: int
    sequence: int
    actor_id: int
    subject_id: int
    other_id: int


_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(_Value)


def encode_key(entry: Entry) -> bytes:
    return f"{entry.stream.kind}:{entry.stream.id}".encode()


def encode_value(entry: Entry) -> bytes:
    stream = entry.stream
    return _encoder.encode(
        _Value(
            VERSION,
            entry.position,
            entry.at_ms,
            entry.kind,
            stream.kind,
            stream.id,
            entry.sequence,
            entry.actor_id,
            entry.subject_id,
            entry.other_id,
        )
    )


def decode_value(data: bytes | None) -> Entry:
    """Raises `Incompatible` for what this version cannot read."""
    try:
        value = _decoder.decode(data or b"")
    except msgspec.MsgspecError as error:
        raise Incompatible(f"a record of the topic is no entry: {error}") from error
    return Entry(
        position=value.position,
        at_ms=value.at_ms,
        kind=value.kind,
        stream=Stream(value.stream_kind, value.stream_id),
        sequence=value.sequence,
        actor_id=value.actor_id,
        subject_id=value.subject_id,
        other_id=value.other_id,
    )
