"""What the user does: each command as calls, and their outcome in the model."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TypeVar

import trio
from google.protobuf.message import Message as AnyMessage

from realtime.terminal import syntax
from realtime.terminal.model import (
    Comments,
    Lines,
    Model,
    Notifications,
    Outgoing,
    Posts,
    RoomList,
    RoomState,
)
from realtime.terminal.syntax import Command, SyntaxProblem
from rpc.client import Client, Expired, QueueFull, Superseded, Ticket
from rpc.client.keys import new_key
from rpc.client.media import UploadError, upload
from rpc.errors import CallError
from rpc.proto import (
    chat_pb2,
    comments_pb2,
    follows_pb2,
    frames_pb2,
    likes_pb2,
    models_pb2,
    notifications_pb2,
    pages_pb2,
    posts_pb2,
    users_pb2,
)
from rpc.proto.stubs import (
    ChatClient,
    CommentsClient,
    NotificationsClient,
    PagesClient,
    PostsClient,
    UsersClient,
)

A = TypeVar("A", bound=AnyMessage)

HISTORY = 40  # messages a page
POSTS = 20
COMMENTS = 50
UPLOAD_SECONDS = 600.0
UPLOAD_PATIENCE = 30.0  # seconds without a byte that came


class Quit(Exception):
    """The user leaves."""


class Actions:
    """Runs what was entered. What changes something goes through the offline queue, in the
    lane of its room; what reads needs the line."""

    def __init__(self, client: Client, model: Model, nursery: trio.Nursery, media_url: str) -> None:
        self._client = client
        self._model = model
        self._nursery = nursery
        self._media_url = media_url
        self._chat = ChatClient(client)
        self._users = UsersClient(client)
        self._commands: dict[str, Callable[[str], Awaitable[None]]] = {
            "open": self._open,
            "rooms": self._rooms,
            "more": self._more,
            "reply": self._reply,
            "edit": self._edit,
            "delete": self._delete,
            "photo": self._photo,
            "group": self._group,
            "members": self._members,
            "leave": self._leave,
            "post": self._post,
            "home": self._home,
            "like": self._like,
            "unlike": self._unlike,
            "comment": self._comment,
            "comments": self._comments,
            "notifications": self._notifications,
            "follow": self._follow,
            "unfollow": self._unfollow,
            "help": self._help,
            "quit": self._quit,
        }

    async def run(self, line: str) -> None:
        """Does what a line says. Whatever fails becomes a notice; raises only `Quit`."""
        self._model.notice = ""
        try:
            entered = syntax.parse(line)
            if isinstance(entered, Command):
                await self._commands[entered.name](entered.rest)
            elif entered:
                await self._send(self._room(), entered)
        except SyntaxProblem as problem:
            self._model.notice = str(problem)
        except CallError as error:
            self._model.notice = error.message
        except UploadError as error:
            self._model.notice = f"the photograph was not taken: {error.message}"
        except (OSError, QueueFull) as error:
            self._model.notice = str(error)

    async def mark(self, room: RoomState, *, read: bool) -> None:
        """Tells the others that everything in the room has come, or was seen."""
        number = room.room.last_number
        if read:
            room.me.read_number = number
        room.me.delivered_number = number
        await self._client.enqueue(
            "Chat.MarkRead" if read else "Chat.MarkDelivered",
            chat_pb2.MarkRequest(room_id=room.room.id, number=number),
            models_pb2.Receipt,
            lane=f"marks:{room.room.id}",
            collapse_key="read" if read else "delivered",
        )

    async def load_history(self, room: RoomState) -> None:
        """The latest messages, and for a group its members."""
        answer = await self._chat.get_history(
            chat_pb2.GetHistoryRequest(room_id=room.room.id, before=0, limit=HISTORY)
        )
        self._model.know(answer.senders)
        self._model.take_history(room, list(answer.messages), more=answer.more, latest=True)
        if room.room.kind == models_pb2.ROOM_GROUP:
            members = await self._chat.list_members(
                chat_pb2.ListMembersRequest(room_id=room.room.id, limit=200)
            )
            for member in members.members:
                self._model.take_member(member)

    async def tell_activity(self, activity: frames_pb2.Activity) -> None:
        """Typing or not, in the open room; nobody minds when it is lost."""
        room = self._model.open_room
        if room is None or not self._client.connected:
            return
        request = chat_pb2.SetActivityRequest(room_id=room.room.id, activity=activity)
        try:
            await self._chat.set_activity(request, timeout=3.0)
        except CallError:
            return

    def look(self) -> None:
        """Tells the server what is on the screen."""
        model = self._model
        room = model.visible_room
        post = model.page.post.id if isinstance(model.page, Comments) else 0
        self._client.focus(open_room=room.room.id if room else 0, open_post=post)

    # Rooms.

    async def _open(self, rest: str) -> None:
        if rest.removeprefix("#").isdigit():
            rooms = self._model.ordered_rooms()
            number = int(rest.removeprefix("#"))
            if not 1 <= number <= len(rooms):
                raise SyntaxProblem(f"there is no room {number}: see /rooms")
            self._show_room(rooms[number - 1])
            return
        name = syntax.username(rest)
        for room in self._model.rooms.values():
            peer = self._model.peer(room)
            if peer is not None and peer.username.lower() == name.lower():
                self._show_room(room)
                return
        user = await self._find(name)
        self._enter(await self._chat.open_direct(chat_pb2.OpenDirectRequest(user_id=user.id)))

    async def _group(self, rest: str) -> None:
        title, names = syntax.group(rest)
        users = [await self._find(name) for name in names]
        self._enter(
            await self._chat.create_group(
                chat_pb2.CreateGroupRequest(title=title, user_ids=[user.id for user in users])
            )
        )

    def _enter(self, summary: models_pb2.RoomSummary) -> None:
        known = self._model.rooms.get(summary.room.id)
        self._show_room(known or self._model.take_room(summary))

    def _show_room(self, room: RoomState) -> None:
        self._model.current = room.room.id
        self._model.page = None
        self._model.scroll = 0
        self.look()

    async def _rooms(self, rest: str) -> None:
        self._show_page(RoomList())

    async def _more(self, rest: str) -> None:
        room = self._room()
        if not room.messages or not room.more:
            raise SyntaxProblem("there is nothing older")
        answer = await self._chat.get_history(
            chat_pb2.GetHistoryRequest(
                room_id=room.room.id, before=min(room.messages), limit=HISTORY
            )
        )
        self._model.know(answer.senders)
        self._model.take_history(room, list(answer.messages), more=answer.more, latest=False)
        self._model.scroll += len(answer.messages)

    async def _members(self, rest: str) -> None:
        room = self._room()
        lines = [
            (f"@{member.user.username}", models_pb2.Role.Name(member.role)[5:].lower())
            for member in room.members.values()
            if member.role != models_pb2.ROLE_NONE
        ]
        self._show_page(Lines(f"Members of {self._model.title(room)}", lines))

    async def _leave(self, rest: str) -> None:
        await self._chat.leave_room(chat_pb2.LeaveRoomRequest(room_id=self._room().room.id))

    def _room(self) -> RoomState:
        room = self._model.open_room
        if room is None:
            raise SyntaxProblem("open a room first: /open @username")
        return room

    # Messages.

    async def _send(
        self,
        room: RoomState,
        text: str,
        *,
        reply_to: int = 0,
        media: tuple[models_pb2.MediaObject, ...] = (),
    ) -> None:
        outgoing = Outgoing(
            client_id=new_key(),
            room_id=room.room.id,
            text=text,
            created_ms=int(time.time() * 1000),
            reply_to=reply_to,
            photos=len(media),
        )
        self._show_room(room)
        self._model.outgoing[outgoing.client_id] = outgoing
        ticket = await self._client.enqueue(
            "Chat.SendMessage",
            chat_pb2.SendMessageRequest(
                room_id=room.room.id,
                client_id=outgoing.client_id,
                text=text,
                media_ids=[one.id for one in media],
                reply_to=reply_to,
            ),
            models_pb2.Message,
            lane=f"room:{room.room.id}",
        )
        self._nursery.start_soon(self.watch_sending, outgoing, ticket)

    async def watch_sending(self, outgoing: Outgoing, ticket: Ticket[models_pb2.Message]) -> None:
        """Follows a message that is queued until the server has it."""
        try:
            self._model.take_message(await ticket.wait())
        except (CallError, Expired, Superseded) as error:
            outgoing.problem = error.message if isinstance(error, CallError) else str(error)

    async def _reply(self, rest: str) -> None:
        number, text = syntax.number_and_text(rest, needs_text=True)
        await self._send(self._room(), text, reply_to=self._message(number).id)

    async def _edit(self, rest: str) -> None:
        number, text = syntax.number_and_text(rest, needs_text=True)
        request = chat_pb2.EditMessageRequest(message_id=self._message(number).id, text=text)
        await self._change("Chat.EditMessage", request, models_pb2.Message)

    async def _delete(self, rest: str) -> None:
        number, _ = syntax.number_and_text(rest, needs_text=False)
        message = self._message(number)
        request = chat_pb2.DeleteMessageRequest(
            message_id=message.id, for_everyone=message.sender_id == self._model.me.id
        )
        await self._change("Chat.DeleteMessage", request, chat_pb2.DeleteMessageResponse)

    async def _photo(self, rest: str) -> None:
        room = self._room()
        path, text = syntax.photo(rest)
        await self.tell_activity(frames_pb2.ACTIVITY_SENDING_PHOTO)
        self._model.notice = f"uploading {path.name}…"
        media = await self._upload(path, models_pb2.PURPOSE_CHAT)
        self._model.notice = ""
        await self._send(room, text, media=(media,))

    async def _upload(self, path: Path, purpose: models_pb2.Purpose) -> models_pb2.MediaObject:
        with trio.move_on_after(UPLOAD_SECONDS):
            return await upload(
                self._client,
                path,
                purpose,
                media_url=self._media_url,
                patience=UPLOAD_PATIENCE,
            )
        raise UploadError(0, "it takes too long")

    def _message(self, number: int) -> models_pb2.Message:
        message = self._room().messages.get(number)
        if message is None:
            raise SyntaxProblem(f"message #{number} is not on the screen: see /more")
        return message

    async def _change(self, method: str, request: AnyMessage, answer: type[A]) -> None:
        """A change of the open room, behind the messages that wait."""
        ticket = await self._client.enqueue(
            method, request, answer, lane=f"room:{self._room().room.id}"
        )
        self._nursery.start_soon(self._watch, ticket)

    async def _watch(self, ticket: Ticket[AnyMessage], then: str = "") -> None:
        try:
            answer = await ticket.wait()
        except CallError as error:
            self._model.notice = error.message
        except (Expired, Superseded) as error:
            self._model.notice = str(error)
        else:
            if isinstance(answer, models_pb2.Message):
                self._model.take_message(answer)
            if then:
                self._model.notice = then

    # Posts.

    async def _post(self, rest: str) -> None:
        text, paths = syntax.post(rest)
        if paths:
            self._model.notice = "uploading…"
        media = [await self._upload(path, models_pb2.PURPOSE_POST) for path in paths]
        await PostsClient(self._client).create_post(
            posts_pb2.CreatePostRequest(text=text, media_ids=[one.id for one in media])
        )
        self._model.notice = "posted"

    async def _home(self, rest: str) -> None:
        page = await PagesClient(self._client).home(pages_pb2.HomeRequest(limit=POSTS))
        self._show_page(Posts("Home", list(page.posts)))

    def _shown_post(self, number: int) -> models_pb2.Post:
        page = self._model.page
        if isinstance(page, Comments) and number in (0, 1):
            return page.post
        if not isinstance(page, Posts):
            raise SyntaxProblem("see /home first")
        if not 1 <= number <= len(page.posts):
            raise SyntaxProblem(f"there is no post {number}")
        return page.posts[number - 1]

    async def _like(self, rest: str) -> None:
        await self._set_like(rest, liked=True)

    async def _unlike(self, rest: str) -> None:
        await self._set_like(rest, liked=False)

    async def _set_like(self, rest: str, *, liked: bool) -> None:
        number, _ = syntax.number_and_text(rest, needs_text=False)
        post = self._shown_post(number)
        request: AnyMessage = (
            likes_pb2.LikePostRequest(post_id=post.id)
            if liked
            else likes_pb2.UnlikePostRequest(post_id=post.id)
        )
        ticket = await self._client.enqueue(
            "Likes.LikePost" if liked else "Likes.UnlikePost",
            request,
            frames_pb2.Like,
            lane=f"like:{post.id}",
        )
        if post.liked_by_me != liked:
            post.likes += 1 if liked else -1
            post.liked_by_me = liked
        self._nursery.start_soon(self._watch, ticket)

    async def _comment(self, rest: str) -> None:
        number, text = syntax.number_and_text(rest, needs_text=True)
        post = self._shown_post(number)
        ticket = await self._client.enqueue(
            "Comments.AddComment",
            comments_pb2.AddCommentRequest(post_id=post.id, text=text),
            models_pb2.Comment,
            lane=f"comments:{post.id}",
        )
        self._nursery.start_soon(self._watch, ticket, "commented")

    async def _comments(self, rest: str) -> None:
        number, _ = syntax.number_and_text(rest, needs_text=False)
        self._show_page(await self.load_comments(self._shown_post(number)))

    async def load_comments(self, post: models_pb2.Post) -> Comments:
        answer = await CommentsClient(self._client).list_comments(
            comments_pb2.ListCommentsRequest(post_id=post.id, limit=COMMENTS)
        )
        return Comments(post, list(answer.comments))

    async def _notifications(self, rest: str) -> None:
        self._show_page(Notifications())
        newest = max((one.latest for one in self._model.notifications.values()), default=0)
        if newest and self._model.unseen:
            answer = await NotificationsClient(self._client).mark_seen(
                notifications_pb2.MarkSeenRequest(up_to=newest)
            )
            self._model.take_seen(answer.up_to)

    async def _follow(self, rest: str) -> None:
        user = await self._find(syntax.username(rest))
        ticket = await self._client.enqueue(
            "Follows.FollowUser",
            follows_pb2.FollowUserRequest(user_id=user.id),
            frames_pb2.Follow,
            lane=f"follow:{user.id}",
        )
        self._nursery.start_soon(self._watch, ticket, f"you follow @{user.username}")

    async def _unfollow(self, rest: str) -> None:
        user = await self._find(syntax.username(rest))
        ticket = await self._client.enqueue(
            "Follows.UnfollowUser",
            follows_pb2.UnfollowUserRequest(user_id=user.id),
            frames_pb2.Follow,
            lane=f"follow:{user.id}",
        )
        self._nursery.start_soon(self._watch, ticket, f"you follow @{user.username} no more")

    # The rest.

    async def _help(self, rest: str) -> None:
        self._show_page(Lines("Commands", list(syntax.HELP)))

    async def _quit(self, rest: str) -> None:
        raise Quit

    async def _find(self, name: str) -> models_pb2.User:
        profile = await self._users.get_profile(users_pb2.GetProfileRequest(username=name))
        self._model.know([profile.user])
        return profile.user

    def _show_page(self, page: Posts | Comments | Notifications | Lines | RoomList) -> None:
        self._model.page = page
        self._model.scroll = 0
        self.look()
