"""Request bodies with back-pressure: a slow disk slows the client, and no memory fills.

Quart's own body takes in whatever comes. Here a piece is read from the connection only when
the piece before it has been taken, and what nobody wants any more is dropped.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import trio
from quart_trio.asgi import TrioASGIHTTPConnection

Receive = Callable[[], Awaitable[Any]]
BODY = "sunwire.body"  # where a handler finds the body in the ASGI scope


class RequestBody:
    """The bytes of one request. Iterate once; the iteration ends with the body, whole: a
    client that leaves before cancels the request instead."""

    def __init__(self) -> None:
        self._send, self._receive = trio.open_memory_channel[bytes](0)

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self._receive

    def discard(self) -> None:
        """Drops what has not been read, and all that still comes."""
        self._receive.close()

    async def fill(self, receive: Receive, on_disconnect: Callable[[], None]) -> None:
        """Passes on what comes, until the client leaves."""
        while True:
            message = await receive()
            if message["type"] == "http.disconnect":
                on_disconnect()
                return
            piece: bytes = message.get("body", b"")
            if piece:
                try:
                    await self._send.send(piece)
                except trio.BrokenResourceError:
                    pass  # discarded
            if not message.get("more_body", False):
                self._send.close()


class MediaConnection(TrioASGIHTTPConnection):
    """One request and its answer, the body being ours."""

    async def __call__(self, receive: Receive, send: Callable[[Any], Awaitable[None]]) -> None:
        body = RequestBody()
        scope: Any = self.scope
        scope[BODY] = body
        request = self._create_request_from_scope(send)
        ending = False

        async def send_on(message: Any) -> None:
            nonlocal ending
            ending = message["type"] == "http.response.body" and not message.get("more_body")
            await send(message)

        async with trio.open_nursery() as nursery:

            def disconnected() -> None:
                # With the last piece the server calls the client gone, and is then about to
                # make the connection ready for the next request: that must not be cancelled.
                if not ending:
                    nursery.cancel_scope.cancel()

            nursery.start_soon(body.fill, receive, disconnected)
            response = await self.app.handle_request(request)
            body.discard()  # so that the connection does not wait for a reader
            await self._send_response(send_on, response)
            nursery.cancel_scope.cancel()
