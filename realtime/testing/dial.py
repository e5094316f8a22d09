"""A test client's websocket over a stream that is connected already."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import trio
from trio_websocket import ConnectionClosed, HandshakeError, wrap_client_stream

from rpc.transport import Transport, WebSocketTransport
from rpc.wire import SUBPROTOCOL

LOST = (
    HandshakeError,
    ConnectionClosed,
    trio.BrokenResourceError,
    trio.ClosedResourceError,
    OSError,
)


async def open_transport(
    nursery: trio.Nursery,
    stream: trio.abc.HalfCloseableStream,
    read: Callable[[Transport], Awaitable[None]],
    patience: float,
) -> Transport:
    """Shakes hands and runs `read` in the nursery until the connection ends, which closes the
    stream. Raises `OSError` when there is no handshake within `patience` (seconds)."""
    scope = trio.CancelScope()
    opened: list[Transport] = []
    done = trio.Event()

    async def live() -> None:
        try:
            with scope:
                async with trio.open_nursery() as inner:
                    socket = await wrap_client_stream(
                        inner,
                        stream,  # type: ignore[arg-type]  # any stream will do
                        "localhost",
                        "/",
                        subprotocols=[SUBPROTOCOL],
                    )
                    transport = WebSocketTransport(socket, scope.cancel)
                    opened.append(transport)
                    done.set()
                    await read(transport)
                    inner.cancel_scope.cancel()
        except* LOST:
            pass  # the client sees that it is closed
        finally:
            done.set()
            await trio.aclose_forcefully(stream)

    nursery.start_soon(live)
    with trio.move_on_after(patience):
        await done.wait()
    if not opened:
        scope.cancel()
        raise OSError("no websocket handshake")
    return opened[0]
