"""Services under test: the real dispatcher, batcher and store, and people who call."""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from contextlib import asynccontextmanager
from typing import Any, TypeVar

import pytest
import trio
from google.protobuf.message import Message
from prometheus_client import CollectorRegistry

from realtime.events.batcher import Batcher
from rpc.dispatch import Dispatcher
from rpc.errors import CallError, Code
from rpc.metrics import CallMetrics
from rpc.proto import media_pb2, stubs
from rpc.proto.frames_pb2 import Call, Committed
from rpc.registry import SERVICES, Registry
from rpc.views import Views
from rpc.wire import decode_server
from store.log import Batch
from store.records import MediaRecord
from tests.store.social import USERS, Social, open_social

A = TypeVar("A", bound=Message)


class Urls:
    """Media URLs that show what was asked for."""

    def upload_url(self, media_id: str, max_bytes: int, expires_ms: int) -> str:
        return f"/up/{media_id}"

    def public_url(self, media: MediaRecord) -> str:
        return f"/m/{media.id}" if media.purpose.is_public else ""

    def stream_url(self, media: MediaRecord) -> str:
        return f"/s/{media.id}" if media.purpose.is_public else ""

    def private_url(
        self, media: MediaRecord, viewer_id: int, preset: str, expires_ms: int, ext: str = "jpg"
    ) -> str:
        return f"/p/{media.id}/{viewer_id}"

    def variant_url(
        self, media: MediaRecord, variant: media_pb2.Variant, viewer_id: int, expires_ms: int
    ) -> str:
        return f"/p/{media.id}/{viewer_id}/{variant.width}"


class Person:
    """A signed-in user with a device (`rpc.context.Identity`), and his typed clients
    (`rpc.proto.stubs.Caller`).

    Each call has a fresh op_key, unless `op_key` is set: then that one, until it is cleared.
    """

    session_id = 1
    device_id = b"d" * 16
    device = client = address = "test"

    def __init__(self, kit: Kit, user_id: int) -> None:
        self._kit = kit
        self.user_id = user_id
        self.op_key = b""
        self.posts = stubs.PostsClient(self)
        self.likes = stubs.LikesClient(self)
        self.comments = stubs.CommentsClient(self)
        self.follows = stubs.FollowsClient(self)
        self.blocks = stubs.BlocksClient(self)
        self.pages = stubs.PagesClient(self)
        self.notifications = stubs.NotificationsClient(self)

    def cursor(self) -> bytes:
        return b""

    async def signed_in(self, user_id: int, session_id: int) -> None:
        raise AssertionError("no service of these tests signs in")

    def sign_out(self) -> None:
        raise AssertionError("no service of these tests signs out")

    async def call(
        self, method: str, request: Message, answer: type[A], *, timeout: float | None = None
    ) -> A:
        """Sends a call as its frame and reads the frame of its answer."""
        call = Call(
            id=7,
            method=method,
            op_key=self.op_key or secrets.token_bytes(16),
            payload=request.SerializeToString(),
        )
        dispatcher = self._kit.dispatcher
        now_ms = _Clock(self._kit.world).now_ms()
        prepared = dispatcher.prepare(self, call, trio.current_time(), now_ms)
        (frame,) = decode_server(await dispatcher.run(prepared))
        if frame.HasField("failure"):
            failure = frame.failure
            raise CallError(
                failure.code,
                failure.message,
                retry_after_ms=failure.retry_after_ms,
                committed=failure.committed,
                details=dict(failure.details),
            )
        return answer.FromString(frame.result.payload)


class Kit:
    """What `serving` gives: `world` is the store with its helpers."""

    def __init__(self, world: Social, batcher: Batcher, dispatcher: Dispatcher) -> None:
        self.world = world
        self.batcher = batcher
        self.dispatcher = dispatcher
        self.batches: list[Batch] = []

    def person(self, user_id: int) -> Person:
        return Person(self, user_id)

    async def repeated(
        self, person: Person, call: Callable[[Any], Any], request: Message
    ) -> tuple[Any, Any]:
        """The answers to a call sent twice with one op_key. The second must leave no entry."""
        person.op_key = secrets.token_bytes(16)
        try:
            first = await call(request)
            head = await self.world.head()
            second = await call(request)
            assert await self.world.head() == head
        finally:
            person.op_key = b""
        return first, second


class _Clock:
    def __init__(self, world: Social) -> None:
        self._world = world

    def now_ms(self) -> int:
        self._world.now_ms += 1000
        return self._world.now_ms


@asynccontextmanager
async def serving(
    make: Callable[[Views], Sequence[object]], users: Iterable[int] = USERS
) -> AsyncIterator[Kit]:
    """Serves what `make` builds over a store in memory with users as `tests.store.social` has."""
    world = await open_social(users)
    services = make(Views(Urls()))
    names = {type(one).DESCRIPTOR.name for one in services}  # type: ignore[attr-defined]
    registry = Registry(services, [one for one in SERVICES if one.name in names])
    clock = _Clock(world)
    batches: list[Batch] = []
    batcher = Batcher(world.store, clock, batches.append)
    metrics = CallMetrics(CollectorRegistry())
    kit = Kit(world, batcher, Dispatcher(registry, world.store, batcher, metrics))
    kit.batches = batches
    async with trio.open_nursery() as nursery:
        nursery.start_soon(batcher.run)
        try:
            yield kit
        finally:
            batcher.close()
    await world.store.aclose()


@asynccontextmanager
async def refused(code: Code, field: str = "") -> AsyncIterator[None]:
    """The call within must fail with `code`, with nothing committed, naming `field`."""
    with pytest.raises(CallError) as caught:
        yield
    assert caught.value.code == code, caught.value
    assert caught.value.committed == Committed.COMMITTED_NO
    if field:
        assert caught.value.details["field"] == field
