"""The nodes of the demo's server: one, or several on one database."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import trio

from realtime.demo.server import DemoServer


class Nodes:
    """The first one has the photographs."""

    def __init__(self, servers: Sequence[DemoServer]) -> None:
        self._servers = servers
        self.kills = 0

    @property
    def ports(self) -> list[int]:
        return [server.port for server in self._servers]

    @property
    def media_port(self) -> int:
        return self._servers[0].media_port

    @property
    def media_url(self) -> str:
        return self._servers[0].media_url

    @property
    def url(self) -> str:
        """Of one of them, for a fresh look."""
        return f"ws://127.0.0.1:{self._servers[0].port}"

    @property
    def errors(self) -> list[str]:
        """The lines of their logs that tell of errors."""
        return [line for server in self._servers for line in server.errors]

    async def code(self, address: str, within: float) -> str:
        """The code that was sent to an address, by whichever it was. Raises `TooSlowError`."""
        found: list[str] = []

        async def look(server: DemoServer) -> None:
            found.append(await server.code(address, within))
            nursery.cancel_scope.cancel()

        async with trio.open_nursery() as nursery:
            for server in self._servers:
                nursery.start_soon(look, server)
        return found[0]

    @property
    def victim(self) -> int:
        """Which is killed: the last, so that of several the one with the photographs stays."""
        return len(self._servers) - 1

    async def kill(self) -> None:
        """kill -9 of the victim."""
        await self._servers[-1].kill()
        self.kills += 1

    async def restart(self) -> None:
        """Starts the victim again, on its data."""
        await self._servers[-1].start()

    async def end(self) -> None:
        """SIGTERM to each in turn; raises as `DemoServer.end`."""
        for server in self._servers:
            await server.end()


@asynccontextmanager
async def serving(folder: Path, store: str, blobs: str, count: int) -> AsyncIterator[Nodes]:
    """So many running nodes; whatever became of them, they are gone afterwards."""
    async with trio.open_nursery() as nursery:
        servers: list[DemoServer] = []
        try:
            for number in range(count):
                media_url = servers[0].media_url if servers else ""
                servers.append(DemoServer(folder, nursery, store, blobs, number, media_url))
                await servers[-1].start()
            yield Nodes(servers)
        finally:
            for server in servers:
                await server.aclose()
            nursery.cancel_scope.cancel()
