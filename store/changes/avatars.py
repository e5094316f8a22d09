"""The picture of a user or a group."""

from __future__ import annotations

from store import rules
from store.errors import NotFound
from store.queries.media import media_by_id
from store.records import Purpose
from store.transaction import Transaction


async def check_avatar(tx: Transaction, user_id: int, media_id: str) -> None:
    """Raises the refusal when the user may not take this media object for an avatar. The
    empty id, no avatar, is always allowed."""
    if not media_id:
        return
    media = (await media_by_id(tx, [media_id])).get(media_id)
    if media is None:
        raise NotFound("no such media")
    refusal = rules.attach_media(
        mine=media.owner_id == user_id,
        stored=media.stored,
        purpose=media.purpose,
        wanted=Purpose.AVATAR,
    )
    if refusal is not None:
        raise refusal
