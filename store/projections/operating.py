"""What an operator may ask of a consumer. Each is done in the tables, under the lock that the
consumer's steps take; its owner, on whichever node, heeds it from its next step on.

A refusal is a `Conflict` or a `NotFound` with a sentence for the operator.
"""

from __future__ import annotations

from store.errors import Conflict, NotFound
from store.log import read_head
from store.projections import aside
from store.projections.aside import State
from store.projections.base import Consumer
from store.projections.offsets import lock_places, move
from store.transaction import Transaction


async def pause(tx: Transaction, consumer: str, now_ms: int) -> None:
    """It takes no entry until `resume`, whoever owns it. What is paused stays paused."""
    await lock_places(tx, consumer)
    await tx.run(
        "UPDATE offsets SET paused_ms = ? WHERE consumer = ? AND role = 0 AND paused_ms = 0",
        (now_ms, consumer),
    )


async def resume(tx: Transaction, consumer: str) -> None:
    """Ends a pause, if there is one."""
    await lock_places(tx, consumer)
    await tx.run("UPDATE offsets SET paused_ms = 0 WHERE consumer = ?", (consumer,))


async def replay(tx: Transaction, consumer: Consumer, first: int, now_ms: int) -> int:
    """Lets the entries from `first` on take effect again; returns how far the consumer had
    come."""
    name = consumer.name
    if not consumer.replayable:
        raise Conflict(f"{name} would count entries twice: build it anew instead")
    live = (await lock_places(tx, name)).live
    floor = (await read_head(tx)).floor
    if first <= floor:
        raise Conflict(f"the log begins at {floor + 1}")
    # Where it has been left behind, it may go on with what there is.
    if first > max(live.position, floor + 1):
        raise Conflict(f"{name} is at {live.position}: from {first} on there is nothing to repeat")
    await move(tx, name, live.generation, first - 1, 0, now_ms)
    await tx.run(  # those of old, which nothing waits for, come again by themselves
        "DELETE FROM set_aside WHERE consumer = ? AND position >= ? AND entry_key = ''",
        (name, first),
    )
    return live.position


async def retry(tx: Transaction, consumer: str, position: int) -> None:
    """Has an entry tried again that has failed, and after it those of its key."""
    await lock_places(tx, consumer)
    for generation in await _generations(tx, consumer, position):
        await aside.mark(tx, consumer, generation, position, State.RETRIED)


async def retry_all(tx: Transaction, consumer: str) -> int:
    """The same for all that have failed; returns how many."""
    await lock_places(tx, consumer)
    return await tx.run(
        "UPDATE set_aside SET state = ? WHERE consumer = ? AND state = ?",
        (State.RETRIED, consumer, State.FAILED),
    )


async def discard(tx: Transaction, consumer: str, position: int) -> None:
    """Gives up an entry that has failed. Those of its key that wait behind it are tried."""
    await lock_places(tx, consumer)
    for generation in await _generations(tx, consumer, position):
        found = await tx.rows(
            "SELECT entry_key FROM set_aside "
            "WHERE consumer = ? AND generation = ? AND position = ?",
            (consumer, generation, position),
        )
        await aside.settle(tx, consumer, generation, found[0][0], [position])


async def forget(tx: Transaction, consumer: str) -> None:
    """Removes what is known of a consumer that there is no more. Raises `NotFound` where nothing
    is."""
    for table in ("set_aside", "seeds", "offsets"):
        removed = await tx.run(f"DELETE FROM {table} WHERE consumer = ?", (consumer,))
    if not removed:
        raise NotFound(f"nothing is known of a consumer {consumer!r}")


async def _generations(tx: Transaction, consumer: str, position: int) -> list[int]:
    """Those in which the entry has failed."""
    found = await tx.rows(
        "SELECT generation, state, entry_key FROM set_aside WHERE consumer = ? AND position = ?",
        (consumer, position),
    )
    if not found:
        raise NotFound(f"{consumer} has not set aside an entry {position}")
    failed = [row[0] for row in found if row[1] != State.PARKED]
    if not failed:
        raise Conflict(f"entry {position} waits behind another of its key, {found[0][2]}")
    return failed
