"""Uploads in parts: what has come stays, through disconnections, restarts and changes of node.

A request's body becomes parts of a few MiB, each a durable blob with a row that says where it
belongs (`store.queries.upload_parts`). The last one makes the object of them all.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import suppress

import trio

from media.errors import (
    BadRequest,
    Busy,
    MediaError,
    MediaRefused,
    Missing,
    OffsetConflict,
    Stalled,
    Taken,
    WrongType,
)
from media.intake import known_type
from media.metrics import MediaMetrics
from media.resumable import Checksum, Upload
from media.settings import MediaSettings
from media.sniff import SNIFF_BYTES
from media.uploads import Body, OnProgress, Uploads, check_length
from media.urls import UploadUrl
from rpc.context import Committer, Reads
from store.blobs import CHUNK, BlobStore, Staged
from store.changes.media import DropTicket
from store.errors import Conflict, Corrupt, DomainError, NotFound, StoreError
from store.queries.upload_parts import add_part, drop_parts, upload_parts
from store.records import MediaRecord

PART = 4 * 1024**2  # bytes; what a crash of the server may cost of a request under way
KEEP_SECONDS = 10.0  # to keep what has come of a request that was cut off


class PartUploads:
    """What the front ends of resumable uploads stand on."""

    def __init__(
        self,
        settings: MediaSettings,
        reads: Reads,
        committer: Committer,
        blobs: BlobStore,
        uploads: Uploads,
        metrics: MediaMetrics,
        on_progress: OnProgress,
    ) -> None:
        self._settings = settings
        self._reads = reads
        self._committer = committer
        self._blobs = blobs
        self._uploads = uploads
        self._metrics = metrics
        self._on_progress = on_progress

    async def look(self, ticket: UploadUrl) -> tuple[MediaRecord, Upload]:
        """The object and where its upload stands. Raises `MediaError`."""
        media = await self._uploads.reserved(ticket)
        check_length(media.size, None, self._settings.max_upload_bytes)
        offset = media.size
        if not media.stored:
            parts = await self._reads.read(upload_parts, media.id)
            offset = sum(part.size for part in parts)
        return media, Upload(media.size, offset, ticket.expires_ms)

    async def append(
        self,
        ticket: UploadUrl,
        offset: int,
        body: Body,
        content_length: int | None,
        now_ms: int,
        checksum: Checksum | None = None,
    ) -> tuple[MediaRecord, Upload]:
        """Takes a body that goes on from `offset`; with the last byte the object is stored.

        What has come when the client leaves, or stalls, is kept; with a checksum all of it or
        nothing. Of two requests at one offset one is refused. Raises `MediaError`, or the
        store's errors; after a refusal of the bytes themselves the upload is at 0 again.
        """
        media, upload = await self.look(ticket)
        upload.begin(offset, content_length, now_ms)
        with self._uploads.counted(), trio.move_on_after(self._settings.upload_seconds):
            if not upload.finished:
                upload = await self._take(media, upload, aiter(body), checksum)
            return await self._settled(media, upload), upload
        raise Busy("the upload takes too long: go on from its offset")

    async def settle(self, ticket: UploadUrl) -> tuple[MediaRecord, Upload]:
        """Where an upload stands; one that has all its bytes, but whose server died before it
        made the object of them, is finished now."""
        media, upload = await self.look(ticket)
        if media.stored or not upload.finished:
            return media, upload
        with self._uploads.counted():
            return await self._settled(media, upload), upload

    async def terminate(self, ticket: UploadUrl) -> None:
        """The upload and its ticket are gone. Raises `Taken` for one that is finished."""
        media = await self._uploads.reserved(ticket)
        if not await self._committer.submit(DropTicket(media_id=media.id)).wait():
            raise Taken("the upload is finished")

    async def _take(
        self,
        media: MediaRecord,
        upload: Upload,
        pieces: AsyncIterator[bytes],
        checksum: Checksum | None,
    ) -> Upload:
        more = True
        while more:
            async with self._blobs.stage() as staged:
                if checksum is None:
                    try:
                        more = await self._fill(media, upload, staged, pieces, PART)
                    except (trio.Cancelled, Stalled):  # cut off: what came is as good as any
                        with suppress(MediaError, StoreError):
                            await self._keep(media, upload, staged)
                        raise
                else:
                    more = await self._fill(media, upload, staged, pieces, media.size, checksum)
                    checksum.check()
                upload = await self._keep(media, upload, staged)
        return upload

    async def _fill(
        self,
        media: MediaRecord,
        upload: Upload,
        staged: Staged,
        pieces: AsyncIterator[bytes],
        limit: int,
        checksum: Checksum | None = None,
    ) -> bool:
        """Until the part has `limit` bytes, or the body ends: then it is False."""
        told = 0
        while True:
            piece = await self._uploads.next_piece(pieces)
            if piece is None:
                return False
            now = upload.received(staged.size + len(piece))
            if upload.offset == staged.size == 0 and len(piece) >= SNIFF_BYTES:
                known_type(piece[:SNIFF_BYTES])
            if checksum is not None:
                checksum.update(piece)
            await staged.write(piece)
            self._metrics.uploaded_bytes.inc(len(piece))
            if staged.size - told >= CHUNK or now.finished:
                told = staged.size
                self._on_progress(media.owner_id, media.id, now.offset, now.length)
            if staged.size >= limit and not now.finished:
                return True

    async def _keep(self, media: MediaRecord, upload: Upload, staged: Staged) -> Upload:
        """Makes a part durable. The blob comes first: a row never lacks its bytes."""
        if not staged.size:
            return upload
        with trio.move_on_after(KEEP_SECONDS) as scope:
            scope.shield = True
            await staged.finish()
            info = await staged.commit()
            try:
                await self._reads.write(add_part, media.id, upload.offset, info.size, info.digest)
            except NotFound as error:
                raise Missing(error.message) from error
            except Conflict as error:
                _, now = await self.look(UploadUrl(media.id, media.size))
                raise OffsetConflict(now.offset) from error
            except DomainError as error:
                raise BadRequest(error.message) from error
            return upload.received(info.size)
        raise Busy("the blob store is too slow")

    async def _settled(self, media: MediaRecord, upload: Upload) -> MediaRecord:
        if media.stored or not upload.finished:
            return media
        parts = await self._reads.read(upload_parts, media.id)
        if sum(part.size for part in parts) != media.size:  # another request was faster
            return await self._uploads.reserved(UploadUrl(media.id, media.size))
        async with self._blobs.stage() as staged:
            begin = b""
            try:
                for part in parts:
                    async with self._blobs.open(part.digest) as blob:
                        async for chunk in blob.chunks():
                            begin += chunk[: SNIFF_BYTES - len(begin)]
                            await staged.write(chunk)
                return await self._uploads.complete(media, known_type(begin), staged)
            except (NotFound, Corrupt) as error:
                await self._reads.write(drop_parts, media.id)
                raise Busy("what had come is damaged: begin anew") from error
            except (WrongType, BadRequest, MediaRefused):
                await self._reads.write(drop_parts, media.id)
                raise
