"""Accounts: usernames, what entries say, and that they say what the tables do."""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager
from typing import Any

import pytest
import trio
from hypothesis import given, settings
from hypothesis import strategies as st

from store import rules, tokens
from store.changes.accounts import SignUp, UpdateProfile
from store.changes.base import Change, Op
from store.changes.sessions import (
    Grant,
    NewSession,
    RevokeSessions,
    RotateToken,
    SetPassword,
    SignInWithCode,
    SignInWithPassword,
)
from store.errors import Conflict, DomainError, Invalid, NotFound, Unauthenticated
from store.log import Kind, Stream
from store.queries import codes, sessions
from store.queries.hydrate import hydrate
from store.queries.secrets import load_or_create_secret
from store.queries.users import profile
from store.records import SessionRecord
from tests.contracts.backends import OpenStore
from tests.store.social import NOBODY, Social, social

KEY, NONCE = b"secret-key" * 3, b"nonce" * 6
ADDRESS = "ann@example.org"


@pytest.fixture
def world(empty_world: AbstractAsyncContextManager[Social]) -> AbstractAsyncContextManager[Social]:
    return empty_world


def new_session(key: bytes = KEY) -> NewSession:
    return NewSession(nonce=NONCE, key=key, device="Pixel 9", client="tests/1")


def sign_up(username: str = "ann", address: str = "", op: Op | None = None) -> SignUp:
    return SignUp(
        op=op,
        address=address or f"{username}@example.org",
        username=username,
        name=username.title(),
        session=new_session(username.encode()),
    )


def op(number: int) -> Op:
    return Op(scope="d:01", key=number.to_bytes(16, "big"), digest=b"d" * 16)


async def test_signing_up_is_two_entries_in_the_user_s_own_stream(world: Social) -> None:
    batch = await world.commit(sign_up())
    created, session = batch.entries
    grant: Grant = batch.outcomes[0]
    stream = Stream.user(grant.user_id)
    assert (created.kind, created.stream, created.sequence) == (Kind.USER_CREATED, stream, 1)
    assert (session.kind, session.stream, session.sequence) == (Kind.SESSION_CREATED, stream, 2)
    assert created.position == created.subject_id == created.actor_id == grant.user_id
    assert session.position == session.subject_id == grant.session_id
    assert session.actor_id == grant.user_id
    assert grant.expires_ms == world.now_ms + 90 * 24 * 3600 * 1000


async def test_entries_carry_what_the_tables_say(world: Social) -> None:
    ann = await world.do(sign_up())
    ben = await world.do(sign_up("ben"))
    await world.do(UpdateProfile(user_id=ann.user_id, about="sea", username="Anna"))
    await world.run("UPDATE users SET password = 'hash' WHERE id = ?", ann.user_id)
    other = await world.do(
        SignInWithPassword(user_id=ann.user_id, verified="hash", session=new_session(b"2"))
    )
    await world.do(RevokeSessions(user_id=ann.user_id, session_id=ann.session_id))
    await world.follow(ben.user_id, ann.user_id)
    entries = [entry for entry in await world.entries() if entry.kind is not Kind.FOLLOWED]
    await world.store.read(hydrate, entries)
    kinds = [entry.kind for entry in entries]
    assert kinds == [
        Kind.USER_CREATED,
        Kind.SESSION_CREATED,
        Kind.USER_CREATED,
        Kind.SESSION_CREATED,
        Kind.PROFILE_CHANGED,
        Kind.SESSION_CREATED,
        Kind.SESSION_REVOKED,
    ]
    for entry in entries:
        owner = entry.stream.id
        if entry.kind in (Kind.USER_CREATED, Kind.PROFILE_CHANGED):
            assert entry.record == await world.store.read(profile, owner, owner)
        else:
            found = await world.store.read(sessions.sessions_by_id, [entry.subject_id])
            assert entry.record == found[entry.subject_id]
            assert isinstance(entry.record, SessionRecord)
            assert entry.record.user_id == owner
    revoked = entries[-1]
    assert revoked.subject_id == other.session_id
    assert revoked.record.revoked_ms > 0
    assert entries[4].record.about == "sea"
    assert entries[4].record.user.username == "Anna"


async def test_a_session_s_record_at_hand_is_the_one_in_the_table(world: Social) -> None:
    batch = await world.commit(sign_up())
    session_id = batch.outcomes[0].session_id
    found = await world.store.read(sessions.sessions_by_id, [session_id])
    assert batch.entries[1].record == found[session_id]


async def test_a_repeat_gets_the_first_grant_and_leaves_nothing(world: Social) -> None:
    first = await world.do(sign_up(op=op(1)))
    head = await world.head()
    batch = await world.commit(sign_up(op=op(1)), sign_up(op=op(1)))
    assert (batch.outcomes, batch.replayed) == ([first, first], [True, True])
    assert await world.head() == head
    assert await world.rows("SELECT COUNT(*) FROM users") == [(1,)]


async def test_one_batch_gives_a_name_and_an_address_once(world: Social) -> None:
    batch = await world.commit(
        sign_up("ann", "a@example.org"),
        sign_up("ANN", "b@example.org"),
        sign_up("ben", "a@example.org"),
        sign_up("cat", "c@example.org"),
    )
    assert [type(one) for one in batch.outcomes] == [Grant, Conflict, Conflict, Grant]
    assert batch.outcomes[1].details == {"field": "username", "reason": "taken"}
    assert batch.outcomes[2].details == {"field": "address"}
    assert len(batch.entries) == 4


async def test_a_refused_sign_up_leaves_nothing(world: Social) -> None:
    for change in (sign_up("admin"), sign_up("a"), sign_up("\u017fam")):
        with pytest.raises(Invalid):
            await world.do(change)
    assert await world.head() == 0
    for table in ("users", "addresses", "sessions", "ops"):
        assert await world.rows(f"SELECT COUNT(*) FROM {table}") == [(0,)]


async def test_two_users_swap_nothing_in_one_batch(world: Social) -> None:
    ann, ben = [await world.do(sign_up(name)) for name in ("ann", "ben")]
    batch = await world.commit(
        UpdateProfile(user_id=ann.user_id, username="free"),
        UpdateProfile(user_id=ben.user_id, username="FREE"),
        UpdateProfile(user_id=ben.user_id, username="ann"),
    )
    assert batch.outcomes[0] == ann.user_id
    assert isinstance(batch.outcomes[1], Conflict)
    assert batch.outcomes[2] == ben.user_id
    rows = await world.rows("SELECT username, username_key FROM users ORDER BY id")
    assert rows == [("free", "free"), ("ann", "ann")]
    with pytest.raises(NotFound):
        await world.do(UpdateProfile(user_id=NOBODY, name="x"))


@settings(max_examples=20)
@given(
    st.lists(
        st.tuples(
            st.booleans(), st.sampled_from(["ann", "Ann", "ANN", "ben", "bEn", "admin", "x", "a.b"])
        ),
        max_size=12,
    )
)
def test_names_belong_to_one_user_whatever_comes(
    open_store: OpenStore, steps: list[tuple[bool, str]]
) -> None:
    """Against a model: sign-ups and renamings, in any order."""

    async def main() -> None:
        async with social(open_store, ()) as world:
            owners: dict[str, int] = {}  # key -> user
            users: list[int] = []
            for number, (renames, name) in enumerate(steps):
                key = name.lower()
                user = users[number % len(users)] if renames and users else 0
                allowed = not rules.username_problem(name) and owners.get(key, user) == user
                allowed = allowed and (bool(user) or key not in owners)
                try:
                    if user:
                        await world.do(UpdateProfile(user_id=user, username=name))
                        owners = {k: u for k, u in owners.items() if u != user} | {key: user}
                    else:
                        grant = await world.do(sign_up(name, f"{number}@example.org"))
                        users.append(grant.user_id)
                        owners[key] = grant.user_id
                except DomainError:
                    assert not allowed
                else:
                    assert allowed
            found = await world.rows("SELECT username_key, id FROM users")
            assert dict(found) == owners

    trio.run(main)


async def test_a_code_and_its_session_are_one(world: Social) -> None:
    await world.do(sign_up())
    await world.store.write(codes.issue, ADDRESS, b"h" * 32, world.now_ms)
    change = SignInWithCode(
        op=op(2), address=ADDRESS, code_hash=b"h" * 32, session=new_session(b"2")
    )
    same = SignInWithCode(op=op(3), address=ADDRESS, code_hash=b"h" * 32, session=new_session(b"3"))
    batch = await world.commit(change, same, change)
    assert batch.replayed == [False, False, True]
    assert isinstance(batch.outcomes[1], Unauthenticated)
    assert batch.outcomes[0] == batch.outcomes[2]
    assert [entry.kind for entry in batch.entries] == [Kind.SESSION_CREATED]


async def test_a_code_of_a_new_address_is_used_and_leaves_no_entry(world: Social) -> None:
    await world.store.write(codes.issue, ADDRESS, b"h" * 32, world.now_ms)
    change = SignInWithCode(address=ADDRESS, code_hash=b"h" * 32, session=new_session())
    outcome = await world.do(change)
    assert (outcome.grant, outcome.ticket_expires_ms) == (None, world.now_ms + 30 * 60 * 1000)
    assert await world.head() == 0
    with pytest.raises(Unauthenticated):
        await world.do(change)


async def test_a_password_is_the_one_that_was_verified(world: Social) -> None:
    ann = await world.do(sign_up())
    user, session = ann.user_id, ann.session_id
    # Nobody signs in with the password that is not there.
    for user_id, verified in ((user, ""), (user, "old"), (NOBODY, ""), (NOBODY, "old")):
        with pytest.raises(Unauthenticated):
            await world.do(
                SignInWithPassword(user_id=user_id, verified=verified, session=new_session())
            )
    await world.do(SetPassword(user_id=user, session_id=session, verified="", password="old"))
    with pytest.raises(Conflict):
        await world.do(SetPassword(user_id=user, session_id=session, verified="", password="new"))
    sign_in = SignInWithPassword(
        user_id=user, verified="old", renewed="renewed", session=new_session(b"2")
    )
    stale = SignInWithPassword(user_id=user, verified="old", session=new_session(b"3"))
    batch = await world.commit(sign_in, stale)
    assert isinstance(batch.outcomes[0], Grant)
    assert isinstance(batch.outcomes[1], Unauthenticated)
    assert await world.rows("SELECT password FROM users") == [("renewed",)]


async def test_a_session_acts_for_its_user_alone(world: Social) -> None:
    ann, ben = [await world.do(sign_up(name)) for name in ("ann", "ben")]
    changes: tuple[Change[Any], ...] = (
        RevokeSessions(user_id=ann.user_id, session_id=ben.session_id),
        SetPassword(user_id=ann.user_id, session_id=ben.session_id, verified="", password="x"),
        RotateToken(user_id=ann.user_id, session_id=ben.session_id, nonce=NONCE, key=KEY),
    )
    for change in changes:
        with pytest.raises(Unauthenticated):
            await world.do(change)
    with pytest.raises(NotFound):
        await world.do(
            RevokeSessions(user_id=ann.user_id, session_id=ann.session_id, target_id=ben.session_id)
        )


async def test_a_session_ends_at_its_last_millisecond(world: Social) -> None:
    grant = await world.do(sign_up())
    digest = tokens.digest(tokens.mint(grant.session_id, b"ann"))
    last = grant.expires_ms - 1
    assert (await world.store.read(sessions.authenticate, digest, last)) is not None
    assert (await world.store.read(sessions.authenticate, digest, last + 1)) is None
    assert len(await world.store.read(sessions.list_sessions, grant.user_id, last)) == 1
    assert await world.store.read(sessions.list_sessions, grant.user_id, last + 1) == []
    world.now_ms = last  # the commit is a second later
    with pytest.raises(Unauthenticated):
        await world.do(RevokeSessions(user_id=grant.user_id, session_id=grant.session_id))


async def test_a_token_superseded_meanwhile_ends_no_other(world: Social) -> None:
    grant = await world.do(sign_up())
    old = tokens.digest(tokens.mint(grant.session_id, b"ann"))
    await world.do(
        RotateToken(user_id=grant.user_id, session_id=grant.session_id, nonce=NONCE, key=KEY)
    )
    await world.store.write(sessions.end_old_tokens, old)
    assert await world.store.read(sessions.authenticate, old, world.now_ms) is not None
    admitted = await world.store.read(sessions.admission, old, world.now_ms)
    assert admitted is not None
    assert not admitted[1]


async def test_revoking_ends_a_session_s_old_tokens_too(world: Social) -> None:
    grant = await world.do(sign_up())
    old = tokens.digest(tokens.mint(grant.session_id, b"ann"))
    await world.do(
        RotateToken(user_id=grant.user_id, session_id=grant.session_id, nonce=NONCE, key=KEY)
    )
    await world.do(
        RevokeSessions(
            user_id=grant.user_id, session_id=grant.session_id, target_id=grant.session_id
        )
    )
    assert await world.store.read(sessions.authenticate, old, world.now_ms) is None
    assert await world.rows("SELECT * FROM old_tokens") == []


def test_changes_never_show_their_secrets() -> None:
    for change in (
        sign_up("ann"),
        SignInWithCode(address=ADDRESS, code_hash=KEY, session=new_session()),
        SignInWithPassword(user_id=1, verified="secret-key", session=new_session()),
        RotateToken(user_id=1, session_id=1, nonce=NONCE, key=KEY),
        SetPassword(user_id=1, session_id=1, verified="secret-key", password="secret-key"),
    ):
        assert repr(change) == str(change) == f"{type(change).__name__}(…)"
    assert "secret" not in repr(new_session())


async def test_a_secret_is_made_once(world: Social) -> None:
    first = await world.store.write(load_or_create_secret, "accounts", 32)
    assert len(first) == 32
    assert await world.store.write(load_or_create_secret, "accounts", 32) == first
    assert await world.store.write(load_or_create_secret, "media", 64) != first
