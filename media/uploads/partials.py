"""Uploads that are made of others: what tus calls concatenation.

A ticket's partial uploads have URLs of their own and take bytes as any upload does
(`media.uploads.parts`), several at once. What joins them says so once and for all, then makes the
object; if the server dies between the two, the next look at the ticket's upload goes on.
"""

from __future__ import annotations

import secrets
from collections.abc import Sequence

from media.errors import BadRequest, Missing, NotAllowed, Taken
from media.uploads.concat import join
from media.uploads.parts import PartUploads
from media.uploads.resumable import PARTIAL, Upload
from media.urls import UploadUrl
from rpc.context import Reads
from store.errors import Conflict, DomainError, NotFound
from store.queries.upload_partials import Partial, add_partial, join_partials, partials_of
from store.queries.upload_parts import MAX_PARTS


class Partials:
    """Raises `MediaError`, or the store's errors."""

    def __init__(self, reads: Reads, parts: PartUploads) -> None:
        self._reads = reads
        self._parts = parts

    async def create(self, ticket: UploadUrl, length: int) -> UploadUrl:
        """A new partial upload of the ticket, without bytes."""
        media, upload = await self._parts.look(ticket)
        upload.begin_partial(length)
        partial = secrets.token_hex(16)
        try:
            await self._reads.write(add_partial, media.id, partial, length)
        except DomainError as error:
            raise _refusal(error) from error
        return UploadUrl(media.id, length, ticket.expires_ms, partial)

    async def join(self, ticket: UploadUrl, pieces: Sequence[UploadUrl], concat: str) -> Upload:
        """Makes the object of partial uploads of its own ticket, in their order. `concat` is
        what the client will read of it. The same again is answered the same."""
        if any(not one.partial or one.media_id != ticket.media_id for one in pieces):
            raise NotAllowed("only partial uploads of the ticket itself are joined")
        media, upload = await self._parts.look(ticket)
        if upload.concat != concat:
            if media.stored:
                raise Taken("the upload is finished")
            there = {one.id: one for one in await self._reads.read(partials_of, media.id)}
            known = [_found(there, one) for one in pieces]
            join(upload, [Upload(one.length, one.offset, 0, PARTIAL) for one in known], concat)
            if sum(one.parts for one in known) > MAX_PARTS:
                raise BadRequest("the upload came in too many parts")
            try:
                await self._reads.write(
                    join_partials, media.id, concat, [one.partial for one in pieces]
                )
            except DomainError as error:
                raise _refusal(error) from error
        _, upload = await self._parts.settle(ticket)
        return upload


def _found(there: dict[str, Partial], piece: UploadUrl) -> Partial:
    found = there.get(piece.partial)
    if found is None or found.length != piece.max_bytes:
        raise Missing("no such partial upload")
    return found


def _refusal(error: DomainError) -> Exception:
    if isinstance(error, NotFound):
        return Missing(error.message)
    if isinstance(error, Conflict):
        return Taken(error.message)
    return BadRequest(error.message)
