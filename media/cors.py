"""Which web pages may read what is served, and upload (pure).

The Fetch standard's CORS protocol. No cookie and no password is ever meant by a request here: a
link or a ticket says by itself what it is good for. So a page of anybody's learns nothing that its
server could not fetch itself, and `*` is safe.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

ANY = "*"
MAX_AGE = 86400  # seconds for which a browser remembers a preflight's answer

_SERVED = ("Accept-Ranges", "Content-Range", "ETag", "Retry-After")
_UPLOADED = (
    "Location",
    "Retry-After",
    "Tus-Checksum-Algorithm",
    "Tus-Extension",
    "Tus-Max-Size",
    "Tus-Resumable",
    "Tus-Version",
    "Upload-Complete",
    "Upload-Concat",
    "Upload-Draft-Interop-Version",
    "Upload-Expires",
    "Upload-Length",
    "Upload-Limit",
    "Upload-Offset",
)
"""Fields of answers that pages may read."""

_SERVING = {
    "Access-Control-Allow-Methods": "GET, HEAD",
    "Access-Control-Allow-Headers": "Accept, If-None-Match, If-Range, Range",
    "Access-Control-Max-Age": str(MAX_AGE),
}
_UPLOADING = {
    "Access-Control-Allow-Methods": "PUT, POST, HEAD, PATCH, DELETE",
    "Access-Control-Allow-Headers": (
        "Content-Type, Tus-Resumable, Upload-Checksum, Upload-Complete, Upload-Concat, "
        "Upload-Defer-Length, Upload-Draft-Interop-Version, Upload-Length, Upload-Metadata, "
        "Upload-Offset, X-HTTP-Method-Override, X-Request-ID, X-Requested-With"
    ),
    "Access-Control-Max-Age": str(MAX_AGE),
}


class Cors:
    """What browsers are told."""

    def __init__(self, origins: Sequence[str]) -> None:
        """The pages' origins (`https://app.example`), or `*` for all; none: no page's script
        reads anything, though every page may still show images."""
        self._any = ANY in origins
        self._origins = frozenset(origins)

    @property
    def varies(self) -> bool:
        """Whether answers depend on the request's Origin."""
        return bool(self._origins) and not self._any

    def key(self, origin: str | None) -> str | None:
        """The same for all origins whose answers have the same fields."""
        return origin if self.varies and origin in self._origins else None

    def fields(self, origin: str | None, *, upload: bool) -> Mapping[str, str]:
        """For an answer, besides its own; a Vary is one more."""
        if not self._origins:
            return {}
        fields = {"Vary": "Origin"} if self.varies else {}
        if self._any or origin in self._origins:
            fields["Access-Control-Allow-Origin"] = ANY if self._any else origin or ""
            exposed = _UPLOADED if upload else _SERVED
            fields["Access-Control-Expose-Headers"] = ", ".join(exposed)
        return fields

    def preflight(self, *, upload: bool) -> Mapping[str, str]:
        """For the answer to a preflight, besides `fields`: what a page may send."""
        return (_UPLOADING if upload else _SERVING) if self._origins else {}
