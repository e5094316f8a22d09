"""Taking in a file: checked while it streams, complete and sane before anybody sees it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AbstractAsyncContextManager, contextmanager
from typing import Protocol

import trio

from media.errors import (
    BadRequest,
    Busy,
    MediaError,
    Missing,
    NotAllowed,
    Stalled,
    Taken,
)
from media.images.sniff import SNIFF_BYTES
from media.metrics import MediaMetrics
from media.settings import MediaSettings
from media.uploads.incoming import Incoming, open_incoming
from media.uploads.intake import Intake, MediaType, known_type
from media.uploads.progress import OnProgress, Progress
from media.uploads.resumable import Upload
from media.urls import UploadUrl
from media.workers.pools import Workers
from media.workers.scratch import Scratch
from rpc.context import Committer, Reads
from store.blobs import BlobStore
from store.changes.media import StoreMedia
from store.errors import Conflict, DomainError, NotFound
from store.queries.media import media_by_id
from store.records import MediaRecord


class Body(Protocol):
    """The bytes of a request as they come. The iterator ends with the body, whole."""

    def __aiter__(self) -> AsyncIterator[bytes]: ...


KeepReduced = Callable[[bytes, bytes], Awaitable[None]]


class Uploads:
    """Receives PUTs. A finished upload is durable in the blob store and in the log; any other
    leaves nothing behind."""

    def __init__(
        self,
        settings: MediaSettings,
        reads: Reads,
        committer: Committer,
        blobs: BlobStore,
        workers: Workers,
        metrics: MediaMetrics,
        on_progress: OnProgress,
        keep_reduced: KeepReduced | None = None,
    ) -> None:
        """`keep_reduced` is given the reduced copy of a large photograph, by its digest."""
        self._settings = settings
        self._keep_reduced = keep_reduced
        self._reads = reads
        self._committer = committer
        self._blobs = blobs
        self._metrics = metrics
        self.progress = Progress(on_progress)
        self._intake = Intake(settings, blobs, workers)
        self._scratch = Scratch(settings.scratch_folder)
        self._open = 0

    async def receive(
        self, ticket: UploadUrl, body: Body, content_length: int | None
    ) -> MediaRecord:
        """Takes the one body of a verified ticket. Answers a repeat with the same bytes as the
        first time. Raises `MediaError`, or the store's errors."""
        if ticket.partial:
            raise Missing("a partial upload takes no PUT")
        media = await self.reserved(ticket)
        upload = Upload(media.size, 0, ticket.expires_ms)
        upload.fits(self._settings.max_upload_bytes)
        if content_length is not None:
            upload.announce(content_length)
        with self.counted(), trio.move_on_after(self._settings.upload_seconds):
            async with self.incoming() as incoming:
                kind = await self._stream(media, upload, body, incoming)
                return await self.complete(media, kind, incoming)
        raise Stalled("the upload takes too long")

    async def reserved(self, ticket: UploadUrl) -> MediaRecord:
        """The object that a ticket is for. Raises `Missing` or `NotAllowed`."""
        media = (await self._reads.read(media_by_id, [ticket.media_id])).get(ticket.media_id)
        if media is None:
            raise Missing("no such ticket")
        if not ticket.partial and ticket.max_bytes != media.size:
            raise NotAllowed("the ticket is for another size")
        return media

    @contextmanager
    def counted(self) -> Iterator[None]:
        """One of the uploads that may be under way at once. Raises `Busy`."""
        if self._open >= self._settings.max_uploads:
            raise Busy("too many uploads at once")
        self._open += 1
        self._metrics.uploads.set(self._open)
        try:
            yield
        except MediaError as error:
            self._metrics.refusals.labels(error.code).inc()
            raise
        finally:
            self._open -= 1
            self._metrics.uploads.set(self._open)

    def incoming(self) -> AbstractAsyncContextManager[Incoming]:
        """Room for the bytes of an object."""
        return open_incoming(self._blobs, self._scratch)

    async def complete(
        self, media: MediaRecord, kind: MediaType, incoming: Incoming
    ) -> MediaRecord:
        """Makes the object of all its bytes. Raises `MediaError`, or the store's errors."""
        info = await incoming.finish()
        if media.stored and media.blob_hash != info.digest:
            raise Taken("other bytes were stored under this ticket")
        if media.blob_hash not in (b"", info.digest):
            raise BadRequest("the bytes do not have the announced digest")
        if media.stored:
            return media
        found = await self._intake.describe(kind, incoming, media.purpose)
        await incoming.commit()
        if found.reduced and self._keep_reduced is not None:
            await self._keep_reduced(info.digest, found.reduced)
        pending = self._committer.submit(
            StoreMedia(
                media_id=media.id,
                blob_hash=info.digest,
                size=info.size,
                mime=found.mime,
                width=found.width,
                height=found.height,
                color=found.color,
                thumbhash=found.thumbhash,
                motion=found.motion,
                files=found.files,
            )
        )
        try:
            return await pending.wait()
        except NotFound as error:
            raise Missing(error.message) from error
        except Conflict as error:
            raise Taken(error.message) from error
        except DomainError as error:
            raise BadRequest(error.message) from error

    async def next_piece(self, pieces: AsyncIterator[bytes]) -> bytes | None:
        """None at the end of a body. Raises `Stalled`."""
        with trio.move_on_after(self._settings.stall_seconds):
            return await anext(pieces, None)
        raise Stalled("the body has stalled")

    async def _stream(
        self, media: MediaRecord, upload: Upload, body: Body, incoming: Incoming
    ) -> MediaType:
        """Everything that comes, up to the announced size and not a byte more."""
        kind: MediaType | None = None
        pieces = aiter(body)
        with self.progress.follow(media, media.id, {}) as at:
            while (piece := await self.next_piece(pieces)) is not None:
                upload = upload.received(len(piece))
                await incoming.write(piece)
                if kind is None and len(incoming.begin) >= min(SNIFF_BYTES, media.size):
                    kind = known_type(incoming.begin)
                self._metrics.uploaded_bytes.inc(len(piece))
                at(upload.offset)
        upload.end()
        return kind or known_type(incoming.begin)
