"""Loads the present state of what entries speak of, for the live fan-out and for resume."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Sequence

from store.log import Entry, Kind
from store.queries import chat
from store.queries.blocks import load_blocks
from store.queries.comments import load_comments
from store.queries.follows import load_follows
from store.queries.likes import load_likes
from store.queries.media import media_by_position
from store.queries.notifications import (
    load_notifications,
    load_removed,
    load_seen,
    load_settings,
)
from store.queries.posts import load_posts
from store.queries.sessions import load_sessions
from store.queries.users import load_profiles
from store.records import HiddenRecord
from store.transaction import Transaction

Loader = Callable[[Transaction, Sequence[Entry]], Awaitable[None]]
"""Sets `record` of each entry; leaves None where the row is gone."""


async def hydrate(tx: Transaction, entries: Iterable[Entry]) -> None:
    """Sets the record of every entry that has none. State may be newer than the entry: an
    update carries the whole row with its `changed`, so a client keeps the newest."""
    todo: dict[Loader, list[Entry]] = {}
    for entry in entries:
        loader = LOADERS.get(entry.kind)
        if entry.record is None and loader is not None:
            todo.setdefault(loader, []).append(entry)
    for loader, group in todo.items():
        await loader(tx, group)


async def _messages(tx: Transaction, entries: Sequence[Entry]) -> None:
    found = await chat.messages_by_id(tx, (entry.subject_id for entry in entries))
    for entry in entries:
        entry.record = found.get(entry.subject_id)


async def _rooms(tx: Transaction, entries: Sequence[Entry]) -> None:
    found = await chat.rooms_by_id(tx, (entry.stream.id for entry in entries))
    for entry in entries:
        entry.record = found.get(entry.stream.id)


async def _members(tx: Transaction, entries: Sequence[Entry]) -> None:
    pairs = [(entry.stream.id, entry.subject_id) for entry in entries]
    found = await chat.members_by_pair(tx, pairs)
    for entry, pair in zip(entries, pairs, strict=True):
        entry.record = found.get(pair)


async def _receipts(tx: Transaction, entries: Sequence[Entry]) -> None:
    pairs = [(entry.stream.id, entry.subject_id) for entry in entries]
    found = await chat.receipts_by_pair(tx, pairs)
    for entry, pair in zip(entries, pairs, strict=True):
        entry.record = found.get(pair)


async def _hidden(tx: Transaction, entries: Sequence[Entry]) -> None:
    for entry in entries:
        entry.record = HiddenRecord(room_id=entry.other_id, message_id=entry.subject_id)


async def _media(tx: Transaction, entries: Sequence[Entry]) -> None:
    found = await media_by_position(tx, (entry.position for entry in entries))
    for entry in entries:
        entry.record = found.get(entry.position)


LOADERS: dict[Kind, Loader] = {
    Kind.ROOM_CREATED: _rooms,
    Kind.ROOM_CHANGED: _rooms,
    Kind.MEMBER_JOINED: _members,
    Kind.MEMBER_CHANGED: _members,
    Kind.MEMBER_LEFT: _members,
    Kind.MESSAGE_SENT: _messages,
    Kind.MESSAGE_EDITED: _messages,
    Kind.MESSAGE_DELETED: _messages,
    Kind.MESSAGE_HIDDEN: _hidden,
    Kind.RECEIPT: _receipts,
    Kind.USER_CREATED: load_profiles,
    Kind.PROFILE_CHANGED: load_profiles,
    Kind.SESSION_CREATED: load_sessions,
    Kind.SESSION_REVOKED: load_sessions,
    Kind.POST_CREATED: load_posts,
    Kind.POST_EDITED: load_posts,
    Kind.POST_DELETED: load_posts,
    Kind.POST_LIKED: load_likes,
    Kind.POST_UNLIKED: load_likes,
    Kind.COMMENT_ADDED: load_comments,
    Kind.COMMENT_EDITED: load_comments,
    Kind.COMMENT_DELETED: load_comments,
    Kind.FOLLOWED: load_follows,
    Kind.UNFOLLOWED: load_follows,
    Kind.BLOCKED: load_blocks,
    Kind.UNBLOCKED: load_blocks,
    Kind.NOTIFIED: load_notifications,
    Kind.UNNOTIFIED: load_removed,
    Kind.NOTIFICATIONS_SEEN: load_seen,
    Kind.NOTIFICATION_SETTINGS: load_settings,
    Kind.MEDIA_STORED: _media,
    Kind.MEDIA_PREPARED: _media,
    Kind.MESSAGE_PREPARED: _messages,
    Kind.POST_PREPARED: load_posts,
}
