"""`log lag`: how far the consumers have come."""

from __future__ import annotations

from realtime.commands.common import show as print_line
from realtime.commands.log.common import work_on
from realtime.commands.place import HERE, Where
from realtime.events.relay import NAME as RELAY
from realtime.fitting import projections
from store.interface import Store
from store.projections.offsets import Role
from store.queries.consumers import statuses


def lag(*, place: Where = HERE) -> None:
    """Says of each consumer how far it has come, as JSON lines.

    Each has `consumer`, `generation` (of its rows; one that is being built has a line of its own,
    with `building`, and `seeded` while it is made by the state of things: up to which id),
    `position`, `head` (where the log ends), `entries_behind` (entries of the log
    from the first that it has yet to take), `seconds_behind` (since that one was written), `dead`
    (entries that failed and are set aside), `parked` (those that wait behind them), `paused`,
    `stopped` (too many are set aside, or those it needs are gone) and `known` (whether this
    version has the consumer).
    """

    async def work(store: Store) -> None:
        known = {one.name: one.kinds for one in projections()}
        for one in await store.read(statuses, known):
            print_line(
                {
                    "consumer": one.name,
                    "generation": one.generation,
                    "building": one.role is Role.BUILDING,
                    "seeded": one.seeded,
                    "position": one.position,
                    "head": one.head,
                    "entries_behind": one.entries_behind,
                    "seconds_behind": one.seconds_behind,
                    "dead": one.failed,
                    "parked": one.parked,
                    "paused": one.paused,
                    "stopped": one.stopped,
                    "known": one.name in known or one.name == RELAY,
                }
            )

    work_on(place, work)
