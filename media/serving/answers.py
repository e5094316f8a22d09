"""Answers to GET and HEAD: validators, ranges, caching, and headers that keep a browser safe."""

from __future__ import annotations

import json
import secrets
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from typing import Protocol

from media.errors import MediaError
from media.images.sniff import ImageType
from media.motion.forms import SHOWN
from media.serving.ranges import (
    Multipart,
    Span,
    Unsatisfiable,
    if_range_holds,
    none_match_hits,
    parse_range,
)
from store.blobs import BlobInfo, BlobStore

SAFE_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Content-Security-Policy": "default-src 'none'; sandbox",
    "Cross-Origin-Resource-Policy": "cross-origin",  # pages of other hosts show the images
    "Referrer-Policy": "no-referrer",
}
"""Of every answer: whatever the bytes are, nothing in them runs."""

_SHOWN = SHOWN | {kind.value for kind in ImageType} - {ImageType.HEIF.value}


class Fields(Protocol):
    """Header fields of a request, by their names in the usual capitals."""

    def get(self, name: str, /) -> str | None: ...


class Source(Protocol):
    """Bytes that can be served."""

    @property
    def size(self) -> int: ...

    @property
    def digest(self) -> bytes:
        """SHA-256 of all of them."""
        ...

    def chunks(self, start: int, stop: int) -> AsyncGenerator[bytes, None]: ...


class BytesSource:
    """Bytes that are in memory."""

    def __init__(self, data: bytes, digest: bytes) -> None:
        self.data = data
        self.digest = digest
        self.size = len(data)

    async def chunks(self, start: int, stop: int) -> AsyncGenerator[bytes, None]:
        yield self.data[start:stop]


class BlobSource:
    def __init__(self, blobs: BlobStore, info: BlobInfo) -> None:
        self._blobs = blobs
        self.digest = info.digest
        self.size = info.size

    async def chunks(self, start: int, stop: int) -> AsyncGenerator[bytes, None]:
        async with self._blobs.open(self.digest) as blob, aclosing(blob.chunks(start, stop)) as it:
            async for piece in it:
                yield piece


@dataclass(frozen=True)
class Answer:
    """A status, headers, and what the body is made of: spans of a source, and bytes."""

    status: int
    headers: Mapping[str, str]
    source: Source | None = None
    parts: Sequence[bytes | Span] = ()

    async def body(self) -> AsyncGenerator[bytes, None]:
        for part in self.parts:
            if isinstance(part, bytes):
                yield part
            elif self.source is not None:
                async with aclosing(self.source.chunks(part.start, part.stop)) as pieces:
                    async for piece in pieces:
                        yield piece


def failure(error: MediaError, *, head: bool = False) -> Answer:
    """The answer to a request that is refused."""
    told = {"error": {"code": error.code, "message": error.message}}
    body = json.dumps(error.problem | told).encode()
    headers = error.headers | {
        "Cache-Control": "no-store",
        "Content-Type": "application/problem+json" if error.problem else "application/json",
        "Content-Length": str(len(body)),
    }
    if error.retry_after:
        headers["Retry-After"] = str(error.retry_after)
    return Answer(error.status, headers, parts=() if head else (body,))


def cache_control(*, signed: bool, max_age: int) -> str:
    """Objects never change, so a public one is kept for ever; a signed link's as long as the
    link lives, and by its viewer alone."""
    if signed:
        return f"private, max-age={max(0, max_age)}"
    return "public, max-age=31536000, immutable"


def answer(
    source: Source,
    mime: str,
    caching: str,
    request: Fields,
    *,
    head: bool = False,
    vary: str = "",
) -> Answer:
    """What RFC 9110 wants in answer to a GET, or to a HEAD, with these request headers."""
    etag = f'"{source.digest.hex()}"'
    headers = {"ETag": etag, "Cache-Control": caching, "Accept-Ranges": "bytes"}
    if vary:
        headers["Vary"] = vary
    if none_match_hits(request.get("If-None-Match"), etag):
        return Answer(304, headers)
    headers["Content-Type"] = mime
    headers["Content-Disposition"] = "inline" if mime in _SHOWN else "attachment"
    spans = None
    # A Range in a HEAD has no meaning: RFC 9110 defines it for GET.
    wanted = None if head else request.get("Range")
    if wanted is not None and if_range_holds(request.get("If-Range"), etag):
        try:
            spans = parse_range(wanted, source.size)
        except Unsatisfiable:
            outside = {"Content-Range": f"bytes */{source.size}", "Cache-Control": "no-store"}
            return Answer(416, outside | {"Content-Length": "0"})
    if spans is None:
        headers["Content-Length"] = str(source.size)
        return Answer(200, headers, source, () if head else (Span(0, source.size),))
    if len(spans) == 1:
        (span,) = spans
        headers["Content-Range"] = span.content_range(source.size)
        headers["Content-Length"] = str(span.length)
        return Answer(206, headers, source, (span,))
    multipart = Multipart(spans, source.size, mime, secrets.token_hex(16))
    headers["Content-Type"] = multipart.content_type
    headers["Content-Length"] = str(multipart.length)
    pieces = [piece for part in multipart.parts for piece in part]
    return Answer(206, headers, source, (*pieces, multipart.end))
