"""Takes connections for the websocket and the operations port."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

import trio

from realtime.core import Front
from realtime.files import GuardedListener
from realtime.ops import REQUEST_TIMEOUT, OpsServer
from realtime.settings import Settings


@asynccontextmanager
async def accepting(
    settings: Settings,
    front: Front,
    websocket: Sequence[GuardedListener],
    ops: Sequence[GuardedListener] = (),
) -> AsyncIterator[None]:
    """Accepts connections; on the way out no more, and those there are sent away. The operations
    port answers until they are gone: that the server drains is its news."""

    async def ready() -> dict[str, str]:
        return {"gateway": "draining"} if front.gateway.draining else {}

    ops_server = OpsServer(front.metrics, ready, min(settings.handshake, REQUEST_TIMEOUT))
    async with (
        trio.open_nursery() as connections,
        trio.open_nursery() as accepts,
        trio.open_nursery() as arrivals,
    ):
        for listener in websocket:
            arrivals.start_soon(front.gateway.accept, listener, connections)
        if ops:
            serve: Any = partial(trio.serve_listeners, handler_nursery=connections)
            await accepts.start(serve, ops_server.handle, list(ops))
        try:
            yield
        finally:
            arrivals.cancel_scope.cancel()
            with trio.CancelScope(shield=True):
                await front.gateway.drain(settings.grace)
            accepts.cancel_scope.cancel()
            connections.cancel_scope.cancel()
