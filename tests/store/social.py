"""A small network for the tests of posts and the graph: users, photographs, projections that
are run by hand."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from typing import Any, TypeVar

from store.changes.base import Change
from store.changes.blocks import SetBlock
from store.changes.comments import AddComment
from store.changes.follows import SetFollow
from store.changes.likes import SetLike
from store.changes.media import ReserveMedia, StoreMedia
from store.changes.messages import SendMessage
from store.changes.posts import CreatePost
from store.changes.rooms import CreateGroup
from store.errors import DomainError
from store.interface import Store
from store.log import Batch, Entry, read_entries, read_head
from store.projections.base import CountsHint, HomeHint
from store.projections.consuming import Consume, Consumed, carry_on, consume
from store.projections.counters import CountersProjection
from store.projections.home import HomeProjection
from store.projections.notifications import NotificationsProjection
from store.queries.media import media_by_id
from store.queries.notifications import notifications_page
from store.queries.timelines import State, begin
from store.records import (
    BlockRecord,
    CommentRecord,
    FileKind,
    FollowRecord,
    LikeRecord,
    MediaFile,
    MediaRecord,
    MessageRecord,
    MotionRecord,
    MotionState,
    NotificationRecord,
    PostRecord,
    Purpose,
)
from store.retention import raise_floor, remove_below
from store.sqlite import SqliteStore
from store.transaction import Dialect, Row, Statement, Transaction, Value
from tests.closing import until_the_end
from tests.contracts.backends import OpenStore

R = TypeVar("R")

ANN, BEN, CAT, DAN = USERS = (1, 2, 3, 4)
NOBODY = 99
START_MS = 1_700_000_000_000


class Social:
    """A store with its users. Each commit is one second after the one before."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.now_ms = START_MS
        self.hints: list[HomeHint | CountsHint] = []
        self.notifications = NotificationsProjection()
        self.invisible = (HomeProjection(), CountersProjection())
        self._media = self._sent = 0

    async def commit(self, *changes: Change[Any]) -> Batch:
        self.now_ms += 1000
        return await self.store.commit(changes, self.now_ms)

    async def do(self, change: Change[R]) -> R:
        """The change's result; raises its refusal."""
        outcome = (await self.commit(change)).outcomes[0]
        if isinstance(outcome, DomainError):
            raise outcome
        result: R = outcome
        return result

    async def post(self, author: int = ANN, text: str = "sea", *media: str) -> PostRecord:
        return await self.do(CreatePost(author_id=author, text=text, media_ids=media))

    async def like(self, user: int, post_id: int, liked: bool = True) -> LikeRecord:
        return await self.do(SetLike(user_id=user, post_id=post_id, liked=liked))

    async def comment(
        self, user: int, post_id: int, text: str = "ah", reply_to: int = 0
    ) -> CommentRecord:
        return await self.do(
            AddComment(user_id=user, post_id=post_id, text=text, reply_to=reply_to)
        )

    async def follow(self, user: int, whom: int, following: bool = True) -> FollowRecord:
        return await self.do(SetFollow(follower_id=user, followee_id=whom, following=following))

    async def block(self, user: int, whom: int, blocked: bool = True) -> BlockRecord:
        return await self.do(SetBlock(blocker_id=user, blocked_id=whom, blocked=blocked))

    async def group(self, owner: int, *members: int) -> int:
        return await self.do(CreateGroup(user_id=owner, title="boats", user_ids=members))

    async def send(
        self, user: int, room_id: int, text: str = "ahoy", *media: str, reply_to: int = 0
    ) -> MessageRecord:
        self._sent += 1
        return await self.do(
            SendMessage(
                sender_id=user,
                room_id=room_id,
                client_id=self._sent.to_bytes(16, "big"),
                text=text,
                media_ids=media,
                reply_to=reply_to,
            )
        )

    async def photograph(
        self, owner: int = ANN, purpose: Purpose = Purpose.POST, *, stored: bool = True
    ) -> str:
        """The id of a media object; not stored: its bytes are awaited."""
        self._media += 1
        media_id = f"{self._media:032x}"
        await self.do(ReserveMedia(owner_id=owner, media_id=media_id, purpose=purpose, size=9))
        if stored:
            await self.do(
                StoreMedia(
                    media_id=media_id,
                    blob_hash=hashlib.sha256(media_id.encode()).digest(),
                    size=9,
                    mime="image/jpeg",
                    width=4,
                    height=3,
                    color="#336699",
                )
            )
        return media_id

    async def media(self, media_id: str) -> MediaRecord:
        return (await self.store.read(media_by_id, [media_id]))[media_id]

    async def film(
        self, owner: int = ANN, purpose: Purpose = Purpose.POST, data: bytes = b""
    ) -> str:
        """The id of a video of which adaptive streams are to be made; of these bytes, or of some
        of its own."""
        media_id = await self.photograph(owner, purpose, stored=False)
        await self.do(
            StoreMedia(
                media_id=media_id,
                blob_hash=hashlib.sha256(data or media_id.encode()).digest(),
                size=9,
                mime="video/mp4",
                width=160,
                height=120,
                color="#336699",
                motion=MotionRecord(
                    duration_ms=1000,
                    video_codec="h264",
                    poster=hashlib.sha256(b"poster").digest(),
                    state=MotionState.PREPARING,
                ),
                files=(
                    MediaFile(
                        digest=hashlib.sha256(b"poster").digest(), kind=FileKind.POSTER, size=6
                    ),
                ),
            )
        )
        return media_id

    async def entries(self, after: int = 0) -> list[Entry]:
        """The log past a position."""
        return await self.store.read(read_entries, after, 1 << 62, 100_000)

    async def head(self) -> int:
        return (await self.store.read(read_head)).position

    async def step(self, name: str, limit: int = 500) -> Consumed:
        """One step of a projection."""
        done: Consumed
        if name == self.notifications.name:
            done = await self.do(Consume(projection=self.notifications, limit=limit))
        else:
            (projection,) = (one for one in self.invisible if one.name == name)
            done = await self.store.write(consume, projection, limit, self.now_ms)
        self.hints += done.hints
        return done

    async def carry_on(self) -> Consumed:
        """Goes on with what steps of `home` have left."""
        done = await self.store.write(carry_on, self.invisible[0])
        self.hints += done.hints
        return done

    async def project(self, limit: int = 500) -> None:
        """Runs every projection until it has caught up, and has left nothing."""
        for name in ("home", "counters", "notifications"):
            while (done := await self.step(name, limit)).read or done.left:
                if done.left:
                    await self.carry_on()

    async def keep_timelines(self, users: Iterable[int] = USERS) -> None:
        """Users whose timelines are kept from now on, as those of new ones are."""
        seen = dict.fromkeys(users, self.now_ms)
        await self.store.write(begin, 0, State.KEPT, seen)

    async def rows(self, sql: str, *params: Value) -> list[Row]:
        return await self.store.read(_rows, sql, params)

    async def run(self, sql: str, *params: Value) -> None:
        await self.store.write(_run, sql, params)

    async def told(self, user: int) -> list[NotificationRecord]:
        """A user's notifications, the latest first."""
        page, more = await self.store.read(notifications_page, user, 0, 1000)
        assert not more
        return page


async def _rows(tx: Transaction, sql: str, params: Sequence[Value]) -> list[Row]:
    return await tx.rows(sql, params)


async def _run(tx: Transaction, sql: str, params: Sequence[Value]) -> None:
    await tx.run(sql, params)


async def forget_log(world: Social) -> int:
    """Removes what no consumer needs any more; returns up to where."""
    raised = await world.store.write(raise_floor, await world.head(), 0)
    await world.store.write(remove_below, 1_000_000)
    return raised.floor


async def _add_users(tx: Transaction, ids: Iterable[int]) -> None:
    await tx.run_many(
        "INSERT INTO users (id, username, username_key, name, about, avatar_id, password, "
        "created_ms, changed) VALUES (?, ?, ?, ?, '', '', '', 0, 0)",
        [(user, f"user{user}", f"user{user}", f"User {user}") for user in ids],
    )


@asynccontextmanager
async def social(open_store: OpenStore, users: Iterable[int] = USERS) -> AsyncIterator[Social]:
    """A network of these users over a store of its own, of the backend under test."""
    async with open_store() as store:
        yield await _with_timelines(store, list(users))


async def open_social(users: Iterable[int] = USERS) -> Social:
    """The same over a store in memory, for tests of what stands upon the store."""
    store = until_the_end(SqliteStore.in_memory())
    await store.migrate()
    return await _with_timelines(store, list(users))


async def _with_timelines(store: Store, users: Sequence[int]) -> Social:
    world = await populated(store, users)
    await world.keep_timelines(users)
    return world


async def populated(store: Store, users: Iterable[int] = USERS) -> Social:
    """A network of these users over a store that has none."""
    ids = list(users)
    if ids:
        # Ids of rows are positions, and so are the users': the log begins behind them.
        await store.write(_add_users, ids)
        await store.write(_run, "UPDATE log_head SET position = 1000", ())
    return Social(store)


class CountingTransaction:
    """Counts the statements of a query."""

    def __init__(self, tx: Transaction) -> None:
        self._tx = tx
        self.statements = 0

    @property
    def dialect(self) -> Dialect:
        return self._tx.dialect

    async def rows(self, sql: str, params: Sequence[Value] = ()) -> list[Row]:
        self.statements += 1
        return await self._tx.rows(sql, params)

    async def rows_many(self, queries: Sequence[Statement]) -> list[list[Row]]:
        return [await self.rows(*query) for query in queries]

    async def run(self, sql: str, params: Sequence[Value] = ()) -> int:
        self.statements += 1
        return await self._tx.run(sql, params)

    async def run_many(self, sql: str, rows: Iterable[Sequence[Value]]) -> None:
        self.statements += 1
        await self._tx.run_many(sql, rows)


async def statements(tx: Transaction, query: Any, *args: Any) -> int:
    """How many statements a query takes."""
    counting = CountingTransaction(tx)
    await query(counting, *args)
    return counting.statements
