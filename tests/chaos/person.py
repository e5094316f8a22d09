"""Somebody who writes, posts, likes, comments, follows and uploads, and never gives up."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import TypeVar

import trio
from google.protobuf.message import Message

from rpc.client import Client, ClientOptions, SqliteState, Ticket, dial_urls, open_client
from rpc.client.media import upload
from rpc.client.state import Queued
from rpc.proto import (
    chat_pb2,
    comments_pb2,
    follows_pb2,
    frames_pb2,
    likes_pb2,
    notifications_pb2,
    posts_pb2,
)
from rpc.proto import models_pb2 as models
from rpc.registry import SERVICES, methods
from tests.chaos.kept import Box, keep, kept
from tests.media import samples

A = TypeVar("A", bound=Message)

KEPT_ONE_OF = 3  # comments; the others are never taken back, and may be answered
LATEST = 1 << 62  # of notifications: all there are
PENDING = 12  # calls of a person that wait for their answers at once
PATIENCE = 60.0  # seconds for whatever must come about once the server is back


@dataclass
class Deed:
    """Something done, as far as the one who did it knows."""

    kind: str  # "message", "post", "comment"
    key: str  # unique: the text
    about: int = 0  # the post of a comment
    media: str = ""
    reply_to: int = 0  # of a comment
    deleted: bool = False
    call: Queued | None = None
    sure: bool = False  # it was queued: it will be done, sooner or later
    id: int = 0  # as it was acknowledged with


@dataclass(frozen=True)
class Photograph:
    """An upload that was acknowledged."""

    media_id: str
    data: bytes


class Person:
    """A user with one device. Its client's state and queue are in a file: `drop` ends the
    client in the middle, as a crash would, and another begins from the file."""

    def __init__(self, name: str, user_id: int, token: str, folder: Path, random: Random) -> None:
        self.name = name
        self.user_id = user_id
        self.client: Client
        self.box = Box()
        self.deeds: list[Deed] = []
        self.photographs: list[Photograph] = []
        self.likes: dict[int, bool] = {}  # by post: what was wished last
        self.follows: dict[int, bool] = {}  # by user
        self.touched: set[int] = set()  # posts liked, unliked or commented since the last check
        self.lives = 0
        self.room = 0
        self.others: list[Person] = []
        self.random = random
        self._token = token
        self._file = folder / f"{name}.db"
        self._life = trio.CancelScope()
        self._moved = trio.lowlevel.ParkingLot()
        self._writing = False
        self._busy = 0  # tasks of the present life that are not done

    # Lives.

    async def run(
        self, urls: Sequence[str], task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED
    ) -> None:
        """One life after another, until cancelled, at whichever of the nodes answers."""
        while True:
            with trio.CancelScope() as self._life:
                await self._live(urls, task_status if not self.lives else trio.TASK_STATUS_IGNORED)

    async def _live(self, urls: Sequence[str], task_status: trio.TaskStatus[None]) -> None:
        options = ClientOptions(
            device=self.name,
            call_timeout=PATIENCE,
            connect_timeout=1.5,
            backoff_first=0.02,
            backoff_most=0.1,
            stable_after=0.05,
            random=self.random,
        )
        self._busy = 0
        dial = dial_urls(urls, within=0.5, random=self.random)
        with closing(SqliteState(self._file, keep)) as state:
            self.box = kept(str(self._file))
            async with (
                open_client(dial, token=self._token, state=state, options=options) as self.client,
                trio.open_nursery() as self._tasks,
            ):
                self.lives += 1
                self._tasks.start_soon(self._read)
                if self._writing:
                    self._start_writing()
                task_status.started()
                await trio.sleep_forever()

    def drop(self) -> None:
        """The client ends, whatever it was about to do."""
        self._life.cancel()

    async def _read(self) -> None:
        async for event in self.client.events:
            self.box.take(event)
            self._moved.unpark_all()

    async def wait_until(self, condition: Callable[[], bool], what: str) -> None:
        with trio.move_on_after(PATIENCE):
            while not condition():
                await self._moved.park()
        assert condition(), f"{self.name}: {what}"

    async def repeat(self, deed: Deed) -> int:
        """Makes the very call of something acknowledged again; returns the id in the answer."""
        assert deed.call is not None
        method = methods(SERVICES)[deed.call.method]
        request = method.request.FromString(deed.call.payload)
        op_key = deed.call.op_key
        answer = await self.client.call(method.name, request, method.answer, op_key=op_key)
        assert isinstance(answer, models.Message | models.Post | models.Comment)
        return answer.id

    # Deeds.

    def write(self) -> None:
        """Begins to do one thing after another."""
        self._writing = True
        self._start_writing()

    async def finish(self) -> None:
        """Begins nothing more, and returns when all that was begun is done."""
        self._writing = False
        await self.wait_until(
            lambda: not self._busy and not self.client.queue.pending(), "the queue is not empty"
        )

    def _start_writing(self) -> None:
        self._start(self._write)
        if self.random.random() < 0.5:
            self._start(self._photograph)

    def _start(self, task: Callable[..., object], *args: object) -> None:
        async def run() -> None:
            try:
                await task(*args)  # type: ignore[misc]
            finally:
                self._busy -= 1
                self._moved.unpark_all()

        self._busy += 1
        self._tasks.start_soon(run)

    async def _write(self) -> None:
        while self._writing:
            await self._moved_until_few_wait()
            choice = self.random.random()
            posts = [deed for one in self.others for deed in one.deeds[-20:] if deed.kind == "post"]
            known = [deed for deed in posts if deed.id]
            if choice < 0.5 or not known:
                await self._say()
            elif choice < 0.6:
                await self._post()
            elif choice < 0.72:
                await self._comment(self.random.choice(known).id)
            elif choice < 0.76:
                await self._take_back()
            elif choice < 0.88:
                await self._like(self.random.choice(known).id)
            elif choice < 0.92:
                await self._follow(self.random.choice(self.others).user_id)
            elif choice < 0.97:
                await self._mark()
            else:
                await self._look()

    async def _moved_until_few_wait(self) -> None:
        await trio.lowlevel.checkpoint()
        while len(self.client.queue.pending()) >= PENDING:
            await self._moved.park()

    def _deed(self, kind: str, about: int = 0, media: str = "", reply_to: int = 0) -> Deed:
        deed = Deed(kind, f"{self.name} {kind} {len(self.deeds)}", about, media, reply_to)
        self.deeds.append(deed)
        return deed

    async def _do(self, deed: Deed, method: str, request: Message, answer: type[A]) -> None:
        lane = f"room:{self.room}" if deed.kind == "message" else f"{deed.kind}s"
        ticket = await self.client.enqueue(method, request, answer, lane=lane)
        deed.sure, deed.call = True, ticket.queued
        self._start(self._acknowledge, deed, ticket)

    async def _acknowledge(self, deed: Deed, ticket: Ticket[Message]) -> None:
        answer = await ticket.wait()
        assert isinstance(answer, models.Message | models.Post | models.Comment)
        assert answer.text == deed.key
        deed.id = answer.id

    async def _say(self) -> None:
        deed = self._deed("message")
        key = self.random.randbytes(16)
        request = chat_pb2.SendMessageRequest(room_id=self.room, client_id=key, text=deed.key)
        await self._do(deed, "Chat.SendMessage", request, models.Message)

    async def _post(self, media: str = "") -> None:
        deed = self._deed("post", media=media)
        request = posts_pb2.CreatePostRequest(text=deed.key, media_ids=[media] if media else [])
        await self._do(deed, "Posts.CreatePost", request, models.Post)

    async def _comment(self, post_id: int) -> None:
        """Now and then in answer to another, of those that nobody takes back."""
        self.touched.add(post_id)
        answerable = [
            deed.id
            for one in self.others
            for deed in one.deeds[-50:]
            if deed.kind == "comment" and deed.about == post_id and deed.id % KEPT_ONE_OF
        ]
        reply_to = self.random.choice([0, *answerable])
        deed = self._deed("comment", about=post_id, reply_to=reply_to)
        request = comments_pb2.AddCommentRequest(post_id=post_id, text=deed.key, reply_to=reply_to)
        await self._do(deed, "Comments.AddComment", request, models.Comment)

    async def _take_back(self) -> None:
        """A comment of one's own."""
        mine = [
            deed
            for deed in self.deeds[-50:]
            if deed.kind == "comment" and deed.id and not deed.id % KEPT_ONE_OF
        ]
        gone = next((deed for deed in mine if not deed.deleted), None)
        if gone is None:
            return
        self.touched.add(gone.about)
        request = comments_pb2.DeleteCommentRequest(comment_id=gone.id)
        await self._wish(
            "Comments.DeleteComment", request, comments_pb2.DeleteCommentResponse, "comments"
        )
        gone.deleted = True

    async def _mark(self) -> None:
        """Says that one has seen what there is in the room."""
        number = len(self.box.rows(frames_pb2.STREAM_ROOM, self.room, "message"))
        if number:
            request = chat_pb2.MarkRequest(room_id=self.room, number=number)
            await self._wish("Chat.MarkRead", request, models.Receipt, "marks")

    async def _look(self) -> None:
        """At one's notifications."""
        told = self.box.rows(frames_pb2.STREAM_USER, self.user_id, "notification")
        if told:
            request = notifications_pb2.MarkSeenRequest(up_to=LATEST)
            await self._wish(
                "Notifications.MarkSeen", request, frames_pb2.NotificationsSeen, "looks"
            )

    async def _wish(self, method: str, request: Message, answer: type[Message], lane: str) -> None:
        ticket = await self.client.enqueue(method, request, answer, lane=lane)
        self._start(ticket.wait)

    async def _like(self, post_id: int) -> None:
        # Where queueing is cut off nobody knows which wish is the last: so the wish is only
        # changed when it is queued.
        self.touched.add(post_id)
        liked = not self.likes.get(post_id, False)
        method, request = (
            ("Likes.LikePost", likes_pb2.LikePostRequest(post_id=post_id))
            if liked
            else ("Likes.UnlikePost", likes_pb2.UnlikePostRequest(post_id=post_id))
        )
        await self._wish(method, request, frames_pb2.Like, f"like:{post_id}")
        self.likes[post_id] = liked

    async def _follow(self, user_id: int) -> None:
        following = not self.follows.get(user_id, False)
        method, request = (
            ("Follows.FollowUser", follows_pb2.FollowUserRequest(user_id=user_id))
            if following
            else ("Follows.UnfollowUser", follows_pb2.UnfollowUserRequest(user_id=user_id))
        )
        await self._wish(method, request, frames_pb2.Follow, f"follow:{user_id}")
        self.follows[user_id] = following

    async def _photograph(self) -> None:
        """Uploads, however often the server dies meanwhile, and posts what came of it."""
        data = samples.jpeg(160, 120, comment=self.random.randbytes(2000).hex().encode())
        media = await upload(self.client, data, models.PURPOSE_POST, patience=PATIENCE)
        self.photographs.append(Photograph(media.id, data))
        await self._post(media.id)
