"""Websocket dialers on trio-websocket."""

from __future__ import annotations

import itertools
import math
import ssl
from collections.abc import Awaitable, Callable, Iterable
from random import Random
from urllib.parse import urlsplit

import trio
from trio_websocket import wrap_client_stream

from rpc.client.options import Dial, DialError
from rpc.transport import Transport, WebSocketTransport
from rpc.wire import SUBPROTOCOL

MAX_MESSAGE_BYTES = 8 * 1024 * 1024  # from the server; a larger one ends the connection
RECEIVE_BYTES = 64 * 1024
DIAL_SECONDS = (
    5.0  # for one node of several; one that is stopped takes connections and says nothing
)

Stream = trio.SSLStream[trio.SocketStream] | trio.SocketStream


def dial_url(
    url: str,
    *,
    ssl_context: ssl.SSLContext | None = None,
    max_message_bytes: int = MAX_MESSAGE_BYTES,
    within: float = math.inf,
) -> Dial:
    """Dials `ws://host:port/path` or `wss://…`, which must answer within so many seconds, the
    handshake included. Raises `ValueError` for another kind of URL."""
    parts = urlsplit(url)
    if parts.scheme not in ("ws", "wss") or not parts.hostname:
        raise ValueError(f"not a ws:// or wss:// URL: {url!r}")
    host = parts.hostname
    secure = parts.scheme == "wss"
    port = parts.port or (443 if secure else 80)
    resource = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")

    async def connect() -> Stream:
        if secure:
            context = ssl_context or ssl.create_default_context()
            return await trio.open_ssl_over_tcp_stream(
                host, port, ssl_context=context, https_compatible=True
            )
        return await trio.open_tcp_stream(host, port)

    async def open_socket(nursery: trio.Nursery) -> Transport:
        try:
            stream = await connect()
        except OSError as error:
            raise DialError(f"{url}: {error}") from error
        try:
            transport = await shake_hands(stream, nursery)
        except BaseException:
            await trio.aclose_forcefully(stream)
            raise
        nursery.start_soon(hold_open, stream)
        return transport

    async def shake_hands(stream: Stream, nursery: trio.Nursery) -> Transport:
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
            refused = handshake.refused
            why = repr(refused) if refused else "the connection ended in the handshake"
            raise DialError(f"{url}: {why}") from refused
        handshake.done = True
        if socket.subprotocol != SUBPROTOCOL:
            raise DialError(f"{url}: the server does not speak {SUBPROTOCOL}")
        return WebSocketTransport(socket, nursery.cancel_scope.cancel, peer=parts.netloc)

    async def dial(nursery: trio.Nursery) -> Transport:
        with trio.move_on_after(within):
            return await open_socket(nursery)
        raise DialError(f"{url}: no answer within {within:g} seconds")

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


def dial_urls(
    urls: Iterable[str],
    *,
    ssl_context: ssl.SSLContext | None = None,
    within: float = DIAL_SECONDS,
    random: Random | None = None,
) -> Dial:
    """Dials the nodes of one server, any of which will do (see `dial_any`). Of several, each has
    so many seconds to answer. Raises `ValueError` for what is no URL, and for none."""
    found = list(urls)
    limit = within if len(found) > 1 else math.inf
    return dial_any(
        (dial_url(url, ssl_context=ssl_context, within=limit) for url in found), random=random
    )


def dial_any(dials: Iterable[Dial], *, random: Random | None = None) -> Dial:
    """Goes over the list once, until one answers; begins behind the one that was dialed last.

    So a client stays where it is as long as its connection lasts, and goes elsewhere when the
    connection ends, whether the node is gone, hangs or merely refuses the hello. The pauses of
    the client lie between two rounds of the list: however many there are, each is dialed no
    more often than if it were alone. The list is shuffled, so that clients spread.
    """
    nodes = list(dials)
    if not nodes:
        raise ValueError("no URLs")
    (random or Random()).shuffle(nodes)
    turns = itertools.cycle(nodes)

    async def dial(nursery: trio.Nursery) -> Transport:
        problems = []
        for one in itertools.islice(turns, len(nodes)):
            try:
                return await one(nursery)
            except DialError as error:
                problems.append(str(error))
        raise DialError("; ".join(problems))

    return dial
