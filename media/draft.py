"""The IETF's resumable uploads (draft-ietf-httpbis-resumable-upload-05, interoperability version
6) at a ticket's URL.

A POST begins, and is answered with 201 and a Location; no interim answer 104 is sent. HEAD says
the offset, PATCH goes on, DELETE gives up. The length is the ticket's.
"""

from __future__ import annotations

from media.errors import BadRequest, Missing, WrongType
from media.fronts import Asked, Said
from media.parts import PartUploads
from media.resumable import Upload
from store.records import MediaRecord

INTEROP = {"Upload-Draft-Interop-Version": "6"}
BODY_TYPE = "application/partial-upload"


async def answer(asked: Asked, uploads: PartUploads) -> Said:
    """Raises `MediaError`, or the store's errors."""
    if asked.ticket.partial:
        raise Missing("partial uploads are of tus")
    match asked.method:
        case "POST":
            media, upload = await _append(asked, uploads, 0)
            located = _standing(upload) | {"Location": asked.target}
            return Said(201, located, media if media.stored else None)
        case "PATCH":
            if asked.headers.get("Content-Type") != BODY_TYPE:
                raise WrongType(f"the body's type is {BODY_TYPE}")
            offset = asked.number("Upload-Offset")
            if offset is None:
                raise BadRequest("a PATCH has an Upload-Offset")
            media, upload = await _append(asked, uploads, offset)
            if media.stored:
                return Said(200, _standing(upload), media)
            return Said(204, _standing(upload))
        case "DELETE":
            await uploads.terminate(asked.ticket)
            return Said(204, dict(INTEROP))
    _, upload = await uploads.settle(asked.ticket)
    return Said(204, _standing(upload) | {"Upload-Length": str(upload.length)})


async def _append(asked: Asked, uploads: PartUploads, offset: int) -> tuple[MediaRecord, Upload]:
    complete = asked.headers.get("Upload-Complete")
    if complete not in ("?0", "?1"):
        raise BadRequest("Upload-Complete is ?0 or ?1")
    size = asked.number("Content-Length")
    _, upload = await uploads.look(asked.ticket)
    length = asked.number("Upload-Length")
    if length is not None:
        upload.announce(length)
    upload.begin(offset, size, asked.now_ms)
    if complete == "?1" and size is not None:
        upload.announce(offset + size)
    return await uploads.append(asked.ticket, offset, asked.body, size, asked.now_ms)


def _standing(upload: Upload) -> dict[str, str]:
    return INTEROP | {
        "Upload-Offset": str(upload.offset),
        "Upload-Complete": "?1" if upload.finished else "?0",
    }
