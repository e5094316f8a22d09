"""Telling one log from another: after a backup was restored, positions that somebody has seen
mean something else, and whatever holds such a position has to be told.
"""

from __future__ import annotations

import secrets
from typing import NamedTuple

from store.errors import Conflict
from store.log import read_head
from store.queries.nodes import live_nodes
from store.transaction import Transaction

EPOCHS = (1 << 32) - 1  # from 1 on, as cursors have room for


def draw_epoch() -> int:
    return 1 + secrets.randbelow(EPOCHS)


class Beyond(NamedTuple):
    """What has seen more of the log than there is."""

    who: str
    position: int


async def beyond_the_head(tx: Transaction) -> list[Beyond]:
    """Consumers and nodes whose position the log does not reach: it is older than they are."""
    head = await read_head(tx)
    found = await tx.rows(
        "SELECT consumer, MAX(position) FROM offsets WHERE position > ? "
        "GROUP BY consumer ORDER BY consumer",
        (head.position,),
    )
    beyond = [Beyond(f"the consumer {name}", position) for name, position in found]
    found = await tx.rows(
        "SELECT name, position FROM nodes WHERE position > ? ORDER BY name", (head.position,)
    )
    return beyond + [Beyond(f"the node {name}", position) for name, position in found]


class Renewed(NamedTuple):
    """`clamped` are the consumers that had seen more than there is, now at the log's end: what
    they have made may come from entries that are gone."""

    before: int
    epoch: int
    position: int
    clamped: list[str]


async def renew_epoch(tx: Transaction) -> Renewed:
    """Gives the log an epoch that it has not had, as far as one can know: it is drawn, for a
    backup may be restored twice. Raises `Conflict` while nodes follow the log."""
    head = await read_head(tx, lock=True)
    nodes = await live_nodes(tx)
    if nodes:
        raise Conflict(
            f"servers follow this log: {', '.join(node.name for node in nodes)}; stop them, or "
            "wait a minute after they were killed"
        )
    epoch = draw_epoch()
    while epoch == head.epoch:
        epoch = draw_epoch()
    found = await tx.rows(
        "SELECT DISTINCT consumer FROM offsets WHERE position > ?", (head.position,)
    )
    await tx.run(
        "UPDATE offsets SET position = ? WHERE position > ?", (head.position, head.position)
    )
    await tx.run("DELETE FROM nodes")
    await tx.run("UPDATE log_head SET epoch = ? WHERE log_partition = 0", (epoch,))
    return Renewed(head.epoch, epoch, head.position, sorted(row[0] for row in found))
