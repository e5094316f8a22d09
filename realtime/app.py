"""The composition root: settings become a store, services and listeners. The only place that
knows everything."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import NamedTuple

import structlog
import trio
from prometheus_client import CollectorRegistry

from media.urls import Signer
from realtime.accepting import accepting
from realtime.blobs import make_tables, open_blobs
from realtime.core import Core
from realtime.events.ledger import KEEP
from realtime.events.retention import Keep
from realtime.files import Doors, FileLimit, raise_file_limit
from realtime.fitting import (
    Fittings,
    fit_out,
    fittings_of,
    keep_of,
    load_or_make_keys,
    projections,
)
from realtime.hosting import media_host
from realtime.housekeeping import Collector
from realtime.log_copy import Topic, check_topic, find_topic
from realtime.redis import Connect, others_of, redis_of
from realtime.seen import keep_noting
from realtime.settings import Settings
from realtime.startup import Listening, StartError, data_folder, listen
from realtime.stores import (
    bring_up_to_date,
    name_of,
    open_store,
    refuse_old_backup,
    store_starts,
)
from rpc.context import CodeSender
from rpc.views import Views
from store.interface import Store
from store.log import read_head

log = structlog.get_logger("app")


@dataclass(frozen=True, kw_only=True)
class Parts(Fittings):
    """What a node in one process is made of, where it may differ."""

    store: Store
    check: bool = False
    """Whether to refuse a database that is not up to date instead of migrating it."""
    connect: Connect | None = None
    """Where there are other nodes on the store, the way to them."""
    keep: Keep = KEEP
    """How long entries stay in the log."""
    topic: Topic | None = None
    """Where the log is copied to, and read from."""


class Built(NamedTuple):
    core: Core
    signer: Signer


async def build(parts: Parts) -> Built:
    """A node over the store, which is brought up to date; verified, ready for `Core.running`."""
    store = parts.store
    await bring_up_to_date(store, check=parts.check)
    keys = await load_or_make_keys(store)
    head = await store.read(read_head)
    urls = Signer([keys.media], parts.media_base)
    metrics = CollectorRegistry()
    others = await others_of(parts.connect, store, head, metrics)
    copy = None
    if parts.topic is not None:
        copy = parts.topic.copy(store, head.epoch, parts.clock, metrics)
    core = Core(store, parts.clock, Views(urls), head, parts.limits, metrics, others, copy)
    core.add_consumers(projections(parts.timelines), parts.keep)
    fit_out(core, parts, keys, urls)
    return Built(core, urls)


async def run(
    settings: Settings,
    *,
    stop: trio.Event,
    services: Sequence[object] = (),
    sender: CodeSender | None = None,
    task_status: trio.TaskStatus[Listening] = trio.TASK_STATUS_IGNORED,
) -> None:
    """Serves until `stop` is set, then drains within the grace time. `services` are yours: see
    `Parts.services`; `sender` brings sign-in codes, by default to the log. Raises
    `StartError`."""
    if settings.workers > 1:
        raise StartError("several workers are started by the command, or by realtime.serving")
    connect = redis_of(settings)
    limit = raise_file_limit()
    with data_folder(settings.data):
        async with open_store(settings) as store, _listeners(settings) as sockets:
            own = (services, sender)
            await _serve(settings, store, connect, *own, limit, sockets, stop, task_status)
    log.info("stopped")


async def _serve(
    settings: Settings,
    store: Store,
    connect: Connect | None,
    services: Sequence[object],
    sender: CodeSender | None,
    limit: FileLimit,
    sockets: Sockets,
    stop: trio.Event,
    task_status: trio.TaskStatus[Listening],
) -> None:
    where = Listening(*(_where(listeners) for listeners in sockets))
    await check_topic(settings)
    fittings = fittings_of(settings, services, sender, where.media)
    parts = Parts(
        store=store,
        check=settings.migrate == "check",
        connect=connect,
        keep=keep_of(settings),
        topic=find_topic(settings),
        **vars(fittings),
    )
    with store_starts(settings):
        core, signer = await build(parts)
        await refuse_old_backup(store, settings.data)
    await make_tables(settings, store, check=parts.check)
    async with open_blobs(settings, parts.clock) as blobs, trio.open_nursery() as background:
        doors = Doors(limit, core.metrics, background)
        async with (
            core.running(settings.grace),
            media_host(
                settings,
                doors.guard(sockets.media),
                reads=store,
                committer=core.committer,
                blobs=blobs,
                signer=signer,
                clock=core.clock,
                signals=core.signals,
                registry=core.metrics,
            ) as media,
            accepting(settings, core, doors.guard(sockets.websocket), doors.guard_ops(sockets.ops)),
        ):
            background.start_soon(
                keep_noting, settings.data, core.delivery.epoch, lambda: core.delivery.position
            )
            background.start_soon(Collector(store, blobs, parts.clock, core.metrics).run)
            log.info(
                "serving",
                websocket=where.websocket,
                media=where.media,
                ops=where.ops,
                data=str(settings.data),
                store=name_of(settings),
            )
            task_status.started(where)
            await stop.wait()
            log.info("stopping", grace=settings.grace)
            media.set()  # both drain side by side, within one grace
        background.cancel_scope.cancel()


class Sockets(NamedTuple):
    """What listens, by role."""

    websocket: list[trio.SocketListener]
    media: list[trio.SocketListener]
    ops: list[trio.SocketListener]


@asynccontextmanager
async def _listeners(settings: Settings) -> AsyncIterator[Sockets]:
    """Opens all three before anything is served: who connects meanwhile waits."""
    async with AsyncExitStack() as stack:
        opened = []
        for what, flag, address in (
            ("websocket", "listen", settings.listen),
            ("media", "media", settings.media),
            ("ops", "ops", settings.ops),
        ):
            listeners = await listen(what, flag, address)
            for listener in listeners:
                stack.push_async_callback(listener.aclose)
            opened.append(listeners)
        yield Sockets(*opened)


def _where(listeners: list[trio.SocketListener]) -> tuple[str, int]:
    host, port = listeners[0].socket.getsockname()[:2]
    return host, port
