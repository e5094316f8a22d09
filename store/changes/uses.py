"""What shows a media object, and what a user's objects come to: counted with each change."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from store.log import WriteTransaction


async def use(tx: WriteTransaction, media_ids: Iterable[str]) -> None:
    """The objects are shown once more by each mention of them."""
    counts = _counted(media_ids)
    if counts:
        await tx.run_many(
            "UPDATE media SET uses = uses + ?, unused_ms = 0 WHERE id = ?",
            [(times, media_id) for media_id, times in counts.items()],
        )


async def let_go(tx: WriteTransaction, media_ids: Iterable[str]) -> None:
    """The objects are shown once less by each mention of them; what nothing shows any more is
    unused from now on."""
    counts = _counted(media_ids)
    if counts:
        # In this order: MySQL's later assignments see what its earlier ones have set.
        await tx.run_many(
            "UPDATE media SET unused_ms = CASE WHEN uses <= ? THEN ? ELSE unused_ms END, "
            "uses = uses - ? WHERE id = ?",
            [(times, tx.now_ms, times, media_id) for media_id, times in counts.items()],
        )


def _counted(media_ids: Iterable[str]) -> Counter[str]:
    """Without the empty id, which is none."""
    return Counter(media_id for media_id in media_ids if media_id)


async def swap(tx: WriteTransaction, before: str, after: str) -> None:
    """A picture is replaced; the empty id is none."""
    if before != after:
        await use(tx, [after])
        await let_go(tx, [before])


async def add_usage(tx: WriteTransaction, owner_id: int, size: int) -> None:
    """Counts one more object."""
    await tx.run(
        tx.dialect.insert_new("media_usage", ("owner_id", "objects", "bytes")), (owner_id, 0, 0)
    )
    await tx.run(
        "UPDATE media_usage SET objects = objects + 1, bytes = bytes + ? WHERE owner_id = ?",
        (size, owner_id),
    )
