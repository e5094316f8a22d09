"""One group commit, the same for every backend."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

import msgspec

from store.changes.base import Change, Op
from store.changes.waves import waves
from store.errors import DomainError, OpKeyReused
from store.log import Batch, Head, WriteTransaction, head_query, read_head
from store.transaction import Dialect, Statement, Transaction

OP_LIFETIME_MS = 7 * 24 * 3600 * 1000
MARK_BYTES = 16
MARK_LIFETIME_MS = 24 * 3600 * 1000


async def commit_batch(
    tx: Transaction, changes: Sequence[Change[Any]], now_ms: int, mark: bytes = b""
) -> Batch:
    """Locks the head, applies every change with its idempotency key, and writes the log.

    `mark` names the batch in its log rows, for a backend whose answer to a commit can be lost
    (see `was_committed`); without one it gets a mark of its own.
    """
    queries = [head_query(tx.dialect, lock=True)]
    if ops := [change.op for change in changes if change.op is not None]:
        queries.append(_ops_query(tx.dialect, ops))
    found = await tx.rows_many(queries)
    known: dict[tuple[str, bytes], tuple[bytes, bytes]] = {
        (scope, key): (digest, result) for rows in found[1:] for scope, key, digest, result in rows
    }
    write = WriteTransaction(tx, Head(*found[0][0]), now_ms, mark or os.urandom(MARK_BYTES))
    outcomes: list[Any] = [None] * len(changes)
    replayed = [False] * len(changes)
    fresh: list[tuple[str, bytes, bytes, bytes, int]] = []
    for wave in waves(changes):
        for kind, indexes in wave.items():
            todo: list[int] = []
            for index in indexes:
                op = changes[index].op
                before = None if op is None else known.get((op.scope, op.key))
                if op is None or before is None:
                    todo.append(index)
                    continue
                digest, result = before
                replayed[index] = True
                outcomes[index] = (
                    msgspec.msgpack.decode(result, type=kind.RESULT)
                    if digest == op.digest
                    else OpKeyReused("this op_key was used for another request")
                )
            if not todo:
                continue
            results = await kind.apply(write, [changes[index] for index in todo])
            for index, outcome in zip(todo, results, strict=True):
                outcomes[index] = outcome
                op = changes[index].op
                if op is not None and not isinstance(outcome, DomainError):
                    stored = msgspec.msgpack.encode(outcome)
                    known[op.scope, op.key] = (op.digest, stored)
                    fresh.append((op.scope, op.key, op.digest, stored, now_ms))
    if fresh:
        await tx.run_many(
            "INSERT INTO ops (scope, op_key, digest, result, at_ms) VALUES (?, ?, ?, ?, ?)", fresh
        )
    return Batch(
        outcomes=outcomes, replayed=replayed, entries=write.entries, head=await write.flush()
    )


def _ops_query(dialect: Dialect, ops: Sequence[Op]) -> Statement:
    return (
        # The bytes first: SQLite searches its index by both only in this order.
        "SELECT scope, op_key, digest, result FROM ops WHERE (op_key, scope) IN "
        + dialect.in_pairs(len(ops)),
        [value for op in ops for value in (op.key, op.scope)],
    )


async def forget_old_ops(tx: Transaction, now_ms: int) -> int:
    """Drops op_keys older than their lifetime; a client's offline queue expires sooner."""
    return await tx.run("DELETE FROM ops WHERE at_ms < ?", (now_ms - OP_LIFETIME_MS,))


async def mark_unlogged(tx: Transaction, mark: bytes, now_ms: int) -> None:
    """Keeps the mark of a batch that has changed something and left no entry."""
    await tx.run("INSERT INTO unlogged_batches (mark, at_ms) VALUES (?, ?)", (mark, now_ms))


async def was_committed(tx: Transaction, batch: Batch, mark: bytes) -> bool:
    """Whether a batch whose commit was not answered took place. The head is locked first: while
    the old transaction is still on its way it has that lock, and this waits for its end."""
    await read_head(tx, lock=True)
    if batch.entries:
        found = await tx.rows(
            "SELECT batch FROM log WHERE position = ?", (batch.entries[0].position,)
        )
    else:
        found = await tx.rows("SELECT mark FROM unlogged_batches WHERE mark = ?", (mark,))
    return bool(found) and found[0][0] == mark


async def forget_old_marks(tx: Transaction, now_ms: int) -> int:
    """Drops the marks that nobody asks for any more."""
    return await tx.run(
        "DELETE FROM unlogged_batches WHERE at_ms < ?", (now_ms - MARK_LIFETIME_MS,)
    )
