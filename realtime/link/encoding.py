"""Changes, outcomes and entries as bytes (pure).

Nothing is made of them but what is known here: a change is one of the classes that this process
has imported, an error one of the store's, a record one of the list.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import msgspec
from msgspec import Raw

from realtime.link.messages import Fact, Fault
from store import errors
from store.changes.base import Change
from store.errors import DomainError, StoreError
from store.log import Entry, Stream
from store.records import (
    BlockRecord,
    CommentRecord,
    FollowRecord,
    HiddenRecord,
    LikeRecord,
    MediaRecord,
    MemberRecord,
    MessageRecord,
    NotificationRecord,
    NotificationSettingsRecord,
    PostRecord,
    ProfileRecord,
    ReceiptRecord,
    RemovedRecord,
    RoomRecord,
    SeenRecord,
    SessionRecord,
)

NIL = Raw(b"\xc0")

# Changes


class UnknownChange(Exception):
    """No class of this name is known here, or the bytes are not one of it."""


_changes: dict[str, msgspec.msgpack.Decoder[Any]] = {}


def encode_change(change: Change[Any]) -> tuple[str, Raw]:
    """The name of its class, and its fields. Raises `TypeError` for fields that are no plain
    values, structs or enums."""
    return name_of(type(change)), Raw(msgspec.msgpack.encode(change))


def decode_change(name: str, data: Raw) -> Change[Any]:
    """Raises `UnknownChange`."""
    try:
        change: Change[Any] = _decoder_of(name).decode(data)
    except (LookupError, TypeError, msgspec.MsgspecError) as error:
        raise UnknownChange(f"{name}: {error}") from error
    return change


def name_of(kind: type[Change[Any]]) -> str:
    return f"{kind.__module__}.{kind.__qualname__}"


def _decoder_of(name: str) -> msgspec.msgpack.Decoder[Any]:
    found = _changes.get(name)
    if found is None:
        kinds = {name_of(kind): kind for kind in _all_below(Change)}
        found = _changes[name] = msgspec.msgpack.Decoder(kinds[name])
    return found


def _all_below(kind: type[Any]) -> Iterable[type[Any]]:
    for below in kind.__subclasses__():
        yield below
        yield from _all_below(below)


def decode_result(change: Change[Any], data: Raw) -> Any:
    """What the change was answered with, as the log keeps it for a repeat."""
    return msgspec.msgpack.decode(data, type=type(change).RESULT)


# Errors


class RemoteFault(Exception):
    """The writer has failed in a way that nobody expected: see its log."""


_ERRORS: dict[str, type[Any]] = {
    name: kind
    for name, kind in vars(errors).items()
    if isinstance(kind, type) and issubclass(kind, DomainError | StoreError)
}
_NAMES = {kind: name for name, kind in _ERRORS.items()}


def encode_error(error: Exception) -> Fault:
    """An error of a kind of one's own goes as the nearest one of the store's."""
    name = next((_NAMES[kind] for kind in type(error).__mro__ if kind in _NAMES), "")
    if isinstance(error, DomainError):
        retry = getattr(error, "retry_after_ms", 0)
        return Fault(name, error.message, error.details, retry)
    return Fault(name, str(error) if name else repr(error))


def decode_error(fault: Fault) -> Exception:
    kind = _ERRORS.get(fault.name)
    if kind is None:
        return RemoteFault(fault.message)
    if kind is errors.TooMany:
        return errors.TooMany(fault.message, fault.retry_after_ms, **fault.details)
    error: Exception = kind(fault.message, **fault.details)
    return error


# Entries

RECORDS: tuple[type[msgspec.Struct], ...] = (
    MessageRecord,
    RoomRecord,
    MemberRecord,
    ReceiptRecord,
    HiddenRecord,
    ProfileRecord,
    PostRecord,
    LikeRecord,
    BlockRecord,
    CommentRecord,
    FollowRecord,
    NotificationRecord,
    NotificationSettingsRecord,
    RemovedRecord,
    SeenRecord,
    SessionRecord,
    MediaRecord,
)
_PLACES = {kind: number for number, kind in enumerate(RECORDS, 1)}
_DECODERS = [msgspec.msgpack.Decoder(kind) for kind in RECORDS]


def encode_entry(entry: Entry) -> Fact:
    """A record of a kind that is not in the list stays here: who needs it reads it."""
    place = _PLACES.get(type(entry.record), 0)
    stream = entry.stream
    return Fact(
        entry.position,
        entry.at_ms,
        entry.kind,
        stream.kind,
        stream.id,
        entry.sequence,
        entry.actor_id,
        entry.subject_id,
        entry.other_id,
        place,
        Raw(msgspec.msgpack.encode(entry.record)) if place else NIL,
    )


def decode_entry(fact: Fact) -> Entry:
    """Raises `msgspec.MsgspecError` and `LookupError` for a record that is none."""
    return Entry(
        position=fact.position,
        at_ms=fact.at_ms,
        kind=fact.kind,
        stream=Stream(fact.stream_kind, fact.stream_id),
        sequence=fact.sequence,
        actor_id=fact.actor_id,
        subject_id=fact.subject_id,
        other_id=fact.other_id,
        record=_DECODERS[fact.record_type - 1].decode(fact.record) if fact.record_type else None,
    )
