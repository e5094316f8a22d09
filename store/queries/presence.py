"""When users were last here. Only those who share a room with the viewer are told."""

from __future__ import annotations

from collections.abc import Sequence

from store.queries.blocks import apart_from
from store.transaction import Transaction


async def last_seen_of_peers(
    tx: Transaction, viewer_id: int, user_ids: Sequence[int]
) -> dict[int, int]:
    """When each of the users among `user_ids` who share a room with the viewer, and are not
    apart from him, was last here (Unix milliseconds; 0: not known)."""
    wanted = list(dict.fromkeys(user_ids))
    if not wanted:
        return {}
    found = await tx.rows(
        "SELECT DISTINCT other.user_id, COALESCE(l.at_ms, 0) FROM members me "
        "JOIN members other ON other.room_id = me.room_id AND other.role > 0 "
        "LEFT JOIN last_seen l ON l.user_id = other.user_id "
        "WHERE me.user_id = ? AND me.role > 0 AND other.user_id IN "
        + tx.dialect.in_list(len(wanted)),
        (viewer_id, *wanted),
    )
    apart = await apart_from(tx, viewer_id, (row[0] for row in found))
    return {row[0]: row[1] for row in found if row[0] not in apart}


async def direct_peers(tx: Transaction, user_ids: Sequence[int]) -> dict[int, list[int]]:
    """By user, those with whom he has an open direct room: they see him come and go. Users
    without any are left out."""
    peers: dict[int, list[int]] = {}
    if not user_ids:
        return peers
    for user_id, peer_id in await tx.rows(
        "SELECT me.user_id, other.user_id FROM members me "
        "JOIN rooms r ON r.id = me.room_id AND r.kind = 1 AND r.closed = 0 "
        "JOIN members other ON other.room_id = me.room_id AND other.user_id <> me.user_id "
        "WHERE me.role > 0 AND me.user_id IN " + tx.dialect.in_list(len(user_ids)),
        list(user_ids),
    ):
        peers.setdefault(user_id, []).append(peer_id)
    return peers


async def store_last_seen(tx: Transaction, seen: Sequence[tuple[int, int]]) -> None:
    """Keeps (user, Unix milliseconds) pairs."""
    await tx.run_many(tx.dialect.upsert("last_seen", ("user_id",), ("at_ms",)), seen)
