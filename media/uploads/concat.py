"""The grammar of tus's Upload-Concat, and what may be joined (pure)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from media.errors import BadRequest
from media.uploads.resumable import FINAL, PARTIAL, Upload

MAX_PIECES = 256  # of one upload; a partial upload may be among them more than once


@dataclass(frozen=True)
class Concat:
    """What an upload is to be: partial, or made of others."""

    urls: tuple[str, ...] = ()  # of partial uploads, in their order; none of a partial one

    @property
    def is_partial(self) -> bool:
        return not self.urls


def parse_concat(header: str) -> Concat:
    """Raises `BadRequest`."""
    if header == PARTIAL:
        return Concat()
    urls = tuple(header.removeprefix(FINAL).split(" "))
    wrong = not header.startswith(FINAL) or not header.isascii() or "" in urls
    if wrong or len(urls) > MAX_PIECES:
        raise BadRequest("Upload-Concat is partial, or final; with the URLs of partial uploads")
    return Concat(urls)


def join(whole: Upload, pieces: Sequence[Upload], concat: str) -> Upload:
    """The upload that these pieces make, in their order, of the length that it was announced to
    have. Raises `BadRequest`."""
    if not all(piece.finished for piece in pieces):
        raise BadRequest("a partial upload is not finished")
    length = sum(piece.length for piece in pieces)
    if length != whole.length:
        raise BadRequest(f"the ticket is for {whole.length} bytes, not {length}")
    return Upload(length, length, whole.expires_ms, concat)
