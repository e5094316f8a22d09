"""Websocket dialers on trio-websocket."""

from __future__ import annotations

import ssl
from collections.abc import Awaitable, Callable, Sequence
from urllib.parse import urlsplit

import trio
from trio_websocket import wrap_client_stream

from rpc.client.options import Dial, DialError
from rpc.transport import Transport, WebSocketTransport
from rpc.wire import SUBPROTOCOL

MAX_MESSAGE_BYTES = 8 * 1024 * 1024  # from the server; a larger one ends the connection
RECEIVE_BYTES = 64 * 1024


def dial_url(
    url: str,
    *,
    ssl_context: ssl.SSLContext | None = None,
    max_message_bytes: int = MAX_MESSAGE_BYTES,
) -> Dial:
    """Dials `ws://host:port/path` or `wss://…`. Raises `ValueError` for another kind of URL."""
    parts = urlsplit(url)
    if parts.scheme not in ("ws", "wss") or not parts.hostname:
        raise ValueError(f"not a ws:// or wss:// URL: {url!r}")
    host = parts.hostname
    secure = parts.scheme == "wss"
    port = parts.port or (443 if secure else 80)
    resource = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")

    async def dial(nursery: trio.Nursery) -> Transport:
        stream: trio.SSLStream[trio.SocketStream] | trio.SocketStream
        try:
            if secure:
                context = ssl_context or ssl.create_default_context()
                stream = await trio.open_ssl_over_tcp_stream(
                    host, port, ssl_context=context, https_compatible=True
                )
            else:
                stream = await trio.open_tcp_stream(host, port)
        except OSError as error:
            raise DialError(f"{url}: {error}") from error
        nursery.start_soon(hold_open, stream)
        handshake = _Handshake(nursery)
        with handshake.waiting:
            socket = await wrap_client_stream(
                handshake,  # type: ignore[arg-type]  # starts the reader in it, no more
                stream,
                parts.netloc.rpartition("@")[2],
                resource,
                subprotocols=[SUBPROTOCOL],
                max_message_size=max_message_bytes,
                receive_buffer_size=RECEIVE_BYTES,
            )
        if handshake.waiting.cancelled_caught:
            await trio.aclose_forcefully(stream)
            refused = handshake.refused
            why = repr(refused) if refused else "the connection ended in the handshake"
            raise DialError(f"{url}: {why}") from refused
        handshake.done = True
        if socket.subprotocol != SUBPROTOCOL:
            await trio.aclose_forcefully(stream)
            raise DialError(f"{url}: the server does not speak {SUBPROTOCOL}")
        return WebSocketTransport(socket, nursery.cancel_scope.cancel, peer=parts.netloc)

    return dial


class _Handshake:
    """Ends the wait for a handshake that cannot come any more. The library would wait for
    ever when the connection ends first; a refusal, or an answer that is no HTTP, it lets fall
    into the nursery, as errors of several libraries.
    """

    def __init__(self, nursery: trio.Nursery) -> None:
        self.waiting = trio.CancelScope()
        self.refused: Exception | None = None
        self.done = False
        self._nursery = nursery

    def start_soon(self, reader: Callable[[], Awaitable[None]]) -> None:
        self._nursery.start_soon(self._run, reader)

    async def _run(self, reader: Callable[[], Awaitable[None]]) -> None:
        try:
            await reader()
        except Exception as error:
            if self.done:
                raise
            self.refused = error
        finally:
            self.waiting.cancel()


async def hold_open(stream: trio.abc.AsyncResource) -> None:
    """Closes the stream when the connection's nursery ends, however it ends."""
    try:
        await trio.sleep_forever()
    finally:
        await trio.aclose_forcefully(stream)


def dial_urls(urls: Sequence[str], *, ssl_context: ssl.SSLContext | None = None) -> Dial:
    """Dials the URLs in turn, beginning with the one that answered last."""
    if not urls:
        raise ValueError("no URLs")
    dials = [dial_url(url, ssl_context=ssl_context) for url in urls]
    first = 0

    async def dial(nursery: trio.Nursery) -> Transport:
        nonlocal first
        problems = []
        for offset in range(len(dials)):
            index = (first + offset) % len(dials)
            try:
                transport = await dials[index](nursery)
            except DialError as error:
                problems.append(str(error))
                continue
            first = index
            return transport
        raise DialError("; ".join(problems))

    return dial
