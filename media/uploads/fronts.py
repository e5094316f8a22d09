"""What the two front ends of resumable uploads have in common: a request in, an answer out."""

from __future__ import annotations

from dataclasses import dataclass, field

from werkzeug.datastructures import Headers

from media.errors import BadRequest
from media.uploads.put import Body
from media.urls import Signer, UploadUrl
from store.records import MediaRecord


@dataclass(frozen=True)
class Asked:
    """A request about the upload of a verified ticket."""

    method: str
    headers: Headers
    target: str  # a reference: where the upload is to be found again
    ticket: UploadUrl
    urls: Signer
    body: Body
    now_ms: int

    def number(self, name: str) -> int | None:
        """A header's number of bytes; None without one. Raises `BadRequest`."""
        if name not in self.headers:
            return None
        value = self._bare(name)
        if not (value.isascii() and value.isdigit() and len(value) < 19):
            raise BadRequest(f"{name} is no number of bytes")
        return int(value)

    def boolean(self, name: str) -> bool | None:
        """A header's boolean (RFC 9651), whatever parameters it has; None without one, and for
        anything else."""
        return {"?0": False, "?1": True}.get(self._bare(name))

    @property
    def media_type(self) -> str:
        """Of the body, without parameters; "" without one."""
        return self._bare("Content-Type").lower()

    def _bare(self, name: str) -> str:
        return self.headers.get(name, "").partition(";")[0].strip()

    @property
    def has_body(self) -> bool:
        return bool(self.number("Content-Length")) or "Transfer-Encoding" in self.headers


@dataclass(frozen=True)
class Said:
    status: int
    headers: dict[str, str] = field(default_factory=dict)
    media: MediaRecord | None = None  # the finished object, when the client reads bodies
