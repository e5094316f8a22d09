"""`log retention`: what of the log would go now for its age."""

from __future__ import annotations

from typing import Annotated

from cyclopts import Parameter

from realtime.clock import SystemClock
from realtime.commands.common import show as print_line
from realtime.commands.log.common import work_on
from realtime.commands.place import Kept
from realtime.events.retention import DAY, PATIENCE
from store.interface import Store
from store.log import read_head
from store.retention import Holder, archived_up_to, old_up_to, would_raise


def retention(*, kept: Annotated[Kept, Parameter(name="*")] = Kept()) -> None:  # noqa: B008
    """Says what a server with these settings would remove from the log now, as one JSON object;
    removes nothing.

    It has `floor` (up to where entries are gone), `head` (where the log ends), `archived` (up to
    where files have it, or null), `old` (up to where entries are older than --log-keep), `goes`
    (up to where they would go now), `held_by` (who keeps more from going, or null), `needs`
    (everybody who needs what lies behind a position) and `left_behind` (consumers whose entries
    would go, since they have stood still for too long). Who needs something has `who` and
    `position`.
    """

    async def work(store: Store) -> None:
        now_ms, keep_ms = SystemClock().now_ms(), round(kept.log_keep * DAY)
        head = await store.read(read_head)
        old = await store.read(old_up_to, now_ms - keep_ms) if keep_ms else head.floor
        raised, needs = await store.read(
            would_raise, old, now_ms - PATIENCE * keep_ms, archiving=bool(kept.log_archive)
        )
        print_line(
            {
                "floor": head.floor,
                "head": head.position,
                "archived": await store.read(archived_up_to),
                "old": old,
                "goes": raised.floor,
                "held_by": raised.held_by and _line(raised.held_by),
                "needs": [_line(one) for one in needs],
                "left_behind": [_line(one) for one in raised.left],
            }
        )

    work_on(kept, work)


def _line(holder: Holder) -> dict[str, object]:
    return holder._asdict()
