"""A dispatcher over the probe service, a real batcher and a gated store."""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import trio
from prometheus_client import CollectorRegistry

from realtime.clock import TrioClock
from realtime.events.batcher import Batcher
from rpc.dispatch import CallLimits, Dispatcher, PreparedCall
from rpc.errors import CallError
from rpc.metrics import CallMetrics
from rpc.proto.frames_pb2 import Call, ServerFrame
from rpc.registry import Registry
from rpc.wire import decode_server
from store.log import Batch
from tests.rpc.probe import PROBE, Ask, Probe, Told
from tests.store.gated import GatedStore, open_gated


@dataclass
class Someone:
    """An `Identity`: a user, or with `user_id=0` a stranger."""

    user_id: int = 1
    device_id: bytes = b"d" * 16
    address: str = "192.0.2.1"
    session_id: int = 1
    device: str = "test"
    client: str = "test"

    def cursor(self) -> bytes:
        return b""

    async def signed_in(self, user_id: int, session_id: int) -> None:
        raise AssertionError("the probe signs nobody in")

    def sign_out(self) -> None:
        raise AssertionError("the probe signs nobody out")


@dataclass
class Dispatching:
    """What `dispatching` gives. `probe` decides what the handlers do."""

    dispatcher: Dispatcher
    probe: Probe
    store: GatedStore
    batcher: Batcher
    metrics: CollectorRegistry
    on_commit: list[Callable[[], None]]
    """Called at each commit, before its callers hear of it."""
    me: Someone = field(default_factory=Someone)

    async def answer(
        self,
        name: str,
        request: Ask | None = None,
        *,
        who: Someone | None = None,
        op_key: bytes | None = None,
        timeout_ms: int = 0,
        scope: trio.CancelScope | None = None,
        payload: bytes | None = None,
    ) -> ServerFrame:
        """Sends a call as its frame; the frame of its answer."""
        call = Call(
            id=7,
            method=f"Probe.{name}",
            timeout_ms=timeout_ms,
            op_key=secrets.token_bytes(16) if op_key is None else op_key,
            payload=(request or Ask()).SerializeToString() if payload is None else payload,
        )
        try:
            now_ms = TrioClock().now_ms()
            prepared = self.dispatcher.prepare(who or self.me, call, trio.current_time(), now_ms)
        except CallError as error:
            data = self.dispatcher.refuse(call.id, call.method, error)
        else:
            if prepared.method.policy.inline:
                data = self.dispatcher.run_inline(prepared)
            else:
                data = await self._run(prepared, scope or trio.CancelScope())
        (frame,) = decode_server(data)
        return frame

    async def _run(self, prepared: PreparedCall, scope: trio.CancelScope) -> bytes:
        """What the gateway's workers do: they cancel, and have it answered."""
        scope.deadline = prepared.deadline
        data = b""
        with scope:
            data = await self.dispatcher.run(prepared)
        expired = trio.current_time() >= prepared.deadline
        return data or self.dispatcher.cut_short(prepared, expired=expired)

    async def failure(self, name: str, request: Ask | None = None, **options: Any) -> Any:
        frame = await self.answer(name, request, **options)
        assert frame.WhichOneof("frame") == "failure", frame
        assert frame.failure.id == 7
        return frame.failure

    async def result(self, name: str, request: Ask | None = None, **options: Any) -> int:
        """The number of the answer."""
        frame = await self.answer(name, request, **options)
        assert frame.WhichOneof("frame") == "result", frame
        assert frame.result.id == 7
        return Told.FromString(frame.result.payload).number

    def counted(self, method: str, code: str) -> float:
        labels = {"method": method, "code": code}
        return self.metrics.get_sample_value("sunwire_calls_total", labels) or 0.0


@asynccontextmanager
async def dispatching(limits: CallLimits | None = None) -> AsyncIterator[Dispatching]:
    store = await open_gated()
    clock = TrioClock()
    on_commit: list[Callable[[], None]] = []

    def committed(_: Batch) -> None:
        for call in on_commit:
            call()

    batcher = Batcher(store, clock, committed)
    probe, metrics = Probe(), CollectorRegistry()
    dispatcher = Dispatcher(
        Registry([probe], [PROBE]), store, batcher, CallMetrics(metrics), limits
    )
    async with trio.open_nursery() as nursery:
        nursery.start_soon(batcher.run)
        try:
            yield Dispatching(dispatcher, probe, store, batcher, metrics, on_commit)
        finally:
            store.release_all()
            batcher.close()
