"""The composition root: settings become a store, services and listeners. The only place that
knows everything."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import NamedTuple

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
from realtime.gateway.limits import GatewayLimits
from realtime.ops import OpsServer
from realtime.settings import Settings, host_and_port
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
        partial(authenticate_token, store, parts.clock),
        partial(living_session, store, parts.clock),
        VERSION,
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
    task_status: trio.TaskStatus[Listening] = trio.TASK_STATUS_IGNORED,
) -> None:
    """Serves until `stop` is set, then drains within the grace time. `services` are yours: see
    `Parts.services`."""
    store = SqliteStore.open(settings.database, readers=settings.readers)
    try:
        port = await trio.open_tcp_listeners(
            host_and_port(settings.media)[1], host=host_and_port(settings.media)[0]
        )
        media: tuple[str, int] = port[0].socket.getsockname()[:2]
        base = settings.media_url.rstrip("/") or f"http://{media[0]}:{media[1]}"
        core, signer = await build(
            Parts(
                store=store,
                limits=_limits(settings),
                media_base=base,
                tickets=TicketSettings(
                    presets=PRESET_NAMES, largest=LARGEST, max_bytes=settings.max_upload
                ),
                services=services,
            )
        )
        async with (
            core.running(settings.grace),
            _media_host(settings, core, signer, port),
            _listening(settings, core, media) as where,
        ):
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
    finally:
        with trio.CancelScope(shield=True):
            await store.aclose()
    log.info("stopped")


@asynccontextmanager
async def _media_host(
    settings: Settings, core: Core, signer: Signer, listeners: list[trio.SocketListener]
) -> AsyncIterator[None]:
    """Serves media on the listeners; on the way out what is under way has the grace time."""
    own = MediaSettings(
        cache_folder=settings.cache,
        cache_bytes=settings.cache_bytes,
        workers=settings.image_workers,
        max_upload_bytes=settings.max_upload,
        grace_seconds=min(5.0, settings.grace),
    )
    metrics = MediaMetrics(core.metrics)

    def progress(user_id: int, media_id: str, received: int, total: int) -> None:
        news = UploadProgress(media_id=media_id, received=received, total=total)
        core.signals.to_user(user_id, Signal(upload_progress=news))

    deps = MediaDeps(
        settings=own,
        reads=core.store,
        committer=core.batcher,
        blobs=LocalBlobs(settings.blobs),
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
            yield
        finally:
            shutdown.set()


@asynccontextmanager
async def _listening(
    settings: Settings, core: Core, media: tuple[str, int]
) -> AsyncIterator[Listening]:
    """Listens; on the way out accepts no more. The connections are the core's to drain."""

    async def ready() -> dict[str, str]:
        return {"gateway": "draining"} if core.gateway.draining else {}

    async with trio.open_nursery() as connections, trio.open_nursery() as listeners:
        where = []
        for address, handler in (
            (settings.listen, core.gateway.handle),
            (settings.ops, OpsServer(core.metrics, ready).handle),
        ):
            host, port = host_and_port(address)
            serve = partial(
                trio.serve_tcp, handler, port, host=host, handler_nursery=connections, backlog=1024
            )
            opened: list[trio.SocketListener] = await listeners.start(serve)
            where.append(opened[0].socket.getsockname()[:2])
        try:
            yield Listening(websocket=where[0], media=media, ops=where[1])
        finally:
            listeners.cancel_scope.cancel()
            with trio.CancelScope(shield=True):
                await core.gateway.drain(settings.grace)
            connections.cancel_scope.cancel()


def _limits(settings: Settings) -> CoreLimits:
    return CoreLimits(
        gateway=GatewayLimits(
            heartbeat=settings.heartbeat, max_connections=settings.max_connections
        ),
        calls=CallLimits(
            user_rate=Rate(settings.calls_per_second, settings.calls_burst),
            sensitive_rate=Rate(settings.sensitive_per_minute / 60, 60),
        ),
    )
