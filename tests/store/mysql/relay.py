"""A line to the database that goes silent, breaks, or loses the answer to a commit."""

from __future__ import annotations

import contextlib
import socket
import struct
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from enum import Enum, auto

import trio

from store.mysql.address import Address

COMMIT = (b"\x03COMMIT", b"; COMMIT")  # alone, or after statements that went with it
BROKEN = (OSError, trio.BrokenResourceError, trio.ClosedResourceError)


class Loss(Enum):
    """What is lost of the next commit; the connection breaks with it."""

    ANSWER = auto()
    COMMAND = auto()


class Catch:
    """A command that does not arrive until it is let go, nor what follows on its connection."""

    def __init__(self, wanted: Callable[[bytes], bool]) -> None:
        self.wanted = wanted
        self.caught = trio.Event()
        self._end = trio.Event()
        self._arrives = True

    def let_go(self, *, arrives: bool = True) -> None:
        """On its way to the server; or nowhere, and the connection ends."""
        self._arrives = arrives
        self._end.set()

    async def hold(self) -> bool:
        """Returns whether it is to be forwarded."""
        self.caught.set()
        await self._end.wait()
        return self._arrives


class Relay:
    """Forwards bytes both ways between stores and a server."""

    def __init__(self, target: Address) -> None:
        self._target = target
        self._loss: Loss | None = None
        self._then_silent = False
        self._refusing = False
        self._resets = 0
        self._catch: Catch | None = None
        self._open: set[trio.SocketStream] = set()
        self._audible = trio.Event()
        self._audible.set()
        self.address = target
        self.lost = 0  # commits

    def lose(self, loss: Loss, *, then_silent: bool = False) -> None:
        self._loss = loss
        self._then_silent = then_silent

    def silence(self) -> None:
        """From here on bytes are neither forwarded nor refused."""
        self._audible = trio.Event()

    def go_on(self) -> None:
        self._audible.set()

    async def cut(self) -> None:
        """From here on there is no connection, and none is made."""
        self._refusing = True
        await self.break_all()

    def mend(self) -> None:
        self._refusing = False

    def catch(self, wanted: Callable[[bytes], bool]) -> Catch:
        """Holds back the next command whose bytes are wanted."""
        self._catch = Catch(wanted)
        return self._catch

    def catch_nothing(self) -> None:
        self._catch = None

    def reset(self, count: int) -> None:
        """So many of the next connections end as soon as they are made."""
        self._resets = count

    async def break_all(self) -> None:
        for stream in list(self._open):
            await trio.aclose_forcefully(stream)

    async def run(self, task_status: trio.TaskStatus[None]) -> None:
        listeners = await trio.open_tcp_listeners(0, host="127.0.0.1")
        port = listeners[0].socket.getsockname()[1]
        self.address = replace(self._target, host="127.0.0.1", port=port)
        task_status.started()
        await trio.serve_listeners(self._handle, listeners)

    async def _handle(self, client: trio.SocketStream) -> None:
        with contextlib.suppress(*BROKEN):
            await self._audible.wait()
            if self._resets:
                self._resets -= 1
                client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                client.socket.close()
                return
            if self._refusing:
                await trio.aclose_forcefully(client)
                return
            server = await trio.open_tcp_stream(self._target.host, self._target.port)
            both = {client, server}
            self._open |= both
            try:
                async with client, server, trio.open_nursery() as nursery:
                    scope = nursery.cancel_scope
                    committing = trio.Event()
                    nursery.start_soon(self._ask, client, server, committing, scope)
                    nursery.start_soon(self._answer, server, client, committing, scope)
            finally:
                self._open -= both

    async def _ask(
        self,
        client: trio.SocketStream,
        server: trio.SocketStream,
        committing: trio.Event,
        end: trio.CancelScope,
    ) -> None:
        with contextlib.suppress(*BROKEN):
            async for data in client:
                await self._audible.wait()
                catch = self._catch
                if catch is not None and catch.wanted(bytes(data)):
                    self._catch = None
                    if not await catch.hold():
                        break
                if self._loss is not None and data.endswith(COMMIT):
                    loss, self._loss = self._loss, None
                    self.lost += 1
                    if loss is Loss.COMMAND:
                        break
                    committing.set()
                await server.send_all(data)
        end.cancel()

    async def _answer(
        self,
        server: trio.SocketStream,
        client: trio.SocketStream,
        committing: trio.Event,
        end: trio.CancelScope,
    ) -> None:
        with contextlib.suppress(*BROKEN):
            async for data in server:
                await self._audible.wait()
                if committing.is_set():
                    if self._then_silent:
                        self.silence()
                    break
                await client.send_all(data)
        end.cancel()


@asynccontextmanager
async def open_relay(target: Address) -> AsyncIterator[Relay]:
    relay = Relay(target)
    async with trio.open_nursery() as nursery:
        await nursery.start(relay.run)
        try:
            yield relay
        finally:
            nursery.cancel_scope.cancel()
