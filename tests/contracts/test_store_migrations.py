"""Migrations that carry rows over: what was there is there afterwards."""

from __future__ import annotations

import msgspec
import pytest

from store import migrations
from store.changes.base import Op
from store.changes.media import StoreMedia
from store.changes.messages import SendMessage
from store.changes.notifications import MarkSeen
from store.changes.posts import DeletePost
from store.interface import Store
from store.migrations import Migration
from store.queries import chat
from store.queries.media import media_by_id
from store.queries.notifications import unseen
from store.queries.upload_parts import add_part, standing
from store.records import NotificationKind, Purpose
from tests.contracts.places import NewDatabase, connected
from tests.contracts.statements import Put, run
from tests.store.social import ANN, BEN, CAT, Social, populated

LIKE, COMMENT, _, FOLLOW, _ = NotificationKind


async def migrate_before(store: Store, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Brings an empty store to where it was before the migration of this name."""
    load = migrations.load

    def earlier(words: dict[str, str]) -> list[Migration]:
        known = load(words)
        return known[: [one.name for one in known].index(name)]

    with monkeypatch.context() as patch:
        patch.setattr(migrations, "load", earlier)
        await store.migrate()


async def test_notifications_of_old_stay_each_by_itself(
    new_database: NewDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with new_database() as connect, connected(connect) as store:
        await migrate_before(store, "notification_groups", monkeypatch)
        world: Social = await populated(store)
        # Written by hand: the changes of today know tables that were not there then.
        post, *liked, comment = range(1001, 1005)
        for statement in (
            f"INSERT INTO posts (id, author_id, text, media, created_ms, edited_ms, deleted, "
            f"changed) VALUES ({post}, {ANN}, 'sea', '', 5, 0, 0, {post})",
            f"INSERT INTO likes (post_id, user_id, changed) VALUES ({post}, {BEN}, {liked[0]})",
            f"INSERT INTO likes (post_id, user_id, changed) VALUES ({post}, {CAT}, {liked[1]})",
            f"INSERT INTO comments (id, post_id, author_id, text, reply_to, created_ms, edited_ms, "
            f"deleted, changed) VALUES ({comment}, {post}, {BEN}, 'ah', 0, 6, 0, 0, {comment})",
            f"UPDATE log_head SET position = {comment}",
        ):
            await store.write(run, statement)
        # As the notifications of these were then: told one by one.
        for number, (actor, kind, about) in enumerate(
            ((BEN, LIKE, 0), (CAT, LIKE, 0), (BEN, COMMENT, comment)), liked[0]
        ):
            await store.write(
                run,
                "INSERT INTO notifications (id, user_id, kind, actor_id, post_id, comment_id, "
                "created_ms, changed) VALUES (?, ?, ?, ?, ?, ?, 7, ?)",
                *(number, ANN, int(kind), actor, post, about, number),
            )
        await store.write(
            run,
            "INSERT INTO notifications_seen (user_id, up_to_id, changed) VALUES (?, ?, 1)",
            *(ANN, liked[0]),
        )
        await store.write(
            run,
            "INSERT INTO consumers (name, position, fence, updated_ms) VALUES (?, ?, 0, 0)",
            *("notifications", await world.head()),
        )
        await store.migrate()
        told = [(one.kind, one.actors[0].id, one.actor_count) for one in await world.told(ANN)]
        assert told == [(COMMENT, BEN, 1), (LIKE, CAT, 1), (LIKE, BEN, 1)]
        assert [one.seen for one in await world.told(ANN)] == [False, False, True]
        # What is undone leaves its own; what is new joins none of them; all can be seen.
        await world.like(BEN, post, False)
        await world.follow(BEN, ANN)
        await world.like(BEN, post)
        await world.project()
        assert [(one.kind, one.actors[0].id) for one in await world.told(ANN)] == [
            (LIKE, BEN),
            (FOLLOW, BEN),
            (COMMENT, BEN),
            (LIKE, CAT),
        ]
        await world.do(MarkSeen(user_id=ANN, up_to=1 << 60))
        assert await store.read(unseen, ANN) == 0
        await world.do(DeletePost(user_id=ANN, post_id=post))
        await world.project()
        assert [one.kind for one in await world.told(ANN)] == [FOLLOW]
        assert await world.rows("SELECT held FROM notification_receivers") == [(1,)]


async def test_messages_and_op_keys_outlive_the_change_of_their_keys(
    new_database: NewDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with new_database() as connect, connected(connect) as store:
        await migrate_before(store, "keys_by_time", monkeypatch)
        world: Social = await populated(store)
        room = await world.group(ANN, BEN)
        key = b"k" * 16
        # Written by hand: what the changes of today read was not there then.
        for number, deleted in enumerate((0, 1, 0), 1):
            await store.write(
                run,
                "INSERT INTO messages (id, room_id, number, sender_id, client_id, text, media, "
                "reply_to, created_ms, edited_ms, deleted, changed) "
                "VALUES (?, ?, ?, ?, ?, 'sea', '', 0, 5, 0, ?, ?)",
                *(5000 + number, room, number, ANN, bytes([number]) * 16, deleted, 5000 + number),
            )
        await store.write(run, "UPDATE rooms SET last_number = 3 WHERE id = ?", room)
        await store.write(run, "UPDATE log_head SET position = 6000")
        result = msgspec.msgpack.encode(77)
        await store.write(
            run,
            "INSERT INTO ops (scope, op_key, digest, result, at_ms) VALUES ('u:1', ?, ?, ?, 9)",
            *(key, b"d" * 16, result),
        )
        await store.migrate()
        page, more = await store.read(chat.history, room, BEN, before=0, after=0, limit=9)
        assert [(one.id, one.text, one.deleted) for one in page] == [
            (5001, "sea", False),
            (5002, "sea", True),
            (5003, "sea", False),
        ]
        assert not more
        (summary,) = await store.read(chat.summaries, BEN, [room])
        assert summary.unread == 2
        again = Put(op=Op(scope="u:1", key=key, digest=b"d" * 16), name=1)
        assert (await store.commit([again], 0)).outcomes == [77]
        repeated = SendMessage(sender_id=ANN, room_id=room, client_id=bytes([3]) * 16, text="sky")
        assert (await store.commit([repeated], 0)).outcomes[0].id == 5003
        assert await world.rows("SELECT COUNT(*) FROM ops") == [(1,)]


async def test_answers_are_counted_as_far_as_the_counters_have_come(
    new_database: NewDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with new_database() as connect, connected(connect) as store:
        await migrate_before(store, "reply_counts", monkeypatch)
        world: Social = await populated(store)
        post = (await world.post(ANN)).id
        one = (await world.comment(ANN, post)).id
        early, gone, late = [(await world.comment(BEN, post, reply_to=one)).id for _ in range(3)]
        reached = await world.head()
        await world.comment(CAT, post, reply_to=early)
        # Deleted before the counters came there, and after; they count the second one later.
        for comment, at in ((gone, reached), (late, reached + 1)):
            await world.run(
                "UPDATE comments SET deleted = 1, changed = ? WHERE id = ?", at, comment
            )
        await store.write(
            run,
            "INSERT INTO offsets (consumer, generation, role, position, fence, paused_ms, "
            "updated_ms) VALUES (?, 3, 0, ?, 0, 0, 0)",
            *("counters", reached),
        )
        await store.migrate()
        counts = "SELECT generation, comment_id, replies FROM comment_counts ORDER BY comment_id"
        assert await world.rows(counts) == [(3, one, 2)]
        await world.project()
        assert await world.rows(counts) == [(3, one, 2), (3, early, 1)]


async def test_media_and_uploads_of_old_go_on(
    new_database: NewDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    stored, pending = "a" * 32, "b" * 32
    async with new_database() as connect, connected(connect) as store:
        await migrate_before(store, "upload_partials", monkeypatch)
        world: Social = await populated(store)
        # Written by hand: the changes of today know a column that was not there then.
        for media_id, state, changed in ((stored, 1, 700), (pending, 0, 0)):
            await store.write(
                run,
                "INSERT INTO media (id, owner_id, purpose, state, blob_hash, size, mime, width, "
                "height, color, name, created_ms, changed) "
                "VALUES (?, ?, ?, ?, ?, 20, 'image/png', 4, 3, '#010203', 'sea', 5, ?)",
                *(media_id, ANN, int(Purpose.POST), state, b"h" * 32 if state else b"", changed),
            )
        await store.write(
            run,
            "INSERT INTO upload_parts (media_id, start, size, digest) VALUES (?, 0, 12, ?)",
            *(pending, b"p" * 32),
        )
        await store.write(run, "UPDATE log_head SET position = 1000")
        await store.migrate()

        found = await store.read(media_by_id, [stored, pending])
        assert [(one.mime, one.thumbhash) for one in found.values()] == [("image/png", b"")] * 2
        assert await store.read(standing, pending) == (12, "")
        await store.write(add_part, pending, "", 12, 8, b"q" * 32)
        assert await store.read(standing, pending) == (20, "")
        stored_now = await world.do(
            StoreMedia(
                media_id=pending,
                blob_hash=b"w" * 32,
                size=20,
                mime="image/png",
                width=4,
                height=3,
                color="#010203",
                thumbhash=b"looks like",
            )
        )
        assert stored_now.thumbhash == b"looks like"
        assert await world.rows("SELECT COUNT(*) FROM upload_parts") == [(0,)]
