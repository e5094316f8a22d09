"""tus 1.0 (tus.io/protocols/resumable-upload) at a ticket's URL.

A ticket is an upload that exists: creation answers with the ticket's own URL, as often as it is
asked, and HEAD says how far the upload has come. Extensions: creation, creation-with-upload,
checksum, expiration, termination, concatenation: partial uploads live under a ticket, each with
a URL of its own, and the final one is the ticket's.
"""

from __future__ import annotations

from email.utils import formatdate

from media.errors import BadRequest, NotAllowed, WrongType, WrongVersion
from media.uploads.concat import parse_concat
from media.uploads.fronts import Asked, Said
from media.uploads.partials import Partials
from media.uploads.parts import PartUploads
from media.uploads.resumable import CHECKSUMS, PARTIAL, Checksum, Upload
from media.urls import BadSignature, BadUrl, Expired, UploadUrl

VERSION = "1.0.0"
EXTENSIONS = "creation,creation-with-upload,checksum,expiration,termination,concatenation"
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


async def answer(asked: Asked, uploads: PartUploads, partials: Partials) -> Said:
    """Raises `MediaError`, or the store's errors."""
    if asked.headers.get("Tus-Resumable") != VERSION:
        raise WrongVersion(f"only tus {VERSION} is spoken here")
    match asked.method:
        case "POST":
            return await _create(asked, uploads, partials)
        case "PATCH":
            offset = asked.number("Upload-Offset")
            if offset is None:
                raise BadRequest("a PATCH has an Upload-Offset")
            upload = await _append(asked, asked.ticket, uploads, offset, _checksum(asked))
            return Said(204, _standing(upload))
        case "DELETE":
            await uploads.terminate(asked.ticket)
            return Said(204)
    _, upload = await uploads.settle(asked.ticket)
    return Said(200, _standing(upload) | _concat(upload) | {"Upload-Length": str(upload.length)})


async def _create(asked: Asked, uploads: PartUploads, partials: Partials) -> Said:
    if asked.ticket.partial:
        raise BadRequest("an upload is created at its ticket's URL")
    header = asked.headers.get("Upload-Concat")
    concat = None if header is None else parse_concat(header)
    if concat is not None and not concat.is_partial:
        assert header is not None
        return await _join(asked, [_piece(asked, url) for url in concat.urls], header, partials)
    length = asked.number("Upload-Length")
    if length is None:
        raise BadRequest("a creation has an Upload-Length")
    checksum = _checksum(asked) if asked.has_body else None
    ticket, target = asked.ticket, asked.target
    if concat is None:
        _, upload = await uploads.look(ticket)
        upload.announce(length)
    else:
        ticket = await partials.create(ticket, length)
        target = asked.urls.partial_reference(ticket)
        upload = Upload(length, 0, ticket.expires_ms, PARTIAL)
    if asked.has_body:
        upload = await _append(asked, ticket, uploads, 0, checksum)
    return Said(201, _standing(upload) | _concat(upload) | {"Location": target})


async def _join(asked: Asked, pieces: list[UploadUrl], header: str, partials: Partials) -> Said:
    if asked.has_body or "Upload-Length" in asked.headers:
        raise BadRequest("what is made of others has neither a length nor bytes of its own")
    upload = await partials.join(asked.ticket, pieces, header)
    return Said(201, _standing(upload) | _concat(upload) | {"Location": asked.target})


def _piece(asked: Asked, url: str) -> UploadUrl:
    try:
        return asked.urls.parse_reference(url, asked.now_ms)
    except (BadSignature, Expired) as error:
        raise NotAllowed(f"a partial upload's URL: {error}") from error
    except BadUrl as error:
        raise BadRequest(f"a partial upload's URL: {error}") from error


def _checksum(asked: Asked) -> Checksum | None:
    """Of a request that has a body of the right type."""
    if asked.headers.get("Content-Type") != BODY_TYPE:
        raise WrongType(f"the body's type is {BODY_TYPE}")
    header = asked.headers.get("Upload-Checksum")
    return None if header is None else Checksum(header)


async def _append(
    asked: Asked, ticket: UploadUrl, uploads: PartUploads, offset: int, checksum: Checksum | None
) -> Upload:
    size = asked.number("Content-Length")
    _, upload = await uploads.append(ticket, offset, asked.body, size, asked.now_ms, checksum)
    return upload


def _standing(upload: Upload) -> dict[str, str]:
    return {
        "Upload-Offset": str(upload.offset),
        "Upload-Expires": formatdate(upload.expires_ms // 1000, usegmt=True),
    }


def _concat(upload: Upload) -> dict[str, str]:
    return {"Upload-Concat": upload.concat} if upload.concat else {}
