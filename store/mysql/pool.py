"""Connections of one use, kept open between the calls."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

from store.errors import Unavailable
from store.mysql.connection import Connection

TRUSTED = 1.0  # seconds for which an idle connection is taken to be there still
PING = 2.0  # seconds for it to say so


class Lease:
    """A place in the pool, with a connection once it is asked for."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._held: Connection | None = None
        self.fresh = False  # just opened: if it is lost, the server is gone

    async def connection(self) -> Connection:
        """The connection; of a lost one, another."""
        if self._held is None or self._held.lost:
            self._held, self.fresh = await self._pool.take()
        return self._held

    async def end(self) -> None:
        held = self._held
        if held is not None:
            self._held = None
            self._pool.put(held)


class Pool:
    """At most `size` connections. Who finds none waits; callers bound how many do, and how long."""

    def __init__(self, connect: Callable[[], Awaitable[Connection]], size: int) -> None:
        self._connect = connect
        self._places = asyncio.Semaphore(size)
        self._idle: list[Connection] = []  # the latest used at the end

    @asynccontextmanager
    async def lease(self) -> AsyncIterator[Lease]:
        async with self._places:
            lease = Lease(self)
            try:
                yield lease
            finally:
                await lease.end()

    async def take(self) -> tuple[Connection, bool]:
        """A connection that works, as far as one can know, and whether it was opened just now.
        Raises `Unavailable`."""
        while self._idle:
            connection = self._idle.pop()
            if connection.lost:
                continue
            if asyncio.get_running_loop().time() - connection.used_at < TRUSTED:
                return connection, False
            try:
                await connection.execute("DO 0", PING)
            except Unavailable:
                connection.close()
            else:
                return connection, False
        return await self._connect(), True

    def put(self, connection: Connection) -> None:
        if not connection.lost:
            self._idle.append(connection)

    async def aclose(self) -> None:
        """Closes what is idle: everything, when nobody has a lease."""
        while self._idle:
            await self._idle.pop().aclose()
