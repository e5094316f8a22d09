"""The server of the harness."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from typing import Any

import trio

from realtime.app import Parts, build
from realtime.clock import TrioClock
from realtime.core import Core, CoreLimits
from realtime.redis import Connect
from realtime.testing.client import TestClient
from realtime.testing.dial import open_transport
from realtime.testing.line import Line
from realtime.testing.streams import FaultyStream, socket_pair
from rpc.registry import SERVICES, Method, methods
from rpc.transport import Transport
from store.interface import Store
from store.sqlite import SqliteStore

DEFAULT_SOCKETS = False  # a suite that is to hold on both transports changes it


@asynccontextmanager
async def _in_memory() -> AsyncIterator[Store]:
    store = SqliteStore.in_memory()
    try:
        yield store
    finally:
        await store.aclose()


# One that is to hold on several stores changes this.
DEFAULT_STORE: Callable[[], AbstractAsyncContextManager[Store]] = _in_memory

BUFFER = 4096  # bytes that a socket of a pair holds: a peer who does not read is soon noticed


class RememberingSender:
    """A code sender that keeps the codes for the test to read."""

    def __init__(self) -> None:
        self.codes: dict[str, str] = {}

    async def send_code(self, address: str, code: str) -> None:
        self.codes[address] = code

    async def code_of(self, address: str) -> str:
        return self.codes[address]


class QuickHasher:
    """A password hasher without a thread or a cost."""

    async def hash(self, password: str) -> str:
        return hashlib.sha256(password.encode()).hexdigest()

    async def verify(self, stored: str, password: str) -> bool:
        return bool(stored) and stored == await self.hash(password)

    def needs_rehash(self, stored: str) -> bool:
        return False


class TestServer:
    """A running node and its clients. `core` gives access to every part of it."""

    __test__ = False

    def __init__(
        self,
        core: Core,
        sender: RememberingSender,
        known: dict[str, Method],
        nursery: trio.Nursery,
        patience: float,
        sockets: bool,
    ) -> None:
        self.core = core
        self._sockets = sockets
        self._ends: list[trio.SocketStream] = []
        self.sender = sender
        self._methods = known
        self._nursery = nursery
        self._patience = patience

    def client(self) -> TestClient:
        """A client that has not connected yet."""
        return TestClient(self._dial, self._methods, self._patience)

    async def connect(self, token: str = "") -> TestClient:
        """A connected client, of the session that the token opens."""
        client = self.client()
        client.token = token
        await client.connect()
        return client

    async def sign_up(self, username: str) -> TestClient:
        """A new user, signed in on a connected client."""
        client = self.client()
        await client.sign_up(username, self.sender.code_of)
        return client

    async def settled(self) -> None:
        """Returns when every consumer and the delivery have taken in what was committed."""
        await self.core.settled()

    def line(self) -> Line:
        """A line for `rpc.client.open_client(line.dial, …)`, which may be cut and held down."""
        return Line(self.stream)

    def stream(self) -> trio.abc.HalfCloseableStream:
        """A raw client's end of a new connection: the server has accepted the other."""
        ours: trio.abc.HalfCloseableStream
        theirs: trio.abc.HalfCloseableStream
        if self._sockets:
            ours, theirs = _socket_pair()
            self._ends.append(ours)
        else:
            ours, theirs = socket_pair()
        self._nursery.start_soon(self.core.gateway.handle, theirs)
        return ours

    def _close(self) -> None:
        """Closes the ends of clients that their test has left open."""
        for end in self._ends:
            end.socket.close()

    async def _dial(self, client: TestClient) -> tuple[Transport, FaultyStream]:
        stream = FaultyStream(self.stream())
        transport = await open_transport(self._nursery, stream, client.read, self._patience)
        return transport, stream


@asynccontextmanager
async def open_test_server(
    *,
    limits: CoreLimits | None = None,
    services: Sequence[object] = (),
    store: Store | None = None,
    patience: float = 30.0,
    sockets: bool | None = None,
    connect: Connect | None = None,
) -> AsyncIterator[TestServer]:
    """Runs a whole server. `services` are served beside Sunwire's own, or instead of those
    with the same descriptor; `patience` is how long an expectation waits (seconds). With
    `sockets` the connections are pairs of connected sockets, which the fast transport serves,
    instead of streams in memory (None: as `DEFAULT_SOCKETS` says, which is False). `connect` is
    the way to other servers on the store.

    What the block raises comes out as itself, not within groups: a failed assertion reads well.
    """
    async with AsyncExitStack() as stack:
        if store is None:
            store = await stack.enter_async_context(DEFAULT_STORE())
        async with _over(store, connect, limits, services, patience, sockets) as server:
            yield server


@asynccontextmanager
async def _over(
    store: Store,
    connect: Connect | None,
    limits: CoreLimits | None,
    services: Sequence[object],
    patience: float,
    sockets: bool | None,
) -> AsyncIterator[TestServer]:
    sender = RememberingSender()
    core, _ = await build(
        Parts(
            store=store,
            connect=connect,
            clock=TrioClock(),
            sender=sender,
            hasher=QuickHasher(),
            limits=limits or CoreLimits(),
            services=services,
        )
    )
    descriptors: Iterable[Any] = {*SERVICES, *(s.DESCRIPTOR for s in services)}  # type: ignore[attr-defined]
    failure: Exception | None = None
    async with core.running(grace=1.0), trio.open_nursery() as nursery:
        on_sockets = DEFAULT_SOCKETS if sockets is None else sockets
        server = TestServer(core, sender, methods(descriptors), nursery, patience, on_sockets)
        try:
            yield server
        except Exception as error:  # raised below, outside the nurseries
            failure = error
        nursery.cancel_scope.cancel()
    server._close()
    if failure is not None:
        raise failure


def _socket_pair() -> tuple[trio.SocketStream, trio.SocketStream]:
    """Two ends of a connection within the system, with small buffers."""
    ends = trio.socket.socketpair()
    for end in ends:
        end.setsockopt(trio.socket.SOL_SOCKET, trio.socket.SO_SNDBUF, BUFFER)
    return trio.SocketStream(ends[0]), trio.SocketStream(ends[1])
