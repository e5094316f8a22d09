"""Websocket dialers on trio-websocket."""

from __future__ import annotations

import ssl
from collections.abc import Sequence
from urllib.parse import urlsplit

import trio
from trio_websocket import ConnectionClosed, HandshakeError, connect_websocket_url

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

    async def dial(nursery: trio.Nursery) -> Transport:
        try:
            socket = await connect_websocket_url(
                nursery,
                url,
                ssl_context,
                subprotocols=[SUBPROTOCOL],
                max_message_size=max_message_bytes,
                receive_buffer_size=RECEIVE_BYTES,
            )
        except (OSError, HandshakeError, ConnectionClosed, ssl.SSLError) as error:
            raise DialError(f"{url}: {error or type(error).__name__}") from error
        if socket.subprotocol != SUBPROTOCOL:
            await trio.lowlevel.checkpoint()
            raise DialError(f"{url}: the server does not speak {SUBPROTOCOL}")
        return WebSocketTransport(socket, nursery.cancel_scope.cancel, peer=parts.netloc)

    return dial


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
