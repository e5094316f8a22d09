"""A device of a person: a client of the server under test, and what it knows by folding."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol

from realtime.testing import TestClient
from rpc.client.updates import StreamKey, Tracker, Verdict
from rpc.errors import CallError, Code
from rpc.proto import frames_pb2
from rpc.proto.frames_pb2 import ServerFrame, Update
from tests.realtime.mirror import own
from tests.realtime.mirror.fetched import Fetched, State, fetch, fetch_room
from tests.realtime.mirror.own import Own
from tests.realtime.mirror.rooms import Rooms, plain_member


class Mirror:
    """Pure. Frames are judged by the client's own tracker: a gap is the server's fault."""

    def __init__(self, session_id: int) -> None:
        self.own = Own(session_id)
        self.rooms = Rooms()
        self.tracker = Tracker()
        self._sequences: dict[StreamKey, int] = {}
        self._hidden: set[int] = set()  # posts that could not be read when it was loaded

    def load(self, got: Fetched, posts: Iterable[int]) -> None:
        """What the device loads when it starts afresh; `posts` are all that ever were."""
        self._hidden = set(posts) - got.posts.keys()
        mine = self.own
        mine.profile = got.profile
        me = mine.me.id
        mine.sessions = {one.id: one for one in got.sessions}
        mine.posts = {post_id: one for post_id, one in got.posts.items() if one.author.id == me}
        mine.liked = {post_id: one.liked_by_me for post_id, one in got.posts.items()}
        mine.comments = {one.id: one for one in got.comments if one.author.id == me}
        mine.following = set(got.following)
        mine.blocked = set(got.blocked)
        mine.notifications = {one.id: one for one in got.notifications}
        mine.settings = got.settings
        mine.media = dict(got.media)
        self.rooms.load(room for room in got.rooms if room.room.id in got.history)
        for room_id, room in self.rooms.known.items():
            room.take_page(got.history[room_id], got.members[room_id])
            self.tracker.loaded(room_id, room.base)

    def open_posts(self, got: Fetched) -> None:
        """Posts that a block has hidden until now are opened, and tell of themselves."""
        for post_id in self._hidden & got.posts.keys():
            self.own.liked[post_id] = got.posts[post_id].liked_by_me
        for one in got.comments:
            if one.post_id in self._hidden and one.author.id == self.own.me.id:
                self.own.comments[one.id] = one
        self._hidden -= got.posts.keys()

    def fold(self, frame: ServerFrame) -> None:
        kind = frame.WhichOneof("frame")
        if kind == "update":
            if self._is_new(self.tracker.update(frame.update)):
                self._take(frame.update)
        elif kind == "skip":
            self._is_new(self.tracker.skip(frame.skip))
        elif kind == "room_joined":
            joined = frame.room_joined
            base = joined.summary.base_sequence
            if self._is_new(
                self.tracker.room_joined(joined.summary.room.id, base, joined.position)
            ):
                self.rooms.joined(joined.summary)
        elif kind == "room_gone":
            gone = frame.room_gone
            if self._is_new(self.tracker.room_gone(gone.room_id, gone.position)):
                self.rooms.gone(gone.room_id, gone.position, self.own.me.id)
        elif kind == "lagging":
            self.tracker.lagging()
        elif kind == "caught_up":
            self._is_new(self.tracker.caught_up())
        else:
            assert kind in ("checkpoint", "signal", "go_away"), frame

    def _is_new(self, verdict: Verdict) -> bool:
        assert verdict is not Verdict.GAP, f"a gap: {self.tracker.gap}"
        return verdict is Verdict.NEW

    def _take(self, update: Update) -> None:
        me = self.own.me.id
        assert self.rooms.take(update, me) or self.own.take(update), f"what to do with {update}?"

    def state(self, living_posts: set[int]) -> State:
        """Of deleted posts nobody but their author is told, and of those that a block hides
        nobody: what is known of others is asked for among `living_posts` alone."""
        mine, me = self.own, self.own.me
        moved = self.tracker.take_changed()
        self._sequences.update((key, mark.sequence) for key, mark in moved.items())
        rooms = self.rooms.known
        told = {
            one.id: own.plain_notification(one, me, one.seen or one.latest <= mine.seen_up_to)
            for one in mine.notifications.values()
        }
        return {
            "profile": {me.id: own.plain_profile(mine.profile)},
            "sessions": {
                one.id: own.plain_session(one, mine.session_id) for one in mine.sessions.values()
            },
            "rooms": {
                room_id: room.summary(
                    me,
                    self._sequences.get(StreamKey(frames_pb2.STREAM_ROOM, room_id), room.base),
                )
                for room_id, room in rooms.items()
            },
            "messages": {
                (room_id, number): message
                for room_id, room in rooms.items()
                for number, message in room.messages.items()
            },
            "members": {
                (room_id, user_id): plain_member(member, me)
                for room_id, room in rooms.items()
                for user_id, member in room.members.items()
            },
            "posts": {one.id: own.plain_post(one, me) for one in mine.posts.values()},
            "likes": {post_id: mine.liked.get(post_id, False) for post_id in living_posts},
            "comments": {
                one.id: own.plain_comment(one, me)
                for one in mine.comments.values()
                if one.post_id in living_posts
            },
            "following": dict.fromkeys(mine.following, True),
            "blocked": dict.fromkeys(mine.blocked, True),
            "notifications": told,
            "unseen": {0: sum(not one.seen for one in told.values())},
            "settings": {0: mine.settings},
            "media": dict(mine.media),
        }


class Library(Protocol):
    """What a device needs to know of in order to load it."""

    posts: list[int]

    def media_of(self, user_id: int) -> list[str]: ...


class Device:
    def __init__(self, library: Library, client: TestClient) -> None:
        self._library = library
        self.client = client
        self.mirror = Mirror(client.session_id)

    @property
    def user_id(self) -> int:
        return self.client.user_id

    @property
    def online(self) -> bool:
        return self.client.closed is None

    async def fetch(self) -> Fetched:
        return await fetch(
            self.client, list(self._library.posts), self._library.media_of(self.user_id)
        )

    async def load(self) -> None:
        """Forgets everything and begins anew. The cursor was adopted before this."""
        self.mirror = Mirror(self.client.session_id)
        self.mirror.load(await self.fetch(), self._library.posts)

    async def start_afresh(self) -> None:
        await self.drop()
        self.client.frames.clear()
        await self.client.connect()
        await self.load()

    async def drop(self) -> None:
        """Loses the connection, wherever it stands. What had come until then is kept."""
        if self.online:
            await self.client.stream.cut()
            await self.client.expect_closed()
        self.take()

    async def resume(self) -> None:
        """Connects again with the cursor of the last checkpoint."""
        self.mirror.tracker.new_connection()
        await self.client.connect(resume=True)

    def take(self) -> None:
        """Folds what has come."""
        frames, self.client.frames = self.client.frames, []
        for frame in frames:
            self.mirror.fold(frame)

    async def catch_up(self) -> None:
        """Folds what has come, and loads what that asks for."""
        self.take()
        for room_id, room in list(self.mirror.rooms.known.items()):
            if room.unloaded:
                try:
                    room.take_page(*await fetch_room(self.client, room_id))
                except CallError as error:  # gone again; the news of it is on its way
                    if error.code != Code.NOT_FOUND:
                        raise
