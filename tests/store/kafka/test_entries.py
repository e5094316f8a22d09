"""Entries as records: the bytes are what topics are full of, so they stay what they are."""

from __future__ import annotations

import msgspec
import pytest

from store.errors import Incompatible
from store.kafka.entries import decode_value, encode_key, encode_value
from store.log import Entry, Kind, Stream

ENTRY = Entry(
    position=(1 << 63) - 1,
    at_ms=1_700_000_000_000,
    kind=Kind.MESSAGE_SENT,
    stream=Stream.room(7),
    sequence=3,
    actor_id=4,
    subject_id=5,
    other_id=6,
)
FIELDS = [1, (1 << 63) - 1, 1_700_000_000_000, "message.sent", "r", 7, 3, 4, 5, 6]


def test_the_bytes_are_those_of_version_1() -> None:
    assert msgspec.msgpack.decode(encode_value(ENTRY)) == FIELDS
    assert encode_key(ENTRY) == b"r:7"


def test_an_entry_comes_back_as_it_was_but_for_its_record() -> None:
    assert decode_value(encode_value(ENTRY)) == ENTRY
    shown = msgspec.structs.replace(ENTRY, record="the row")
    assert decode_value(encode_value(shown)) == ENTRY


@pytest.mark.parametrize("kind", Kind)
def test_every_kind_is_known(kind: Kind) -> None:
    entry = msgspec.structs.replace(ENTRY, kind=kind, stream=Stream.user(9))
    assert decode_value(encode_value(entry)) == entry
    assert encode_key(entry) == b"u:9"


def test_what_a_later_version_adds_is_passed_over() -> None:
    assert decode_value(msgspec.msgpack.encode([2, *FIELDS[1:], "more"])) == ENTRY


@pytest.mark.parametrize(
    "value",
    [
        None,
        b"",
        b"{}",
        msgspec.msgpack.encode(FIELDS[:-1]),
        msgspec.msgpack.encode([*FIELDS[:3], "message.sung", *FIELDS[4:]]),
        msgspec.msgpack.encode([*FIELDS[:4], "x", *FIELDS[5:]]),
    ],
)
def test_what_is_no_entry_is_of_no_use(value: bytes | None) -> None:
    with pytest.raises(Incompatible):
        decode_value(value)
