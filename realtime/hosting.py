"""The media host of a server."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from functools import partial

import trio
from prometheus_client import CollectorRegistry

from media.app import MediaDeps, open_media
from media.metrics import MediaMetrics
from media.server import MediaServer
from media.settings import MediaSettings, conversions
from media.urls import Signer
from media.workers.pools import Lane
from realtime.files import GuardedListener
from realtime.settings import Settings
from rpc.context import Clock, Committer, Reads, Signals
from rpc.proto.frames_pb2 import PrepareProgress, Signal, UploadProgress
from rpc.rates import Rate
from store.blobs import BlobStore


@asynccontextmanager
async def media_host(
    settings: Settings,
    listeners: Sequence[GuardedListener],
    *,
    reads: Reads,
    committer: Committer,
    blobs: BlobStore,
    signer: Signer,
    clock: Clock,
    signals: Signals,
    registry: CollectorRegistry,
) -> AsyncIterator[trio.Event]:
    """Serves media on the listeners until the event that it yields is set, or the context ends;
    then what is under way has the grace time."""
    own = MediaSettings(
        cache_folders=settings.cache_folders,
        scratch_folder=settings.scratch,
        cache_bytes=settings.cache_bytes,
        hot_bytes=settings.cache_memory,
        decodes=Lane("decode", workers=(settings.image_workers + 1) // 2),
        encodes=Lane("encode", workers=settings.image_workers),
        conversions=conversions(settings.video_workers),
        max_upload_bytes=settings.max_upload,
        header_seconds=settings.handshake,
        stall_seconds=settings.stall,
        send_seconds=settings.stall,
        grace_seconds=settings.grace,
        rate=Rate(settings.requests_per_second, settings.requests_burst),
        proxies=tuple(filter(None, settings.proxies.split(","))),
        origins=tuple(filter(None, settings.origins.split(","))),
    )
    metrics = MediaMetrics(registry)

    def progress(user_id: int, media_id: str, received: int, total: int) -> None:
        news = UploadProgress(media_id=media_id, received=received, total=total)
        signals.to_user(user_id, Signal(upload_progress=news))

    def prepared(user_id: int, media_id: str, percent: int) -> None:
        news = PrepareProgress(media_id=media_id, percent=percent)
        signals.to_user(user_id, Signal(prepare_progress=news))

    deps = MediaDeps(
        settings=own,
        reads=reads,
        committer=committer,
        blobs=blobs,
        signer=signer,
        clock=clock,
        metrics=metrics,
        on_progress=progress,
        on_prepared=prepared,
    )
    shutdown = trio.Event()
    async with open_media(deps) as host, trio.open_nursery() as nursery:
        server = MediaServer(host, own, metrics)
        await nursery.start(partial(server.serve, listeners, shutdown=shutdown))
        try:
            yield shutdown
        finally:
            shutdown.set()
