"""Removes what stood behind notifications that are gone, a portion in each step.

A step holds the head of the log, and a post that everybody liked has a cause of each of them: so
they are not all removed at once. What is left of them meanwhile belongs to no notification.
"""

from __future__ import annotations

from collections.abc import Iterable

from store.transaction import Transaction

AT_ONCE = 2000  # causes that a step removes, at most
GROUPS_AT_ONCE = 100


async def forget(tx: Transaction, notification_ids: Iterable[int]) -> None:
    """These are gone: their causes are to go."""
    await tx.run_many(
        "INSERT INTO notification_sweeps (notification_id) VALUES (?)",
        [(one,) for one in notification_ids],
    )


async def sweep(tx: Transaction) -> None:
    left = AT_ONCE
    done: list[tuple[int]] = []
    found = await tx.rows(
        "SELECT notification_id FROM notification_sweeps ORDER BY notification_id LIMIT ?",
        (GROUPS_AT_ONCE,),
    )
    for (notification_id,) in found:
        beyond = await tx.rows(
            "SELECT position FROM notification_causes WHERE notification_id = ? "
            "ORDER BY position LIMIT 1 OFFSET ?",
            (notification_id, left),
        )
        if beyond:
            await tx.run(
                "DELETE FROM notification_causes WHERE notification_id = ? AND position < ?",
                (notification_id, beyond[0][0]),
            )
            break
        left -= await tx.run(
            "DELETE FROM notification_causes WHERE notification_id = ?", (notification_id,)
        )
        done.append((notification_id,))
    await tx.run_many("DELETE FROM notification_sweeps WHERE notification_id = ?", done)
