"""Changes, errors and entries are the same at the other end, and nothing else is made there."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec
import pytest
from msgspec import Raw

from media.urls import Signer
from realtime.link.encoding import (
    NIL,
    RECORDS,
    RemoteFault,
    UnknownChange,
    decode_change,
    decode_entry,
    decode_error,
    decode_result,
    encode_change,
    encode_entry,
    encode_error,
    name_of,
)
from realtime.push.render import Renderer
from rpc.views import Views
from store import errors
from store.changes.accounts import SignUp
from store.changes.base import Change, Op, SingleChange
from store.changes.media import ReserveMedia
from store.changes.messages import SendMessage
from store.changes.rooms import UpdateRoom
from store.changes.sessions import NewSession, RevokeSessions
from store.errors import Conflict, DomainError, StoreError, TooMany, Unavailable
from store.log import Entry, Kind, Stream
from store.projections.consuming import Consume
from store.records import MessageRecord, Purpose, SeenRecord

OP = Op(scope="u1", key=b"\x00" * 16, digest=b"\xff" * 16)
SESSION = NewSession(nonce=b"n", key=b"k", device="d", client="c")
CHANGES: list[Change[Any]] = [
    SendMessage(
        op=OP, sender_id=1, room_id=1 << 60, client_id=b"c" * 16, text="ö", media_ids=("a", "b")
    ),
    UpdateRoom(op=None, user_id=1, room_id=2, title=None, about="about"),
    SignUp(op=OP, address="a@b", username="ann", name="Ann", session=SESSION),
    ReserveMedia(owner_id=1, media_id="m", purpose=Purpose.POST, size=1),
]


def below(kind: type[Any]) -> Iterator[type[Any]]:
    for one in kind.__subclasses__():
        yield one
        yield from below(one)


@pytest.mark.parametrize("change", CHANGES, ids=lambda change: type(change).__name__)
def test_a_change_arrives_as_it_was(change: Change[Any]) -> None:
    assert decode_change(*encode_change(change)) == change


def test_every_change_of_the_store_can_be_handed_over() -> None:
    """Its fields and its result are plain."""
    known = [kind for kind in below(Change) if kind.__module__.startswith("store.changes.")]
    assert len(known) >= 25
    for kind in known:
        if kind.__subclasses__():
            continue  # a base
        msgspec.msgpack.Decoder(kind)
        msgspec.msgpack.Decoder(kind.RESULT)
        assert kind.RESULT is not None, kind


def test_nothing_is_made_but_a_change_that_is_known() -> None:
    name, data = encode_change(CHANGES[0])
    for wrong in ("", "os.system", "store.records.MessageRecord", name + "s", name.lower()):
        with pytest.raises(UnknownChange):
            decode_change(wrong, data)
    some: list[Any] = [{}, {"sender_id": "1"}, [], None, {"sender_id": 1, "room_id": 1}]
    for fields in some:
        with pytest.raises(UnknownChange):
            decode_change(name, Raw(msgspec.msgpack.encode(fields)))
    with pytest.raises(UnknownChange):
        decode_change(name_of(Consume), Raw(msgspec.msgpack.encode({"limit": 1})))


class Odd(SingleChange[int], frozen=True, kw_only=True):
    """Of a service of one's own, with a field that stays here."""

    RESULT = int

    thing: Any


def test_a_change_that_cannot_be_handed_over_fails_before_it_is() -> None:
    with pytest.raises(TypeError):
        encode_change(Odd(thing=object()))
    assert decode_change(*encode_change(Odd(thing=[1, "two"]))) == Odd(thing=[1, "two"])


def test_a_result_is_read_as_its_change_says() -> None:
    revoke = RevokeSessions(user_id=1, session_id=2)
    assert decode_result(revoke, Raw(msgspec.msgpack.encode((1, 2)))) == (1, 2)
    with pytest.raises(msgspec.ValidationError):
        decode_result(revoke, Raw(msgspec.msgpack.encode("all")))


def test_every_error_of_the_store_arrives_as_itself() -> None:
    for kind in {*below(DomainError), *below(StoreError)}:
        if kind.__module__ != errors.__name__:
            continue
        if kind is TooMany:
            error: Any = TooMany("slowly", 1500, field="code")
        elif issubclass(kind, DomainError):
            error = kind("no", field="name")
        else:
            error = kind("away")
        found: Any = decode_error(encode_error(error))
        assert type(found) is kind
        assert str(found) == str(error)
        for name in ("message", "details", "retry_after_ms"):
            assert getattr(found, name, None) == getattr(error, name, None)


class Taken(Conflict):
    """A service's own."""


def test_an_error_of_ones_own_arrives_as_the_nearest() -> None:
    found = decode_error(encode_error(Taken("taken", by="bob")))
    assert type(found) is Conflict
    assert found.details == {"by": "bob"}
    bug = decode_error(encode_error(ZeroDivisionError("division by zero")))
    assert type(bug) is RemoteFault
    assert "division by zero" in str(bug)
    assert not isinstance(bug, DomainError | StoreError)
    assert type(decode_error(encode_error(Unavailable("x")))) is Unavailable


MESSAGE = MessageRecord(
    id=7,
    room_id=3,
    number=4,
    sender_id=1,
    client_id=b"c",
    text="hello",
    media=(),
    reply_to=0,
    created_ms=5,
    edited_ms=0,
    deleted=False,
    changed=7,
)


@pytest.mark.parametrize("record", [MESSAGE, SeenRecord(up_to=1, changed=2), None])
def test_an_entry_arrives_with_its_record(record: Any) -> None:
    entry = Entry(
        position=7,
        at_ms=5,
        kind=Kind.MESSAGE_SENT,
        stream=Stream.room(3),
        sequence=9,
        actor_id=1,
        subject_id=7,
        other_id=2,
        record=record,
    )
    assert decode_entry(encode_entry(entry)) == entry


def test_a_record_of_another_kind_is_left_to_be_read() -> None:
    entry = Entry(
        position=1,
        at_ms=0,
        kind=Kind.POST_LIKED,
        stream=Stream.user(1),
        sequence=1,
        actor_id=1,
        subject_id=1,
        record={"odd": 1},
    )
    fact = encode_entry(entry)
    assert (fact.record_type, fact.record) == (0, NIL)
    assert decode_entry(fact).record is None


def test_records_are_those_that_are_shown() -> None:
    renderer = Renderer(Views(Signer([b"k" * 32], "http://127.0.0.1")))
    assert set(RECORDS) == set(renderer._fields)
