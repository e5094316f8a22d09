"""Loads on a batcher, from tasks in its own process."""

from __future__ import annotations

import random
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any, ClassVar, Self

import trio

from realtime.clock import SystemClock
from realtime.events.batcher import Batcher, PendingChange
from store.changes.base import Change, Op
from store.changes.messages import SendMessage
from store.errors import DomainError
from store.interface import Store
from store.log import Kind, Stream, WriteTransaction
from store.transaction import Transaction

PAYLOAD = bytes(range(100))


class Append(Change[int], frozen=True, kw_only=True):
    """An entry and a row of 100 bytes: the log itself holds ids, never bodies."""

    RESULT: ClassVar[type[int]] = int

    user_id: int
    payload: bytes = PAYLOAD

    @classmethod
    async def apply(cls, tx: WriteTransaction, changes: Sequence[Self]) -> list[int | DomainError]:
        await tx.open_streams(Stream.user(change.user_id) for change in changes)
        outcomes: list[int | DomainError] = []
        rows: list[tuple[int, bytes]] = []
        for change in changes:
            stream = Stream.user(change.user_id)
            entry = await tx.append(Kind.POST_CREATED, stream, actor_id=change.user_id)
            outcomes.append(entry.position)
            rows.append((entry.position, change.payload))
        await tx.run_many("INSERT INTO bench_payloads (position, payload) VALUES (?, ?)", rows)
        return outcomes


async def add_payloads(tx: Transaction) -> None:
    await tx.run(
        "CREATE TABLE bench_payloads (position BIGINT NOT NULL PRIMARY KEY, "
        "payload VARBINARY(100) NOT NULL)"
    )


@asynccontextmanager
async def batching(store: Store) -> AsyncIterator[Batcher]:
    """A batcher as the server has it."""
    batcher = Batcher(store, SystemClock(), lambda batch: None)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(batcher.run)
        yield batcher
        batcher.close()


async def appending(store: Store, producers: int, at_once: int, seconds: float) -> float:
    """Entries a second, from producers that hand over so many and await them together."""
    done = 0
    end = trio.current_time() + seconds

    async def produce(batcher: Batcher, user_id: int) -> None:
        nonlocal done
        while trio.current_time() < end:
            pending = [batcher.submit(Append(user_id=user_id)) for _ in range(at_once)]
            for one in pending:
                await one.wait()
            done += at_once

    started = time.perf_counter()
    async with batching(store) as batcher, trio.open_nursery() as nursery:
        for user_id in range(1, producers + 1):
            nursery.start_soon(produce, batcher, user_id)
    return done / (time.perf_counter() - started)


class Messages:
    """Messages that people send into rooms in which they all are, with the keys that clients
    draw: an op_key and a client_id that begin with the time."""

    def __init__(self, users: int, rooms: Sequence[int]) -> None:
        self._users = users
        self._rooms = rooms
        self._chance = random.Random(1)
        self._number = time.time_ns()

    def next(self) -> SendMessage:
        self._number += 1
        key = (self._number // 1_000_000 << 80 | self._number).to_bytes(16, "big")
        user_id = self._chance.randint(1, self._users)
        return SendMessage(
            op=Op(scope=f"u:{user_id}", key=key, digest=key),
            sender_id=user_id,
            room_id=self._chance.choice(self._rooms),
            client_id=key,
            text=f"message {self._number:20} as long as people write",
        )


async def sending(store: Store, messages: Messages, at_once: int, seconds: float) -> float:
    """Messages a second, when so many are on their way and each answer sends the next."""
    done = 0
    end = trio.current_time() + seconds

    async def send(batcher: Batcher) -> None:
        nonlocal done
        while trio.current_time() < end:
            await batcher.submit(messages.next()).wait()
            done += 1

    started = time.perf_counter()
    async with batching(store) as batcher, trio.open_nursery() as nursery:
        for _ in range(at_once):
            nursery.start_soon(send, batcher)
    return done / (time.perf_counter() - started)


async def on_schedule(
    store: Store, messages: Messages, rate: float, seconds: float, quiet: float = 1.0
) -> list[float]:
    """Milliseconds from the time at which each message was due until it was answered, ascending.

    One is due every 1 / `rate` seconds, however late the answers are; those of the first `quiet`
    seconds are not counted.
    """
    took: list[float] = []
    count = int(rate * (quiet + seconds))
    left = count
    answered = trio.Event()

    def told(due: float) -> Callable[[PendingChange[Any]], None]:
        def tell(pending: PendingChange[Any]) -> None:
            nonlocal left
            pending.outcome()
            took.append((time.perf_counter() - due) * 1000)
            left -= 1
            if not left:
                answered.set()

        return tell

    async with batching(store) as batcher:
        started = time.perf_counter()
        began = trio.current_time()
        for number in range(count):
            due = number / rate
            if due > time.perf_counter() - started:
                await trio.sleep_until(began + due)
            batcher.submit(messages.next(), told(started + due))
        await answered.wait()
    return sorted(took[int(rate * quiet) :])
