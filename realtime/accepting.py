"""Takes connections for the websocket and the operations port."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
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
    async with trio.open_nursery() as connections, trio.open_nursery() as accepts:
        scopes = []
        for handler, listeners in ((front.gateway.handle, websocket), (ops_server.handle, ops)):
            if not listeners:
                continue
            scopes.append(trio.CancelScope())
            await accepts.start(_accept, scopes[-1], handler, listeners, connections)
        try:
            yield
        finally:
            scopes[0].cancel()
            with trio.CancelScope(shield=True):
                await front.gateway.drain(settings.grace)
            accepts.cancel_scope.cancel()
            connections.cancel_scope.cancel()


async def _accept(
    scope: trio.CancelScope,
    handler: Callable[[trio.SocketStream], Awaitable[None]],
    listeners: Sequence[GuardedListener],
    connections: trio.Nursery,
    task_status: trio.TaskStatus[Any],
) -> None:
    """Accepts until the scope is cancelled."""
    with scope:
        await trio.serve_listeners(
            handler, list(listeners), handler_nursery=connections, task_status=task_status
        )
