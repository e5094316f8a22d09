"""Dialing real sockets on the loopback."""

from __future__ import annotations

import socket
from collections.abc import Awaitable, Callable
from contextlib import closing
from functools import partial
from random import Random

import pytest
import trio
from trio_websocket import ConnectionClosed, WebSocketRequest, serve_websocket

from rpc.client import DialError, dial_url, dial_urls
from rpc.client.media import _address
from rpc.transport import TransportClosed
from rpc.wire import SUBPROTOCOL
from tests.rpc.client.fakes import InOrder

pytestmark = pytest.mark.real


async def echo(request: WebSocketRequest, *, subprotocol: str | None, size: int = 0) -> None:
    """Sends back what comes, or once a message of `size`."""
    socket = await request.accept(subprotocol=subprotocol)
    try:
        if size:
            await socket.send_message(b"x" * size)
        while True:
            await socket.send_message(await socket.get_message())
    except ConnectionClosed:
        return


async def open_server(
    nursery: trio.Nursery, handler: Callable[[WebSocketRequest], Awaitable[None]]
) -> str:
    server = await nursery.start(partial(serve_websocket, handler, "127.0.0.1", 0, None))
    return f"ws://127.0.0.1:{server.port}"


def closed_url() -> str:
    with closing(socket.socket()) as one:
        one.bind(("127.0.0.1", 0))
        return f"ws://127.0.0.1:{one.getsockname()[1]}"


async def test_a_websocket_with_the_subprotocol() -> None:
    async with trio.open_nursery() as nursery:
        url = await open_server(nursery, partial(echo, subprotocol=SUBPROTOCOL))
        async with trio.open_nursery() as sockets:
            transport = await dial_url(url)(sockets)
            await transport.send(b"hello")
            assert await transport.receive() == b"hello"
            assert transport.peer in url
            await transport.close(1000)
            sockets.cancel_scope.cancel()
        nursery.cancel_scope.cancel()


async def test_a_server_of_something_else_is_refused() -> None:
    async with trio.open_nursery() as nursery:
        url = await open_server(nursery, partial(echo, subprotocol=None))
        async with trio.open_nursery() as sockets:
            with pytest.raises(DialError, match=SUBPROTOCOL):
                await dial_url(url)(sockets)
            sockets.cancel_scope.cancel()
        nursery.cancel_scope.cancel()


async def test_nobody_there() -> None:
    async with trio.open_nursery() as sockets:
        with pytest.raises(DialError):
            await dial_url(closed_url())(sockets)


@pytest.mark.parametrize(
    "said",
    [
        b"",
        b"HTTP/1.1 101 Switching",
        b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n",
        b"not HTTP at all\r\n\r\n",
    ],
)
async def test_a_connection_that_ends_in_the_handshake_is_no_reason_to_wait(said: bytes) -> None:
    async def hang_up(stream: trio.SocketStream) -> None:
        async with stream:
            await stream.receive_some()
            if said:
                await stream.send_all(said)

    async with trio.open_nursery() as nursery:
        listeners = await nursery.start(partial(trio.serve_tcp, hang_up, 0, host="127.0.0.1"))
        port = listeners[0].socket.getsockname()[1]
        with trio.fail_after(5):
            async with trio.open_nursery() as sockets:
                with pytest.raises(DialError):
                    await dial_url(f"ws://127.0.0.1:{port}")(sockets)
                sockets.cancel_scope.cancel()
        nursery.cancel_scope.cancel()


async def test_too_large_a_message_ends_the_connection() -> None:
    async with trio.open_nursery() as nursery:
        handler = partial(echo, subprotocol=SUBPROTOCOL, size=2000)
        url = await open_server(nursery, handler)
        async with trio.open_nursery() as sockets:
            transport = await dial_url(url, max_message_bytes=1000)(sockets)
            with pytest.raises(TransportClosed) as closed:
                await transport.receive()
            assert closed.value.code == 1009
            sockets.cancel_scope.cancel()
        nursery.cancel_scope.cancel()


async def test_of_several_urls_one_that_answers_is_found() -> None:
    async with trio.open_nursery() as nursery:
        dead = closed_url()
        alive = await open_server(nursery, partial(echo, subprotocol=SUBPROTOCOL))
        for seed in range(4):
            dial = dial_urls([dead, alive], random=Random(seed))
            for _ in range(3):
                async with trio.open_nursery() as sockets:
                    assert (await dial(sockets)).peer in alive
                    sockets.cancel_scope.cancel()
        async with trio.open_nursery() as sockets:
            with pytest.raises(DialError, match=f"{dead}.*; .*"):
                await dial_urls([dead, dead])(sockets)
        nursery.cancel_scope.cancel()


async def test_one_of_several_that_says_nothing_does_not_hold_up() -> None:
    """As a stopped process: the system takes connections for it."""
    gone: list[bytes] = []

    async def be_silent(stream: trio.SocketStream) -> None:
        async with stream:
            gone.extend([bytes(data) async for data in stream])

    async with trio.open_nursery() as nursery:
        listeners = await nursery.start(partial(trio.serve_tcp, be_silent, 0, host="127.0.0.1"))
        silent = f"ws://127.0.0.1:{listeners[0].socket.getsockname()[1]}"
        alive = await open_server(nursery, partial(echo, subprotocol=SUBPROTOCOL))
        dial = dial_urls([silent, alive], within=0.1, random=InOrder())
        with trio.fail_after(5):
            for _ in range(2):
                async with trio.open_nursery() as sockets:
                    assert (await dial(sockets)).peer in alive
                    with trio.fail_after(1):
                        while not gone:  # its socket is not kept  # noqa: ASYNC110
                            await trio.sleep(0.01)
                    gone.clear()
                    sockets.cancel_scope.cancel()
        nursery.cancel_scope.cancel()


def test_what_is_no_websocket_url() -> None:
    for url in ("http://127.0.0.1", "127.0.0.1:7400", "ws://"):
        with pytest.raises(ValueError, match="URL"):
            dial_url(url)
    with pytest.raises(ValueError, match="no URLs"):
        dial_urls([])


def test_where_an_upload_goes() -> None:
    url = "https://media.example.org/u/abc?sig=1"
    assert _address(url, "") == url
    assert _address(url, "http://127.0.0.1:7401") == "http://127.0.0.1:7401/u/abc?sig=1"
    assert _address("/u/abc?sig=1", "http://localhost:1") == "http://localhost:1/u/abc?sig=1"
