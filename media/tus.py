"""tus 1.0 (tus.io/protocols/resumable-upload) at a ticket's URL.

A ticket is an upload that exists: creation answers with the ticket's own URL, as often as it is
asked, and HEAD says how far the upload has come. Extensions: creation, creation-with-upload,
checksum, expiration, termination.
"""

from __future__ import annotations

from email.utils import formatdate

from media.errors import BadRequest, WrongType, WrongVersion
from media.fronts import Asked, Said
from media.parts import PartUploads
from media.resumable import CHECKSUMS, Checksum, Upload

VERSION = "1.0.0"
EXTENSIONS = "creation,creation-with-upload,checksum,expiration,termination"
BODY_TYPE = "application/offset+octet-stream"


def capabilities(max_bytes: int) -> dict[str, str]:
    """The headers of an answer to OPTIONS."""
    return {
        "Tus-Resumable": VERSION,
        "Tus-Version": VERSION,
        "Tus-Extension": EXTENSIONS,
        "Tus-Max-Size": str(max_bytes),
        "Tus-Checksum-Algorithm": ",".join(CHECKSUMS),
    }


async def answer(asked: Asked, uploads: PartUploads) -> Said:
    """Raises `MediaError`, or the store's errors."""
    if asked.headers.get("Tus-Resumable") != VERSION:
        raise WrongVersion(f"only tus {VERSION} is spoken here")
    match asked.method:
        case "POST":
            return await _create(asked, uploads)
        case "PATCH":
            offset = asked.number("Upload-Offset")
            if offset is None:
                raise BadRequest("a PATCH has an Upload-Offset")
            upload = await _append(asked, uploads, offset)
            return Said(204, _standing(upload))
        case "DELETE":
            await uploads.terminate(asked.ticket)
            return Said(204)
    _, upload = await uploads.settle(asked.ticket)
    return Said(200, _standing(upload) | {"Upload-Length": str(upload.length)})


async def _create(asked: Asked, uploads: PartUploads) -> Said:
    if "Upload-Concat" in asked.headers:
        raise BadRequest("uploads are not concatenated here")
    length = asked.number("Upload-Length")
    if length is None:
        raise BadRequest("a creation has an Upload-Length")
    _, upload = await uploads.look(asked.ticket)
    upload.announce(length)
    if asked.has_body:
        upload = await _append(asked, uploads, 0)
    return Said(201, _standing(upload) | {"Location": asked.target})


async def _append(asked: Asked, uploads: PartUploads, offset: int) -> Upload:
    if asked.headers.get("Content-Type") != BODY_TYPE:
        raise WrongType(f"the body's type is {BODY_TYPE}")
    checksum = asked.headers.get("Upload-Checksum")
    _, upload = await uploads.append(
        asked.ticket,
        offset,
        asked.body,
        asked.number("Content-Length"),
        asked.now_ms,
        None if checksum is None else Checksum(checksum),
    )
    return upload


def _standing(upload: Upload) -> dict[str, str]:
    return {
        "Upload-Offset": str(upload.offset),
        "Upload-Expires": formatdate(upload.expires_ms // 1000, usegmt=True),
    }
