"""Chat: rooms, messages, pointers, activity, presence."""

from __future__ import annotations

from rpc.context import CallContext, Presences, Signals
from rpc.errors import CallError, Code
from rpc.pages import decode_page, encode_page, page_limit
from rpc.proto import chat_pb2, frames_pb2, models_pb2
from rpc.proto.stubs import ChatService
from rpc.views import Views
from store import rules
from store.changes.messages import DeleteMessage, EditMessage, HideMessage, MovePointer, SendMessage
from store.changes.rooms import AddMembers, CreateGroup, OpenDirect, RemoveMember, UpdateRoom
from store.queries import chat, presence
from store.queries.users import users_by_id
from store.records import MemberRecord, MessageRecord, RoomSummaryRecord, UserRecord
from store.transaction import Transaction

ACTIVITY_TTL_MS = 6000


class Chat(ChatService):
    """Every read is of rooms of which the caller is a member, within his stays there."""

    def __init__(self, views: Views, signals: Signals, presences: Presences) -> None:
        self._views = views
        self._signals = signals
        self._presences = presences

    async def open_direct(
        self, ctx: CallContext, request: chat_pb2.OpenDirectRequest
    ) -> models_pb2.RoomSummary:
        room_id = await ctx.commit(
            OpenDirect(op=ctx.op, user_id=ctx.user_id, peer_id=request.user_id)
        )
        return await self._summary(ctx, room_id)

    async def create_group(
        self, ctx: CallContext, request: chat_pb2.CreateGroupRequest
    ) -> models_pb2.RoomSummary:
        title = request.title.strip()
        if not title:
            raise CallError(
                Code.INVALID_ARGUMENT, "a group needs a title", details={"field": "title"}
            )
        room_id = await ctx.commit(
            CreateGroup(
                op=ctx.op,
                user_id=ctx.user_id,
                title=title,
                user_ids=tuple(request.user_ids),
                avatar_id=request.avatar_media_id,
            )
        )
        return await self._summary(ctx, room_id)

    async def list_rooms(
        self, ctx: CallContext, request: chat_pb2.ListRoomsRequest
    ) -> chat_pb2.ListRoomsResponse:
        (before,) = decode_page(request.after)
        rooms, more = await ctx.read(
            chat.list_rooms, ctx.user_id, before, page_limit(request.limit)
        )
        return chat_pb2.ListRoomsResponse(
            rooms=[self._views.summary(room) for room in rooms],
            next=encode_page(more) if more else b"",
        )

    async def get_room(
        self, ctx: CallContext, request: chat_pb2.GetRoomRequest
    ) -> models_pb2.RoomSummary:
        return await self._summary(ctx, request.room_id)

    async def list_members(
        self, ctx: CallContext, request: chat_pb2.ListMembersRequest
    ) -> chat_pb2.ListMembersResponse:
        limit = page_limit(request.limit)
        members = await ctx.read(
            _members, request.room_id, ctx.user_id, request.after_user_id, limit + 1
        )
        return chat_pb2.ListMembersResponse(
            members=[self._views.member(one) for one in members[:limit]],
            more=len(members) > limit,
        )

    async def send_message(
        self, ctx: CallContext, request: chat_pb2.SendMessageRequest
    ) -> models_pb2.Message:
        if not request.text.strip() and not request.media_ids:
            raise CallError(
                Code.INVALID_ARGUMENT, "a message needs text or media", details={"field": "text"}
            )
        message = await ctx.commit(
            SendMessage(
                op=ctx.op,
                sender_id=ctx.user_id,
                room_id=request.room_id,
                client_id=request.client_id,
                text=request.text,
                media_ids=tuple(request.media_ids),
                reply_to=request.reply_to,
            )
        )
        return self._views.message(message)

    async def edit_message(
        self, ctx: CallContext, request: chat_pb2.EditMessageRequest
    ) -> models_pb2.Message:
        message = await ctx.commit(
            EditMessage(
                op=ctx.op,
                user_id=ctx.user_id,
                message_id=request.message_id,
                text=request.text,
            )
        )
        return self._views.message(message)

    async def delete_message(
        self, ctx: CallContext, request: chat_pb2.DeleteMessageRequest
    ) -> chat_pb2.DeleteMessageResponse:
        me, message_id = ctx.user_id, request.message_id
        if request.for_everyone:
            await ctx.commit(DeleteMessage(op=ctx.op, user_id=me, message_id=message_id))
        else:
            await ctx.commit(HideMessage(op=ctx.op, user_id=me, message_id=message_id))
        return chat_pb2.DeleteMessageResponse()

    async def get_history(
        self, ctx: CallContext, request: chat_pb2.GetHistoryRequest
    ) -> chat_pb2.GetHistoryResponse:
        forward = request.WhichOneof("anchor") == "after"
        messages, more, senders = await ctx.read(
            _history,
            request.room_id,
            ctx.user_id,
            None if forward else request.before,
            request.after,
            page_limit(request.limit),
        )
        return chat_pb2.GetHistoryResponse(
            messages=[self._views.message(one) for one in messages],
            more=more,
            senders=[self._views.user(one) for one in senders],
        )

    async def mark_delivered(
        self, ctx: CallContext, request: chat_pb2.MarkRequest
    ) -> models_pb2.Receipt:
        return await self._move(ctx, request, seen=False)

    async def mark_read(
        self, ctx: CallContext, request: chat_pb2.MarkRequest
    ) -> models_pb2.Receipt:
        return await self._move(ctx, request, seen=True)

    async def _move(
        self, ctx: CallContext, request: chat_pb2.MarkRequest, *, seen: bool
    ) -> models_pb2.Receipt:
        receipt = await ctx.commit(
            MovePointer(
                op=ctx.op,
                user_id=ctx.user_id,
                room_id=request.room_id,
                number=request.number,
                seen=seen,
            )
        )
        return self._views.receipt(receipt)

    def set_activity(
        self, ctx: CallContext, request: chat_pb2.SetActivityRequest
    ) -> chat_pb2.SetActivityResponse:
        if not self._presences.is_member_online(request.room_id, ctx.user_id):
            raise CallError(Code.NOT_FOUND, "no such room")
        self._signals.to_room(
            request.room_id,
            frames_pb2.Signal(
                typing=frames_pb2.Typing(
                    room_id=request.room_id,
                    user_id=ctx.user_id,
                    activity=request.activity,
                    ttl_ms=ACTIVITY_TTL_MS,
                )
            ),
            except_user=ctx.user_id,
        )
        return chat_pb2.SetActivityResponse()

    async def add_members(
        self, ctx: CallContext, request: chat_pb2.AddMembersRequest
    ) -> models_pb2.RoomSummary:
        await ctx.commit(
            AddMembers(
                op=ctx.op,
                user_id=ctx.user_id,
                room_id=request.room_id,
                user_ids=tuple(request.user_ids),
            )
        )
        return await self._summary(ctx, request.room_id)

    async def remove_member(
        self, ctx: CallContext, request: chat_pb2.RemoveMemberRequest
    ) -> chat_pb2.RemoveMemberResponse:
        await ctx.commit(
            RemoveMember(
                op=ctx.op,
                user_id=ctx.user_id,
                room_id=request.room_id,
                target_id=request.user_id,
            )
        )
        return chat_pb2.RemoveMemberResponse()

    async def leave_room(
        self, ctx: CallContext, request: chat_pb2.LeaveRoomRequest
    ) -> chat_pb2.LeaveRoomResponse:
        await ctx.commit(
            RemoveMember(
                op=ctx.op, user_id=ctx.user_id, room_id=request.room_id, target_id=ctx.user_id
            )
        )
        return chat_pb2.LeaveRoomResponse()

    async def update_room(
        self, ctx: CallContext, request: chat_pb2.UpdateRoomRequest
    ) -> models_pb2.Room:
        await ctx.commit(
            UpdateRoom(
                op=ctx.op,
                user_id=ctx.user_id,
                room_id=request.room_id,
                title=request.title if request.HasField("title") else None,
                about=request.about if request.HasField("about") else None,
                avatar_id=request.avatar_media_id if request.HasField("avatar_media_id") else None,
            )
        )
        return (await self._summary(ctx, request.room_id)).room

    async def get_presence(
        self, ctx: CallContext, request: chat_pb2.GetPresenceRequest
    ) -> chat_pb2.GetPresenceResponse:
        known = await ctx.read(presence.last_seen_of_peers, ctx.user_id, tuple(request.user_ids))
        return chat_pb2.GetPresenceResponse(
            presences=[
                frames_pb2.Presence(
                    user_id=user_id,
                    online=self._presences.is_online(user_id),
                    last_seen_ms=at_ms,
                )
                for user_id, at_ms in known.items()
            ]
        )

    async def _summary(self, ctx: CallContext, room_id: int) -> models_pb2.RoomSummary:
        found: list[RoomSummaryRecord] = await ctx.read(chat.summaries, ctx.user_id, [room_id])
        if not found:
            raise CallError(Code.NOT_FOUND, "no such room", committed=ctx.committed)
        return self._views.summary(found[0])


async def _members(
    tx: Transaction, room_id: int, user_id: int, after_user_id: int, limit: int
) -> list[MemberRecord]:
    if refusal := rules.read_room(await chat.role(tx, room_id, user_id)):
        raise refusal
    return await chat.list_members(tx, room_id, after_user_id, limit)


async def _history(
    tx: Transaction, room_id: int, user_id: int, before: int | None, after: int, limit: int
) -> tuple[list[MessageRecord], bool, list[UserRecord]]:
    if refusal := rules.read_room(await chat.role(tx, room_id, user_id)):
        raise refusal
    messages, more = await chat.history(
        tx, room_id, user_id, before=before, after=after, limit=limit
    )
    senders = await users_by_id(tx, (message.sender_id for message in messages))
    return messages, more, list(senders.values())
