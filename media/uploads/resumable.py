"""The state machine of an upload, whole or in parts (pure): what is accepted next.

All front ends ask it, whatever their headers are called. An upload has a length known from its
ticket, an offset that only grows, and an end in time; it is finished when the two meet. A PUT is
one that begins at 0 and ends with its body. One that is made of others is finished from the start,
and takes no bytes.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
from dataclasses import dataclass, replace
from typing import Any

from media.errors import BadRequest, Gone, Mismatch, NotAllowed, OffsetConflict, Taken, TooLarge

CHECKSUMS = ("sha1", "sha256")
PARTIAL = "partial"
FINAL = "final;"


@dataclass(frozen=True)
class Upload:
    """Where an upload stands. Bytes, and Unix milliseconds."""

    length: int
    offset: int
    expires_ms: int
    concat: str = ""
    """As tus's Upload-Concat has it: `PARTIAL`, or `FINAL` and what it is made of."""

    def __post_init__(self) -> None:
        if not 0 <= self.offset <= self.length:
            raise ValueError("an offset outside the upload")

    @property
    def finished(self) -> bool:
        return self.offset == self.length

    @property
    def left(self) -> int:
        return self.length - self.offset

    @property
    def is_final(self) -> bool:
        """Made of others."""
        return self.concat.startswith(FINAL)

    @property
    def is_partial(self) -> bool:
        """To be joined with others; makes no object by itself."""
        return self.concat == PARTIAL

    def begin_partial(self, length: int) -> None:
        """Whether it may get a partial upload of that length. Raises `Taken`, `TooLarge`,
        `BadRequest`."""
        if self.finished:
            raise Taken("the upload is finished")
        if length > self.length:
            raise TooLarge(f"the ticket is for {self.length} bytes")
        if not length:
            raise BadRequest("an upload has bytes")

    def begin(self, offset: int, content_length: int | None, now_ms: int) -> None:
        """Whether a request may send on from `offset`. Raises `Gone`, `NotAllowed`,
        `OffsetConflict` or `TooLarge`."""
        if now_ms >= self.expires_ms:
            raise Gone("the upload has expired")
        if self.is_final:
            raise NotAllowed("the upload is made of others, and takes no bytes")
        if offset != self.offset:
            raise OffsetConflict(self.offset)
        if content_length is not None and content_length > self.left:
            raise TooLarge(f"the upload lacks {self.left} bytes")

    def fits(self, limit: int) -> None:
        """Whether a server takes uploads of that length. Raises `TooLarge`."""
        if self.length > limit:
            raise TooLarge(f"at most {limit} bytes are taken")

    def announce(self, length: int) -> None:
        """What the client says of the whole. Raises `TooLarge` or `BadRequest`."""
        if length > self.length:
            raise TooLarge(f"the ticket is for {self.length} bytes")
        if length < self.length:
            raise BadRequest(f"the ticket is for {self.length} bytes, not {length}")

    def received(self, count: int) -> Upload:
        """After so many bytes more. Raises `TooLarge`."""
        if count > self.left:
            raise TooLarge(f"the ticket is for {self.length} bytes")
        return replace(self, offset=self.offset + count)

    def end(self) -> None:
        """The client says that this was all. Raises `BadRequest` where something is lacking."""
        if not self.finished:
            raise BadRequest(f"{self.offset} of {self.length} bytes came")


class Checksum:
    """The digest that a request announced of its own body."""

    def __init__(self, header: str) -> None:
        """Of the form `sha1 {base64}`. Raises `BadRequest` for any other."""
        name, _, encoded = header.partition(" ")
        if name not in CHECKSUMS:
            raise BadRequest("the checksum is of no known algorithm")
        self._hash: Any = hashlib.new(name, usedforsecurity=False)
        try:
            self._wanted = base64.b64decode(encoded, validate=True)
        except binascii.Error as error:
            raise BadRequest("the checksum is not base64") from error
        if len(self._wanted) != self._hash.digest_size:
            raise BadRequest("the checksum has another size")

    def update(self, data: bytes) -> None:
        self._hash.update(data)

    def check(self) -> None:
        """Raises `Mismatch`."""
        if self._hash.digest() != self._wanted:
            raise Mismatch("the bytes do not have the announced checksum")
