"""Leases: what only one of several nodes may do at a time. Not through the log.

Time is the database's, so that the clocks of the nodes do not matter. Whoever is to write under
a lease shows its fence in the same transaction: an owner that was stopped past its time and
comes back finds the fence of another, and writes nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from store.errors import Conflict
from store.transaction import Transaction


class Lease(NamedTuple):
    """`fence` is above 0 for the owner, else 0, and then it may become free in `wait_ms`."""

    fence: int
    wait_ms: int


class Fenced(Conflict):
    """The lease has another owner by now."""


async def take_leases(
    tx: Transaction, names: Sequence[str], owner: bytes, lifetime_ms: int
) -> dict[str, Lease]:
    """Takes those that are free, and goes on with those that are the owner's already."""
    result = {}
    for name in sorted(names):  # so that nobody waits for who waits for him
        await tx.run(
            tx.dialect.insert_new("leases", ("name", "owner", "fence", "until_ms")),
            (name, b"", 0, 0),
        )
        found = await tx.rows(
            f"SELECT owner, fence, until_ms, {tx.dialect.now_ms()} FROM leases WHERE name = ?"
            + tx.dialect.for_update(),
            (name,),
        )
        before, fence, until_ms, now_ms = found[0]
        if before != owner:
            if until_ms > now_ms:
                result[name] = Lease(0, until_ms - now_ms)
                continue
            fence += 1
        result[name] = Lease(fence, lifetime_ms)
        await tx.run(
            "UPDATE leases SET owner = ?, fence = ?, until_ms = ? WHERE name = ?",
            (owner, fence, now_ms + lifetime_ms, name),
        )
    return result


async def release_leases(tx: Transaction, owner: bytes) -> None:
    """Lets others take what this owner has, at once."""
    await tx.run("UPDATE leases SET owner = ?, until_ms = 0 WHERE owner = ?", (b"", owner))


async def check_fence(tx: Transaction, name: str, fence: int) -> None:
    """Raises `Fenced` unless the lease is still the one with this fence. Until the transaction
    ends nobody else can take it. A fence of 0 says that there is nobody else."""
    if not fence:
        return
    found = await tx.rows(
        "SELECT fence FROM leases WHERE name = ? AND fence = ?" + tx.dialect.for_update(),
        (name, fence),
    )
    if not found:
        raise Fenced(f"the lease {name!r} has another owner")
