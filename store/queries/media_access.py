"""Who may see which media objects."""

from __future__ import annotations

from collections.abc import Iterable

from store import rules
from store.queries.chat import VISIBLE
from store.queries.media import media_by_id
from store.records import MediaRecord
from store.transaction import Transaction


async def viewable_media(
    tx: Transaction, viewer_id: int, ids: Iterable[str]
) -> dict[str, MediaRecord]:
    """The objects among `ids` that the viewer may see now; 0 is somebody unknown.

    Those of others count only when their bytes are there. A private one is seen by its owner,
    and by who may read a message that carries it: a present member of the room, for a message
    sent within his stays, neither deleted nor hidden by him.
    """
    found = await media_by_id(tx, ids)
    private = [
        one.id for one in found.values() if not one.purpose.is_public and one.owner_id != viewer_id
    ]
    readable = await _in_readable_messages(tx, viewer_id, private)
    return {
        media_id: one
        for media_id, one in found.items()
        if (one.stored or one.owner_id == viewer_id)
        and rules.view_media(
            mine=one.owner_id == viewer_id,
            public=one.purpose.is_public,
            in_my_room=media_id in readable,
        )
        is None
    }


async def viewable(tx: Transaction, viewer_id: int, media_id: str) -> MediaRecord | None:
    """One object, if the viewer may see it now."""
    return (await viewable_media(tx, viewer_id, [media_id])).get(media_id)


async def _in_readable_messages(tx: Transaction, viewer_id: int, ids: list[str]) -> set[str]:
    if not ids or not viewer_id:
        return set()
    found = await tx.rows(
        "SELECT DISTINCT a.media_id FROM message_media a "
        "JOIN messages m ON m.id = a.message_id "
        "JOIN members b ON b.room_id = m.room_id AND b.user_id = ? "
        f"WHERE b.role > 0 AND m.deleted = 0 AND {VISIBLE} AND a.media_id IN "
        + tx.dialect.in_list(len(ids)),
        [viewer_id, viewer_id, viewer_id, *ids],
    )
    return {row[0] for row in found}
