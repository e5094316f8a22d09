"""A media host for the tests: a real store and batcher, blobs in memory, real workers."""

from __future__ import annotations

import hashlib
import json
import socket
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

import h11
import trio
from prometheus_client import CollectorRegistry

from media.app import LOCKS, MediaDeps, MediaHost, create_host, open_media
from media.cache.files import Cached, DiskCache
from media.cache.flights import Flights
from media.cache.locks import FileLocks
from media.metrics import MediaMetrics
from media.serving.access import Access
from media.serving.direct import Direct
from media.serving.variants import Variants
from media.settings import MediaSettings
from media.uploads.put import Uploads
from media.urls import Signer
from media.workers.pools import Lane, Pool, Workers
from media.workers.scratch import Scratch
from realtime.events.batcher import Batcher
from store.blobs import BlobStore, MemoryBlobs
from store.changes.media import ReserveMedia
from store.queries.media import media_by_id
from store.records import MediaRecord, Purpose
from store.sqlite import SqliteStore
from store.transaction import Transaction
from tests.closing import until_the_end

P = ParamSpec("P")
T = TypeVar("T")

NOW = 1_700_000_000_000
BASE = "http://media.test"
OWNER, OTHER = 1, 2
WAYS = ("quart", "direct")
WAY = "quart"


class Clock:
    def __init__(self) -> None:
        self.ms = NOW

    def now_ms(self) -> int:
        return self.ms


@dataclass
class Host:
    media: MediaHost
    store: SqliteStore
    batcher: Batcher
    blobs: BlobStore
    signer: Signer
    clock: Clock
    metrics: MediaMetrics
    registry: CollectorRegistry
    settings: MediaSettings
    progress: list[tuple[int, str, int, int]]
    uploads: Uploads  # as the application's own, over the same parts
    workers: Workers
    jobs: list[str]  # of inline workers, as they ran
    direct: Direct | None  # what is asked first for GET and HEAD, as at the server's sockets
    made: int = 0

    async def reserve(
        self, data: bytes, purpose: Purpose = Purpose.POST, sha256: bytes = b"", **fields: Any
    ) -> MediaRecord:
        self.made += 1
        values: dict[str, Any] = {
            "owner_id": OWNER,
            "media_id": f"{self.made:032x}",
            "purpose": purpose,
            "size": len(data),
            "sha256": sha256,
        }
        return await self.batcher.submit(ReserveMedia(**(values | fields))).wait()

    def ticket(self, media: MediaRecord, size: int | None = None, expires_ms: int = 0) -> str:
        """Path and query of a ticket."""
        return self.signer.upload_url(
            media.id, media.size if size is None else size, expires_ms or NOW + 1000
        ).removeprefix(BASE)

    def link(self, media: MediaRecord, viewer: int, preset: str = "") -> str:
        return self.signer.private_url(media, viewer, preset, NOW + 60_000).removeprefix(BASE)

    async def put(self, path: str, data: bytes, **headers: str) -> Reply:
        return await self.request("PUT", path, data, **headers)

    async def get(self, path: str, **headers: str) -> Reply:
        return await self.request("GET", path, b"", **headers)

    async def request(self, method: str, path: str, data: bytes = b"", **headers: str) -> Reply:
        """Header names come as keywords: `If_None_Match`."""
        if self.direct is not None and method in ("GET", "HEAD"):
            names = {name.replace("_", "-"): value for name, value in headers.items()}
            reply = await directly(self.direct, method, path, names)
            if reply is not None:
                return reply
        client: Any = self.media.app.test_client()
        response = await client.open(
            path,
            method=method,
            data=data,
            headers={name.replace("_", "-"): value for name, value in headers.items()},
        )
        return Reply(
            response.status_code, dict(response.headers), await response.get_data(as_text=False)
        )

    async def stored(self, data: bytes, purpose: Purpose = Purpose.POST) -> MediaRecord:
        """Reserves, uploads, and reads the row."""
        media = await self.reserve(data, purpose)
        reply = await self.put(self.ticket(media), data)
        assert reply.status == 201, reply
        return await self.row(media.id)

    async def row(self, media_id: str) -> MediaRecord:
        return (await self.store.read(media_by_id, [media_id]))[media_id]

    async def holds(self, data: bytes) -> bool:
        return await self.blobs.exists(hashlib.sha256(data).digest())

    def figure(self, name: str, **labels: str) -> float:
        return self.registry.get_sample_value(name, labels) or 0.0


async def directly(direct: Direct, method: str, path: str, headers: dict[str, str]) -> Reply | None:
    """What the direct way answers, read by somebody else's reader of HTTP; None where it leaves
    the request to others."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        ours.setblocking(False)
        theirs.setblocking(False)
        client = h11.Connection(h11.CLIENT)
        fields = [("Host", "media.test"), *headers.items()]
        theirs.sendall(client.send(h11.Request(method=method, target=path, headers=fields)) or b"")
        client.send(h11.EndOfMessage())
        left: list[bytes | None] = []
        reply = Reply(0, {}, b"")
        async with trio.open_nursery() as nursery:

            async def serve() -> None:
                left.append(await direct.serve(ours))
                nursery.cancel_scope.cancel()

            nursery.start_soon(serve)
            while type(event := client.next_event()) is not h11.EndOfMessage:
                if event is h11.NEED_DATA:
                    await trio.lowlevel.wait_readable(theirs)
                    client.receive_data(theirs.recv(65536))
                elif isinstance(event, h11.Response):
                    reply.status = event.status_code
                    reply.headers = {name.decode(): value.decode() for name, value in event.headers}
                elif isinstance(event, h11.Data):
                    reply.body += event.data
            nursery.cancel_scope.cancel()
    if left and left[0] is not None:
        return None
    assert abs(parsedate_to_datetime(reply.headers.pop("date")).timestamp() - time.time()) < 5
    return reply


@dataclass
class Reply:
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def code(self) -> str:
        """Of an error."""
        found: str = self.json["error"]["code"]
        return found


@asynccontextmanager
async def open_host(
    folder: Path,
    *,
    blobs: BlobStore | None = None,
    real_workers: bool = False,
    beside: Host | None = None,
    **settings: Any,
) -> AsyncIterator[Host]:
    """`WAY` says how its GETs and HEADs are answered. `beside` another host it is one more node on
    the same database and blobs."""
    if beside is None:
        store, clock = until_the_end(SqliteStore.in_memory()), Clock()
        await store.migrate()
        await store.write(_add_users)
    else:
        store, clock, blobs = beside.store, beside.clock, beside.blobs
    registry = CollectorRegistry()
    progress: list[tuple[int, str, int, int]] = []
    async with trio.open_nursery() as nursery:
        if beside is None:
            batcher = Batcher(store, clock, lambda batch: None)
            nursery.start_soon(batcher.run)
        else:
            batcher = beside.batcher
        deps = MediaDeps(
            settings=MediaSettings(
                **{
                    "cache_folders": (folder / "cache",),
                    "scratch_folder": folder / "scratch",
                    **settings,
                }
            ),
            reads=store,
            committer=batcher,
            blobs=blobs or MemoryBlobs(),
            signer=Signer([b"k" * 32], BASE),
            clock=clock,
            metrics=MediaMetrics(registry),
            on_progress=lambda *values: progress.append(values),
        )
        jobs: list[str] = []
        opened = _real(deps) if real_workers else _inline(deps, jobs)
        async with opened as (media, workers):
            uploads = Uploads(
                deps.settings,
                store,
                batcher,
                deps.blobs,
                workers,
                deps.metrics,
                deps.on_progress,
            )
            yield Host(
                media=media,
                uploads=uploads,
                workers=workers,
                jobs=jobs,
                store=store,
                batcher=batcher,
                blobs=deps.blobs,
                signer=deps.signer,
                clock=clock,
                metrics=deps.metrics,
                registry=registry,
                settings=deps.settings,
                progress=progress,
                direct=Direct(media.serving, media.limits, media.cors, deps.settings, deps.metrics)
                if WAY == "direct"
                else None,
            )
        if beside is None:
            batcher.close()


class InlinePool(Pool):
    """Runs jobs here and now: what they do is tested with real processes elsewhere."""

    def __init__(self, lane: Lane, metrics: MediaMetrics, jobs: list[str]) -> None:
        nowhere: Any = None
        super().__init__(lane, nowhere, metrics)
        self._jobs = jobs

    async def _run(self, name: str, fn: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        self._jobs.append(name)
        await trio.lowlevel.checkpoint()
        return fn(*args, **kwargs)


@asynccontextmanager
async def _real(deps: MediaDeps) -> AsyncIterator[tuple[MediaHost, Any]]:
    """What the server itself opens."""
    async with open_media(deps) as media:
        yield media, None


@asynccontextmanager
async def _inline(deps: MediaDeps, jobs: list[str]) -> AsyncIterator[tuple[MediaHost, Workers]]:
    settings = deps.settings
    cache = DiskCache(
        settings.cache_folders,
        deps.metrics,
        max_bytes=settings.cache_bytes,
        hot_bytes=settings.hot_bytes,
    )
    await cache.open()
    workers = Workers(
        InlinePool(settings.decodes, deps.metrics, jobs),
        InlinePool(settings.encodes, deps.metrics, jobs),
        InlinePool(settings.conversions, deps.metrics, jobs),
    )
    async with trio.open_nursery() as nursery:
        flights = Flights[str, Cached](nursery)
        locks = FileLocks(settings.cache_folders[0] / LOCKS)
        variants = Variants(
            deps.blobs,
            cache,
            workers,
            settings.image,
            flights,
            locks,
            deps.metrics,
            Scratch(settings.scratch_folder),
            settings.motion,
        )
        access = Access(deps.reads)
        nursery.start_soon(access.run)
        yield create_host(deps, workers, variants, access), workers
        nursery.cancel_scope.cancel()


async def _add_users(tx: Transaction) -> None:
    await tx.run_many(
        "INSERT INTO users (id, username, username_key, name, about, avatar_id, password, "
        "created_ms, changed) VALUES (?, ?, ?, '', '', '', '', 0, 0)",
        [(user, f"user{user}", f"user{user}") for user in (OWNER, OTHER)],
    )
