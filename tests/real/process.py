"""A real server process, and clients on real sockets."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import trio

from realtime.testing import process
from realtime.testing.client import TestClient
from realtime.testing.dial import open_transport
from rpc.registry import methods
from rpc.transport import Transport

ROOT = process.ROOT
# trio-websocket does not notice a server that dies during the handshake: give up soon.
HANDSHAKE = 1.0


class ServerProcess(process.ServerProcess):
    """A server process with the clients of the harness."""

    def client(self) -> TestClient:
        return TestClient(self._dial, methods(), 10.0)

    async def _dial(self, client: TestClient) -> tuple[Transport, trio.SocketStream]:
        stream = await trio.open_tcp_stream("127.0.0.1", self.port)
        transport = await open_transport(self._nursery, stream, client.read, HANDSHAKE)
        return transport, stream

    async def sign_up(self, username: str) -> TestClient:
        client = self.client()
        await client.sign_up(username, self.code)
        return client


@asynccontextmanager
async def server_process(
    data: Path,
    *arguments: str,
    program: Sequence[str] = ("realtime", "serve"),
    within: Sequence[str] = (),
) -> AsyncIterator[ServerProcess]:
    """A running server; whatever became of it, it is gone afterwards."""
    async with trio.open_nursery() as nursery:
        server = ServerProcess(data, nursery, *arguments, program=program, within=within)
        await server.start()
        try:
            yield server
        finally:
            await server.aclose()
            nursery.cancel_scope.cancel()
