"""Which nodes follow the log, and where they are: rows that end by themselves. Not through the
log. Time is the database's, as it is for leases.
"""

from __future__ import annotations

from typing import NamedTuple

from store.log import Head, read_head
from store.transaction import Transaction


class Node(NamedTuple):
    """A node that was there a while ago at most. `name` is for people."""

    name: str
    position: int


async def register_node(
    tx: Transaction, node: bytes, name: str, position: int, lifetime_ms: int
) -> Head:
    """Says that the node has come to `position`, for so long; returns the head of the log."""
    now_ms = await _now_ms(tx)
    await tx.run(
        tx.dialect.upsert("nodes", ("id",), ("name", "position", "until_ms")),
        (node, name[:100], position, now_ms + lifetime_ms),
    )
    return await read_head(tx)


async def forget_node(tx: Transaction, node: bytes) -> None:
    """It has ended."""
    await tx.run("DELETE FROM nodes WHERE id = ?", (node,))


async def live_nodes(tx: Transaction) -> list[Node]:
    found = await tx.rows(
        "SELECT name, position FROM nodes WHERE until_ms > ? ORDER BY name, position",
        (await _now_ms(tx),),
    )
    return [Node(*row) for row in found]


async def _now_ms(tx: Transaction) -> int:
    found = await tx.rows(f"SELECT {tx.dialect.now_ms()}")
    now_ms: int = found[0][0]
    return now_ms
