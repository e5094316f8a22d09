"""Uploads in parts: what has come stays, through disconnections, restarts and changes of node.

A request's body becomes parts of a few MiB, each a durable blob with a row that says where it
belongs (`store.queries.upload_parts`). The last one makes the object of them all.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import suppress

import trio

from media.errors import (
    BadRequest,
    Busy,
    Gone,
    MediaError,
    MediaRefused,
    Missing,
    OffsetConflict,
    Stalled,
    Taken,
    WrongType,
)
from media.images.sniff import SNIFF_BYTES
from media.metrics import MediaMetrics
from media.settings import MediaSettings
from media.uploads.intake import known_type
from media.uploads.put import Body, Uploads
from media.uploads.resumable import PARTIAL, Checksum, Upload
from media.uploads.turns import Turns
from media.urls import UploadUrl
from rpc.context import Committer, Reads
from store.blobs import BlobStore, Staged
from store.changes.media import DropTicket
from store.errors import Conflict, Corrupt, DomainError, NotFound, StoreError
from store.queries.upload_partials import Partial, join_of, partials_of
from store.queries.upload_parts import (
    Part,
    add_part,
    drop_partial,
    standing,
    upload_parts,
)
from store.records import MediaRecord
from store.transaction import Transaction

PART = 4 * 1024**2  # bytes; what a crash of the server may cost of a request under way
KEEP_SECONDS = 10.0  # to keep what has come of a request that was cut off


class PartUploads:
    """What the front ends of resumable uploads stand on. Of the requests for one upload, one
    is at it; `turns` is by its id."""

    def __init__(
        self,
        settings: MediaSettings,
        reads: Reads,
        committer: Committer,
        blobs: BlobStore,
        uploads: Uploads,
        metrics: MediaMetrics,
    ) -> None:
        self.turns = Turns()
        self._settings = settings
        self._reads = reads
        self._committer = committer
        self._blobs = blobs
        self._uploads = uploads
        self._metrics = metrics

    async def look(self, ticket: UploadUrl) -> tuple[MediaRecord, Upload]:
        """The object and where its upload stands. Raises `MediaError`."""
        media, upload, _ = await self._look(ticket)
        return media, upload

    async def _look(self, ticket: UploadUrl) -> tuple[MediaRecord, Upload, Sequence[Partial]]:
        """With the partial uploads beside a partial one."""
        media = await self._uploads.reserved(ticket)
        if ticket.partial:
            partials = await self._reads.read(partials_of, media.id)
            upload = _partial(ticket, partials)
            upload.fits(self._settings.max_upload_bytes)
            return media, upload, partials
        offset, concat = await self._reads.read(standing, media.id)
        if media.stored or concat:
            offset = media.size
        upload = Upload(media.size, offset, ticket.expires_ms, concat)
        upload.fits(self._settings.max_upload_bytes)
        return media, upload, ()

    async def append(
        self,
        ticket: UploadUrl,
        offset: int,
        body: Body,
        content_length: int | None,
        now_ms: int,
        checksum: Checksum | None = None,
        *,
        last: bool = True,
    ) -> tuple[MediaRecord, Upload]:
        """Takes a body that goes on from `offset`; with the last byte the object is stored,
        unless the client says that this is not the `last` request.

        What has come when the client leaves, or stalls, is kept; with a checksum all of it or
        nothing. A request that comes for the same upload ends this one, and so does a faster
        one on another server. Raises `MediaError`, or the store's errors; after a refusal of
        the whole there is no upload any more.
        """
        with self._uploads.counted(), trio.move_on_after(self._settings.upload_seconds):
            async with self.turns.take(ticket.upload_id) as turn:
                media, upload, partials = await self._look(ticket)
                upload.begin(offset, content_length, now_ms)
                if not upload.finished:
                    offsets = {one.id: one.offset for one in partials} or {media.id: offset}
                    with (
                        turn.waiting,
                        self._uploads.progress.follow(media, ticket.upload_id, offsets) as at,
                    ):
                        taking = _Taking(ticket, aiter(body), checksum, at)
                        upload = await self._take(taking, upload)
                    if turn.waiting.cancelled_caught:
                        _, upload = await self.look(ticket)
                        raise OffsetConflict(upload.offset)
                return await self._settled(media, upload) if last else media, upload
        raise Busy("the upload takes too long: go on from its offset")

    async def stand(self, ticket: UploadUrl) -> tuple[MediaRecord, Upload]:
        """Where an upload stands, now that no request is at it."""
        async with self.turns.take(ticket.upload_id):
            return await self.look(ticket)

    async def settle(self, ticket: UploadUrl) -> tuple[MediaRecord, Upload]:
        """Where an upload stands; one that has all its bytes, but whose server died before it
        made the object of them, is finished now."""
        async with self.turns.take(ticket.upload_id):
            media, upload = await self.look(ticket)
            if media.stored or not upload.finished or ticket.partial:
                return media, upload
            with self._uploads.counted():
                return await self._settled(media, upload), upload

    async def terminate(self, ticket: UploadUrl) -> None:
        """The upload is gone, and its ticket, unless it is a partial one. Raises `Taken` for one
        that is finished, or has become a piece of another."""
        media = await self._uploads.reserved(ticket)
        async with self.turns.take(ticket.upload_id):
            if not ticket.partial:
                if not await self._drop(media):
                    raise Taken("the upload is finished")
                return
            try:
                await self._reads.write(drop_partial, media.id, ticket.partial)
            except NotFound as error:
                raise Missing(error.message) from error
            except Conflict as error:
                raise Taken(error.message) from error

    async def _take(self, taking: _Taking, upload: Upload) -> Upload:
        more = True
        while more:
            async with self._blobs.stage() as staged:
                if taking.checksum is None:
                    try:
                        more = await self._fill(taking, upload, staged, PART)
                    except (trio.Cancelled, Stalled):  # cut off: what came is as good as any
                        with suppress(MediaError, StoreError):
                            await self._keep(taking, upload, staged)
                        raise
                else:
                    more = await self._fill(taking, upload, staged, upload.length)
                    taking.checksum.check()
                upload = await self._keep(taking, upload, staged)
        return upload

    async def _fill(self, taking: _Taking, upload: Upload, staged: Staged, limit: int) -> bool:
        """Until the part has `limit` bytes, or the body ends: then it is False."""
        while True:
            piece = await self._uploads.next_piece(taking.pieces)
            if piece is None:
                return False
            now = upload.received(staged.size + len(piece))
            if upload.offset == staged.size == 0 and len(piece) >= SNIFF_BYTES:
                taking.check_type(piece[:SNIFF_BYTES])
            if taking.checksum is not None:
                taking.checksum.update(piece)
            await staged.write(piece)
            self._metrics.uploaded_bytes.inc(len(piece))
            taking.at(now.offset)
            if staged.size >= limit and not now.finished:
                return True

    async def _keep(self, taking: _Taking, upload: Upload, staged: Staged) -> Upload:
        """Makes a part durable. The blob comes first: a row never lacks its bytes."""
        if not staged.size:
            return upload
        ticket = taking.ticket
        with trio.move_on_after(KEEP_SECONDS) as scope:
            scope.shield = True
            await staged.finish()
            info = await staged.commit()
            try:
                await self._reads.write(
                    add_part,
                    ticket.media_id,
                    ticket.partial,
                    upload.offset,
                    info.size,
                    info.digest,
                )
            except NotFound as error:
                raise Missing(error.message) from error
            except Conflict as error:
                _, now = await self.look(ticket)
                raise OffsetConflict(now.offset) from error
            except DomainError as error:
                raise BadRequest(error.message) from error
            return upload.received(info.size)
        raise Busy("the blob store is too slow")

    async def _settled(self, media: MediaRecord, upload: Upload) -> MediaRecord:
        if media.stored or not upload.finished or upload.is_partial:
            return media
        parts = await self._reads.read(_all_parts, media.id)
        if sum(part.size for part in parts) != media.size:  # another request was faster
            return await self._uploads.reserved(UploadUrl(media.id, media.size))
        async with self._uploads.incoming() as incoming:
            try:
                for part in parts:
                    async with self._blobs.open(part.digest) as blob:
                        async for chunk in blob.chunks():
                            await incoming.write(chunk)
                return await self._uploads.complete(media, known_type(incoming.begin), incoming)
            except (NotFound, Corrupt) as error:
                await self._drop(media)
                raise Gone("what had come is damaged: get a new ticket") from error
            except (WrongType, BadRequest, MediaRefused):
                await self._drop(media)
                raise

    async def _drop(self, media: MediaRecord) -> bool:
        """False for one that is finished. An offset that was told is never taken back: where
        the bytes are no good there is no upload any more."""
        return bool(await self._committer.submit(DropTicket(media_id=media.id)).wait())


class _Taking:
    """A request whose body is being taken."""

    def __init__(
        self,
        ticket: UploadUrl,
        pieces: AsyncIterator[bytes],
        checksum: Checksum | None,
        at: Callable[[int], None],
    ) -> None:
        self.ticket = ticket
        self.pieces = pieces
        self.checksum = checksum
        self.at = at

    def check_type(self, begin: bytes) -> None:
        """Of the first bytes of an upload, which are those of the object unless it is a partial
        one. Raises `WrongType`."""
        if not self.ticket.partial:
            known_type(begin)


def _partial(ticket: UploadUrl, partials: Sequence[Partial]) -> Upload:
    for one in partials:
        if one.id == ticket.partial and one.length == ticket.max_bytes:
            return Upload(one.length, one.offset, ticket.expires_ms, PARTIAL)
    raise Missing("no such upload")


async def _all_parts(tx: Transaction, media_id: str) -> list[Part]:
    """What the object is made of."""
    join = await join_of(tx, media_id)
    if join is None:
        return await upload_parts(tx, media_id)
    found = {one: await upload_parts(tx, one) for one in set(join.partials)}
    return [part for one in join.partials for part in found[one]]
