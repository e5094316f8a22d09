"""The composition root: settings become a store, services and listeners. The only place that
knows everything."""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Any, NamedTuple

import structlog
import trio
from prometheus_client import CollectorRegistry

from media.app import MediaDeps, open_media
from media.metrics import MediaMetrics
from media.presets import LARGEST, PRESET_NAMES
from media.server import MediaServer
from media.settings import MediaSettings
from media.urls import Signer
from realtime.clock import SystemClock
from realtime.code_sender import LoggingCodeSender
from realtime.core import Core, CoreLimits
from realtime.files import Doors, FileLimit, GuardedListener, raise_file_limit
from realtime.gateway.limits import GatewayLimits
from realtime.housekeeping import Collector
from realtime.ops import REQUEST_TIMEOUT, OpsServer
from realtime.settings import Settings
from realtime.startup import data_folder, listen, store_starts
from rpc.context import Clock, CodeSender
from rpc.dispatch import CallLimits
from rpc.passwords import Argon2Hasher, PasswordHasher
from rpc.proto.frames_pb2 import Signal, UploadProgress
from rpc.rates import Rate
from rpc.registry import Registry
from rpc.services.auth import Auth
from rpc.services.chat import Chat
from rpc.services.comments import Comments
from rpc.services.follows import Follows
from rpc.services.likes import Likes
from rpc.services.media import Media, TicketSettings
from rpc.services.notifications import Notifications
from rpc.services.pages import Pages
from rpc.services.posts import Posts
from rpc.services.users import Users
from rpc.tokens import authenticate_token, living_session
from rpc.views import Views
from store.blobs import LocalBlobs
from store.interface import Store
from store.log import read_head
from store.projections.counters import CountersProjection
from store.projections.home import HomeProjection
from store.projections.notifications import NotificationsProjection
from store.queries.secrets import load_or_create_secret
from store.sqlite import SqliteStore

log = structlog.get_logger("app")

VERSION = "sunwire/0.1.0"
SECRET_BYTES = 32


@dataclass(frozen=True, kw_only=True)
class Parts:
    """What a node is made of where it may differ: tests put their own in."""

    store: Store
    clock: Clock = field(default_factory=SystemClock)
    sender: CodeSender = field(default_factory=LoggingCodeSender)
    hasher: PasswordHasher = field(default_factory=Argon2Hasher)
    limits: CoreLimits = field(default_factory=CoreLimits)
    tickets: TicketSettings = field(
        default_factory=partial(TicketSettings, presets=PRESET_NAMES, largest=LARGEST)
    )
    media_base: str = "http://127.0.0.1:7401"
    services: Sequence[object] = ()
    """Served beside Sunwire's own, or instead of the one with the same descriptor."""
    fast: bool = sys.platform == "linux"
    """Whether sockets are served by the fast transport; other streams never are."""


class Built(NamedTuple):
    core: Core
    signer: Signer


async def build(parts: Parts) -> Built:
    """Migrates the store and builds a node over it, verified and ready for `Core.running`."""
    store = parts.store
    applied = await store.migrate()
    if applied:
        log.info("migrated", applied=applied)
    secret = await store.write(load_or_create_secret, "accounts", SECRET_BYTES)
    media_key = await store.write(load_or_create_secret, "media", SECRET_BYTES)
    head = await store.read(read_head)
    urls = Signer([media_key], parts.media_base)
    views = Views(urls)
    core = Core(store, parts.clock, views, head, parts.limits, CollectorRegistry())
    core.add_consumers([HomeProjection(), CountersProjection(), NotificationsProjection()])
    own: list[object] = [
        Auth(parts.sender, parts.hasher, secret, views),
        Users(views),
        Chat(views, core.signals, core.signals),
        Posts(views),
        Likes(views),
        Comments(views),
        Follows(views),
        Pages(views),
        Notifications(views),
        Media(views, urls, parts.tickets),
    ]
    replaced = {getattr(service, "DESCRIPTOR", None) for service in parts.services}
    services = [s for s in own if s.DESCRIPTOR not in replaced]  # type: ignore[attr-defined]
    core.serve(
        Registry([*services, *parts.services]),
        partial(authenticate_token, store, parts.clock, core.last_uses),
        partial(living_session, store, parts.clock),
        VERSION,
        fast=parts.fast,
    )
    return Built(core, urls)


@dataclass(frozen=True)
class Listening:
    """Where a running server listens: (host, port) of each."""

    websocket: tuple[str, int]
    media: tuple[str, int]
    ops: tuple[str, int]


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
    limit = raise_file_limit()
    with data_folder(settings.data):
        with store_starts(settings.data):
            store = SqliteStore.open(settings.database, readers=settings.readers)
        try:
            async with _listeners(settings) as sockets:
                own = (services, sender or LoggingCodeSender())
                await _serve(settings, store, *own, limit, sockets, stop, task_status)
        finally:
            with trio.CancelScope(shield=True):
                await store.aclose()
    log.info("stopped")


async def _serve(
    settings: Settings,
    store: Store,
    services: Sequence[object],
    sender: CodeSender,
    limit: FileLimit,
    sockets: Sockets,
    stop: trio.Event,
    task_status: trio.TaskStatus[Listening],
) -> None:
    where = Listening(*(_where(listeners) for listeners in sockets))
    base = settings.media_url.rstrip("/") or f"http://{where.media[0]}:{where.media[1]}"
    parts = Parts(
        store=store,
        sender=sender,
        limits=_limits(settings),
        media_base=base,
        tickets=TicketSettings(
            presets=PRESET_NAMES, largest=LARGEST, max_bytes=settings.max_upload
        ),
        services=services,
        fast=Parts.fast if settings.transport == "auto" else settings.transport == "fast",
    )
    with store_starts(settings.data):
        blobs = LocalBlobs(settings.blobs, now_ms=parts.clock.now_ms)
        core, signer = await build(parts)
    async with trio.open_nursery() as background:
        doors = Doors(limit, core.metrics, background)
        async with (
            core.running(settings.grace),
            _media_host(settings, core, signer, blobs, doors.guard(sockets.media)) as media,
            _accepting(
                settings, core, doors.guard(sockets.websocket), doors.guard_ops(sockets.ops)
            ),
        ):
            background.start_soon(Collector(store, blobs, parts.clock, core.metrics).run)
            log.info(
                "serving",
                websocket=where.websocket,
                media=where.media,
                ops=where.ops,
                data=str(settings.data),
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


@asynccontextmanager
async def _media_host(
    settings: Settings,
    core: Core,
    signer: Signer,
    blobs: LocalBlobs,
    listeners: Sequence[GuardedListener],
) -> AsyncIterator[trio.Event]:
    """Serves media on the listeners until the event that it yields is set, or the context ends;
    then what is under way has the grace time."""
    own = MediaSettings(
        cache_folder=settings.cache,
        cache_bytes=settings.cache_bytes,
        workers=settings.image_workers,
        max_upload_bytes=settings.max_upload,
        header_seconds=settings.handshake,
        stall_seconds=settings.stall,
        send_seconds=settings.stall,
        grace_seconds=settings.grace,
    )
    metrics = MediaMetrics(core.metrics)

    def progress(user_id: int, media_id: str, received: int, total: int) -> None:
        news = UploadProgress(media_id=media_id, received=received, total=total)
        core.signals.to_user(user_id, Signal(upload_progress=news))

    deps = MediaDeps(
        settings=own,
        reads=core.store,
        committer=core.batcher,
        blobs=blobs,
        signer=signer,
        clock=core.clock,
        metrics=metrics,
        on_progress=progress,
    )
    shutdown = trio.Event()
    async with open_media(deps) as host, trio.open_nursery() as nursery:
        server = MediaServer(host, own, metrics)
        await nursery.start(partial(server.serve, listeners, shutdown=shutdown))
        try:
            yield shutdown
        finally:
            shutdown.set()


@asynccontextmanager
async def _accepting(
    settings: Settings,
    core: Core,
    websocket: Sequence[GuardedListener],
    ops: Sequence[GuardedListener],
) -> AsyncIterator[None]:
    """Accepts connections; on the way out no more, and those there are sent away. The operations
    port answers until they are gone: that the server drains is its news."""

    async def ready() -> dict[str, str]:
        return {"gateway": "draining"} if core.gateway.draining else {}

    ops_server = OpsServer(core.metrics, ready, min(settings.handshake, REQUEST_TIMEOUT))
    async with trio.open_nursery() as connections, trio.open_nursery() as accepting:
        scopes = []
        for handler, listeners in ((core.gateway.handle, websocket), (ops_server.handle, ops)):
            scopes.append(trio.CancelScope())
            await accepting.start(_accept, scopes[-1], handler, listeners, connections)
        try:
            yield
        finally:
            scopes[0].cancel()
            with trio.CancelScope(shield=True):
                await core.gateway.drain(settings.grace)
            accepting.cancel_scope.cancel()
            connections.cancel_scope.cancel()


async def _accept(
    scope: trio.CancelScope,
    handler: Callable[[trio.SocketStream], Awaitable[None]],
    listeners: Sequence[GuardedListener],
    connections: trio.Nursery,
    task_status: trio.TaskStatus[Any],
) -> None:
    """Accepts until the scope is cancelled."""
    with scope:
        await trio.serve_listeners(
            handler, list(listeners), handler_nursery=connections, task_status=task_status
        )


def _limits(settings: Settings) -> CoreLimits:
    return CoreLimits(
        gateway=GatewayLimits(
            heartbeat=settings.heartbeat,
            max_connections=settings.max_connections,
            handshake_timeout=settings.handshake,
            hello_timeout=settings.handshake,
            send_timeout=settings.stall,
        ),
        calls=CallLimits(
            user_rate=Rate(settings.calls_per_second, settings.calls_burst),
            sensitive_rate=Rate(settings.sensitive_per_minute / 60, 60),
        ),
    )
