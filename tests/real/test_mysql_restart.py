"""A database server that is killed, stopped for a while, and started again under a store."""

from __future__ import annotations

import signal
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager

import pytest
import structlog
import trio

from realtime.clock import SystemClock
from realtime.events.batcher import Batcher
from store.changes.base import Op
from store.errors import Unavailable
from store.mysql.address import parse
from store.mysql.connection import Limits
from store.mysql.store import MysqlStore
from tests.contracts.mysql import server
from tests.contracts.statements import Put, get_numbers, log_of
from tests.real.mariadb import Mariadb, private_mariadb

pytestmark = pytest.mark.real

LIMITS = Limits(connect=1, answer=2)


@pytest.fixture
def mariadb() -> Iterator[Mariadb]:
    server()  # there is one for tests, so another may be started; or else this is skipped
    with private_mariadb() as started:
        yield started


@asynccontextmanager
async def opened(url: str) -> AsyncIterator[MysqlStore]:
    store = await MysqlStore.open(parse(url), limits=LIMITS)
    try:
        yield store
    finally:
        await store.aclose()


async def test_what_was_acknowledged_outlives_the_server_and_nothing_is_made_twice(
    mariadb: Mariadb,
) -> None:
    sent = 0
    done = False
    moved = trio.lowlevel.ParkingLot()

    async def write(batcher: Batcher, name: int) -> None:
        nonlocal sent
        value = 0
        while not done:
            value += 1
            op = Op(scope=f"u:{name}", key=value.to_bytes(16, "big"), digest=b"d")
            while True:
                try:
                    await batcher.submit(Put(op=op, name=name, value=value)).wait()
                except Unavailable:
                    await trio.sleep(0.05)
                else:
                    break
            sent += 1
            moved.unpark_all()

    async with opened(mariadb.url) as store:
        await store.migrate()
        batcher = Batcher(store, SystemClock(), lambda batch: None)
        with structlog.testing.capture_logs():
            async with trio.open_nursery() as nursery:
                nursery.start_soon(batcher.run)
                async with trio.open_nursery() as writers:
                    for name in range(1, 6):
                        writers.start_soon(write, batcher, name)
                    for _ in range(3):
                        before = sent
                        while sent < before + 20:
                            await moved.park()
                        mariadb.signal(signal.SIGKILL)
                        await trio.sleep(0.2)
                        await trio.to_thread.run_sync(mariadb.start)
                    done = True
                batcher.close()
        entries = await log_of(store)
        assert len(entries) == sent > 60
        assert [entry.position for entry in entries] == list(range(1, sent + 1))
        for name in range(1, 6):
            values = [entry.subject_id for entry in entries if entry.actor_id == name]
            assert values == list(range(1, len(values) + 1))


async def test_a_server_that_stands_still_is_given_up_and_found_again(mariadb: Mariadb) -> None:
    async with opened(mariadb.url) as store:
        await store.migrate()
        await store.commit([Put(name=1, value=1)], 0)
        mariadb.signal(signal.SIGSTOP)
        try:
            for call in (
                lambda: store.read(get_numbers),
                lambda: store.commit([Put(name=2, value=2)], 0),
            ):
                with trio.fail_after(10), pytest.raises(Unavailable):
                    await call()
        finally:
            mariadb.signal(signal.SIGCONT)
        await store.commit([Put(name=3, value=3)], 0)
        assert await store.read(get_numbers) == {1: 1, 3: 3}
