"""The IETF's resumable uploads (draft-ietf-httpbis-resumable-upload-05, interoperability version
6) at a ticket's URL.

A POST begins, and is answered with 201 and a Location; no interim answer 104 is sent. HEAD says
the offset, PATCH goes on, DELETE gives up. The length is the ticket's. The upload is complete
when a request says that it is the last one, and not before.
"""

from __future__ import annotations

from contextlib import suppress

from media.errors import (
    BadRequest,
    Completed,
    Gone,
    MediaError,
    Missing,
    OffsetConflict,
    TooLarge,
    WrongType,
)
from media.uploads.fronts import Asked, Said
from media.uploads.parts import PartUploads
from media.uploads.resumable import Upload
from store.errors import StoreError
from store.records import MediaRecord

INTEROP = {"Upload-Draft-Interop-Version": "6"}
BODY_TYPE = "application/partial-upload"
_PROBLEMS = "https://iana.org/assignments/http-problem-types#"


def limits(max_bytes: int) -> dict[str, str]:
    """The headers of an answer to OPTIONS."""
    return INTEROP | {"Upload-Limit": f"max-size={max_bytes}"}


async def answer(asked: Asked, uploads: PartUploads) -> Said:
    """Raises `MediaError`, or the store's errors."""
    if asked.ticket.partial:
        raise Missing("partial uploads are of tus")
    try:
        return await _answer(asked, uploads)
    except Gone as error:
        raise Missing(error.message) from error
    except MediaError as error:
        error.headers |= INTEROP
        if "Upload-Offset" not in error.headers and asked.method in ("POST", "PATCH"):
            with suppress(MediaError, StoreError):  # there is none any more, or none can tell
                _, upload = await uploads.look(asked.ticket)
                error.headers["Upload-Offset"] = str(upload.offset)
        raise


async def _answer(asked: Asked, uploads: PartUploads) -> Said:
    match asked.method:
        case "POST":
            _refuse(asked, "Upload-Offset")
            media, upload = await _append(asked, uploads, 0)
            located = _standing(asked, media, upload) | {"Location": asked.target}
            return Said(201, located, media if media.stored else None)
        case "PATCH":
            if asked.media_type != BODY_TYPE:
                raise WrongType(f"the body's type is {BODY_TYPE}")
            offset = asked.number("Upload-Offset")
            if offset is None:
                raise BadRequest("a PATCH has an Upload-Offset")
            media, upload = await _append(asked, uploads, offset)
            return Said(201, _standing(asked, media, upload), media if media.stored else None)
        case "DELETE":
            _refuse(asked, "Upload-Offset", "Upload-Complete")
            await uploads.terminate(asked.ticket)
            return Said(204, dict(INTEROP))
    _refuse(asked, "Upload-Offset", "Upload-Complete", "Upload-Length")
    media, upload = await uploads.stand(asked.ticket)
    standing = _standing(asked, media, upload)
    return Said(204, standing | {"Upload-Length": str(upload.length)})


async def _append(asked: Asked, uploads: PartUploads, offset: int) -> tuple[MediaRecord, Upload]:
    last = asked.boolean("Upload-Complete")
    if last is None:
        raise BadRequest("Upload-Complete is ?0 or ?1")
    size, length = asked.number("Content-Length"), asked.number("Upload-Length")
    media, upload = await uploads.look(asked.ticket)
    if media.stored:
        raise _completed()
    if length is not None:
        upload.announce(length)
    try:
        upload.begin(offset, size, asked.now_ms)
        if last and size is not None:
            upload.announce(offset + size)
        media, upload = await uploads.append(
            asked.ticket, offset, asked.body, size, asked.now_ms, last=last
        )
    except OffsetConflict as error:
        error.problem = {
            "type": f"{_PROBLEMS}mismatching-upload-offset",
            "title": error.message,
            "expected-offset": error.offset,
            "provided-offset": offset,
        }
        raise
    except TooLarge as error:  # than was recorded, which is more than too large for us
        raise BadRequest(error.message) from error
    if last:
        upload.end()
    return media, upload


def _completed() -> Completed:
    error = Completed("the upload is complete already")
    error.problem = {"type": f"{_PROBLEMS}completed-upload", "title": error.message}
    return error


def _refuse(asked: Asked, *names: str) -> None:
    for name in names:
        if name in asked.headers:
            raise BadRequest(f"a {asked.method} has no {name}")


def _standing(asked: Asked, media: MediaRecord, upload: Upload) -> dict[str, str]:
    left = max(0, (upload.expires_ms - asked.now_ms) // 1000)
    return INTEROP | {
        "Upload-Offset": str(upload.offset),
        "Upload-Complete": "?1" if media.stored else "?0",
        "Upload-Limit": f"max-size={upload.length}, expires={left}",
    }
