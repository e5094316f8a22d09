"""The grammar of the media host's URLs, and their signatures (pure).

    /m/{media_id}/{preset}.{ext}    a variant; without .{ext} the Accept header chooses
    /m/{media_id}/{options}.{ext}   one made to order, signed: see `media.images.options`
    /m/{media_id}/original          the bytes as they were uploaded
    /m/{media_id}/{form}            motion in another form: see `media.motion.forms`
    /m/{media_id}/hls/{file}        a file of the adaptive stream of a video, index.m3u8 first
    /u/{media_id}?n=…&e=…&s=…       takes one upload of n bytes until e, whole or in parts
    /u/{media_id}/{partial}?n=…     a partial upload of n bytes, to be joined with others

A signed `/m/` URL ends in `?v={viewer}&e={expires_ms}&s={signature}`. The signature is
HMAC-SHA256 over the raw bytes before `&s=`, in base64url. Options of public objects end in
`?s={signature}` alone, over the path: it gives leave to make the picture, and to see nothing that
is not public. In that of a stream the grant stands
before the file (`hls/{viewer}.{expires_ms}.{signature}/index.m3u8`), so that it is a part of what
the playlists name: it is signed up to its last dot. There is one spelling of each URL:
an escaped, reordered, repeated or unknown part is no URL of ours, so what was signed is what
is served.
"""

from __future__ import annotations

import hmac
import re
from base64 import urlsafe_b64encode
from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit

from media.images.formats import MIMES
from media.images.options import MAX_TEXT, MIDDLE, BadOptions, Options, checked, parse
from media.images.presets import DEFAULT, PRESET_NAMES
from media.motion.forms import FORMS, STREAM, VOICE
from rpc.proto import media_pb2
from store.records import MediaRecord, MotionState

ORIGINAL = "original"

_NUMBER = rb"(?:0|[1-9][0-9]{0,18})"
_SIGNATURE = rb"[A-Za-z0-9_-]{43}"
_MEDIA = re.compile(
    rb"/m/(?P<id>[0-9a-f]{32})/(?P<preset>%b|%b)(?:\.(?P<ext>%b))?"
    % (
        ORIGINAL.encode(),
        b"|".join(sorted(name.encode() for name in PRESET_NAMES)),
        b"|".join(sorted(ext.encode() for ext in MIMES)),
    )
)
_OPTIONS = re.compile(
    rb"/m/(?P<id>[0-9a-f]{32})/(?P<options>(?:fit|fill|crop),[a-z0-9,-]{1,%d})(?:\.(?P<ext>%b))?"
    % (MAX_TEXT, b"|".join(sorted(ext.encode() for ext in MIMES)))
)
_FORM = re.compile(
    rb"/m/(?P<id>[0-9a-f]{32})/(?P<form>%b)"
    % b"|".join(re.escape(name.encode()) for name in sorted(FORMS))
)
_STREAM = re.compile(
    rb"(?P<signed>/m/(?P<id>[0-9a-f]{32})/hls/"
    rb"(?:(?P<viewer>%b)\.(?P<expires>%b))?)(?:\.(?P<signature>%b)/)?"
    rb"(?P<file>index\.m3u8|[0-9a-f]{64}\.(?:m3u8|mp4|m4s))" % (_NUMBER, _NUMBER, _SIGNATURE)
)
_UPLOAD = re.compile(rb"/u/(?P<id>[0-9a-f]{32})(?:/(?P<partial>[0-9a-f]{32}))?")
_GRANT = re.compile(
    rb"v=(?P<viewer>%b)&e=(?P<expires>%b)&s=(?P<signature>%b)" % (_NUMBER, _NUMBER, _SIGNATURE)
)
_LEAVE = re.compile(rb"s=(?P<signature>%b)" % _SIGNATURE)
_TICKET = re.compile(
    rb"n=(?P<bytes>%b)&e=(?P<expires>%b)&s=(?P<signature>%b)" % (_NUMBER, _NUMBER, _SIGNATURE)
)


class BadUrl(Exception):
    """Not a URL of this host."""


class BadSignature(Exception):
    """A signature that is forged, damaged or of a key no longer used."""


class Expired(Exception):
    """A signature whose time is over."""


@dataclass(frozen=True)
class UploadUrl:
    """A verified ticket, or a partial upload of one."""

    media_id: str
    max_bytes: int
    expires_ms: int = 0
    partial: str = ""  # its id

    @property
    def upload_id(self) -> str:
        """By which its parts are kept."""
        return self.partial or self.media_id


@dataclass(frozen=True)
class MediaUrl:
    """What to serve. `viewer_id` is 0 in an unsigned URL; `ext` is "" when Accept chooses."""

    media_id: str
    preset: str
    ext: str
    viewer_id: int = 0
    expires_ms: int = 0
    file: str = ""  # of the adaptive stream, where the preset is "hls"
    options: Options | None = None  # in place of a preset

    @property
    def is_form(self) -> bool:
        return f"{self.preset}.{self.ext}" in FORMS

    @property
    def is_original(self) -> bool:
        return self.preset == ORIGINAL


class Signer:
    """Makes and verifies URLs. The first key signs, all of them verify, so that a key can be
    replaced while links made with the old one still live."""

    def __init__(self, keys: Sequence[bytes], base_url: str = "") -> None:
        """`base_url` is the media host as clients reach it, without a slash at its end."""
        if not keys or any(len(key) < 16 for key in keys):
            raise ValueError("signing needs a key of at least 16 bytes")
        self._keys = tuple(keys)
        self._base = base_url.rstrip("/")
        self._prefix = urlsplit(self._base).path  # of a host that has more than us

    # `rpc.context.MediaUrls`

    def upload_url(self, media_id: str, max_bytes: int, expires_ms: int) -> str:
        return self._signed(f"/u/{media_id}?n={max_bytes}&e={expires_ms}")

    def public_url(self, media: MediaRecord) -> str:
        if not media.purpose.is_public or not media.stored:
            return ""
        if media.is_opaque:
            return f"/m/{media.id}/{ORIGINAL}"
        return f"/m/{media.id}/{f'{DEFAULT}.jpg' if media.still else VOICE}"

    def stream_url(self, media: MediaRecord) -> str:
        if not media.purpose.is_public or not _is_video(media):
            return ""
        return f"/m/{media.id}/hls/index.m3u8"

    def private_url(
        self, media: MediaRecord, viewer_id: int, preset: str, expires_ms: int, ext: str = "jpg"
    ) -> str:
        if preset == STREAM:
            return self._signed_stream(media.id, viewer_id, expires_ms)
        if not preset:
            name = ORIGINAL
        else:
            name = preset if preset in FORMS or not ext else f"{preset}.{ext}"
        return self._signed(f"/m/{media.id}/{name}?v={viewer_id}&e={expires_ms}")

    def variant_url(
        self, media: MediaRecord, variant: media_pb2.Variant, viewer_id: int, expires_ms: int
    ) -> str:
        ext = variant.format
        if ext and ext not in MIMES:
            raise BadOptions("no such format")
        path = f"/m/{media.id}/{options_of(variant)}" + (f".{ext}" if ext else "")
        if not media.purpose.is_public:
            return self._signed(f"{path}?v={viewer_id}&e={expires_ms}")
        return f"{self._base}{path}?s={_signature(self._keys[0], path.encode()).decode()}"

    # For answers about an upload: references, so that a client stays with the way it came

    def reference(self, path: bytes, query: bytes) -> str:
        """Of what a request asked for."""
        return f"{self._prefix}{path.decode('ascii')}?{query.decode('ascii')}"

    def partial_reference(self, upload: UploadUrl) -> str:
        """Of a partial upload."""
        target = f"/u/{upload.media_id}/{upload.partial}?n={upload.max_bytes}&e={upload.expires_ms}"
        return f"{self._prefix}{self._sign(target)}"

    # What requests bring

    def parse_reference(self, url: str, now_ms: int) -> UploadUrl:
        """An upload as a client names it: absolute, or from the root. Raises as `parse_upload`."""
        try:
            parts = urlsplit(url)
            path, query = parts.path.encode("ascii"), parts.query.encode("ascii")
        except ValueError as error:
            raise BadUrl("not a URL") from error
        return self.parse_upload(path.removeprefix(self._prefix.encode()), query, now_ms)

    def parse_upload(self, path: bytes, query: bytes, now_ms: int) -> UploadUrl:
        """Raises `BadUrl`, `BadSignature` or `Expired`."""
        target, ticket = _UPLOAD.fullmatch(path), _TICKET.fullmatch(query)
        if target is None:
            raise BadUrl("no such path")
        if ticket is None:
            raise BadSignature("not a ticket")
        self._verify(path, query, ticket["signature"], int(ticket["expires"]), now_ms)
        return UploadUrl(
            media_id=target["id"].decode(),
            max_bytes=int(ticket["bytes"]),
            expires_ms=int(ticket["expires"]),
            partial=(target["partial"] or b"").decode(),
        )

    def parse_media(self, path: bytes, query: bytes, now_ms: int) -> MediaUrl:
        """Raises `BadUrl`, `BadSignature` or `Expired`. Says nothing about permission."""
        if stream := _STREAM.fullmatch(path):
            return self._parse_stream(stream, query, now_ms)
        if form := _FORM.fullmatch(path):
            viewer_id, expires_ms = self._parse_grant(path, query, now_ms)
            preset, _, ext = form["form"].decode().partition(".")
            return MediaUrl(form["id"].decode(), preset, ext, viewer_id, expires_ms)
        if made := _OPTIONS.fullmatch(path):
            return self._parse_options(made, query, now_ms)
        target = _MEDIA.fullmatch(path)
        if target is None or (target["preset"] == ORIGINAL.encode() and target["ext"]):
            raise BadUrl("no such path")
        viewer_id, expires_ms = self._parse_grant(path, query, now_ms)
        return MediaUrl(
            media_id=target["id"].decode(),
            preset=target["preset"].decode(),
            ext=(target["ext"] or b"").decode(),
            viewer_id=viewer_id,
            expires_ms=expires_ms,
        )

    def _parse_options(self, found: re.Match[bytes], query: bytes, now_ms: int) -> MediaUrl:
        """What is signed is looked at only when its signature is good, so that nobody else finds
        out how it is read."""
        if not query:
            raise BadSignature("options need a signature")
        viewer_id = expires_ms = 0
        if leave := _LEAVE.fullmatch(query):
            self._check(found[0], leave["signature"], now_ms + 1, now_ms)
        else:
            viewer_id, expires_ms = self._parse_grant(found[0], query, now_ms)
        ext = (found["ext"] or b"").decode()
        try:
            options = parse(found["options"].decode(), ext)
        except BadOptions as error:
            raise BadUrl(str(error)) from error
        return MediaUrl(found["id"].decode(), "", ext, viewer_id, expires_ms, options=options)

    def _parse_grant(self, path: bytes, query: bytes, now_ms: int) -> tuple[int, int]:
        """Viewer and end of a signed link; zeros of an unsigned one."""
        if not query:
            return 0, 0
        grant = _GRANT.fullmatch(query)
        if grant is None:
            raise BadSignature("not a signed link")
        viewer_id, expires_ms = int(grant["viewer"]), int(grant["expires"])
        self._verify(path, query, grant["signature"], expires_ms, now_ms)
        return viewer_id, expires_ms

    def _parse_stream(self, found: re.Match[bytes], query: bytes, now_ms: int) -> MediaUrl:
        if query or (found["viewer"] is None) != (found["signature"] is None):
            raise BadUrl("no such path")
        viewer_id = expires_ms = 0
        if found["viewer"] is not None:
            viewer_id, expires_ms = int(found["viewer"]), int(found["expires"])
            self._check(found["signed"], found["signature"], expires_ms, now_ms)
        file = found["file"].decode()
        return MediaUrl(found["id"].decode(), STREAM, "", viewer_id, expires_ms, file)

    def _signed_stream(self, media_id: str, viewer_id: int, expires_ms: int) -> str:
        """The grant is a part of the path, so that what a playlist names beside itself has it,
        too."""
        path = f"/m/{media_id}/{STREAM}/{viewer_id}.{expires_ms}"
        signature = _signature(self._keys[0], path.encode())
        return f"{self._base}{path}.{signature.decode()}/index.m3u8"

    def _signed(self, path_and_query: str) -> str:
        return self._base + self._sign(path_and_query)

    def _sign(self, path_and_query: str) -> str:
        signature = _signature(self._keys[0], path_and_query.encode())
        return f"{path_and_query}&s={signature.decode()}"

    def _verify(
        self, path: bytes, query: bytes, signature: bytes, expires_ms: int, now_ms: int
    ) -> None:
        message = path + b"?" + query[: -len(b"&s=") - len(signature)]
        self._check(message, signature, expires_ms, now_ms)

    def _check(self, message: bytes, signature: bytes, expires_ms: int, now_ms: int) -> None:
        # Every key is tried, and each comparison takes the same time.
        good = [hmac.compare_digest(signature, _signature(key, message)) for key in self._keys]
        if not any(good):
            raise BadSignature("a wrong signature")
        if now_ms >= expires_ms:
            raise Expired("the link has expired")


_MODES = {
    media_pb2.VARIANT_FIT: "fit",
    media_pb2.VARIANT_FILL: "fill",
    media_pb2.VARIANT_CROP: "crop",
}


def options_of(variant: media_pb2.Variant) -> Options:
    """Raises `BadOptions`."""
    mode = _MODES.get(variant.mode)
    if mode is None:
        raise BadOptions("the mode is fit, fill or crop")
    focus = MIDDLE
    if variant.HasField("focus"):
        x, y = variant.focus.x, variant.focus.y
        if not (0 <= x <= 1 and 0 <= y <= 1):  # nor is NaN
            raise BadOptions("the focus is 0 to 1 from the left and from the top")
        focus = (round(x * 1000), round(y * 1000))
    box = variant.box
    return checked(
        Options(
            mode,
            variant.width,
            variant.height,
            box=(box.left, box.top, box.width, box.height) if variant.HasField("box") else None,
            focus=focus,
            enlarge=variant.enlarge,
            blur=variant.blur,
            quality=variant.quality,
            frame=variant.frame,
        ),
        variant.format,
    )


def _is_video(media: MediaRecord) -> bool:
    return media.motion is not None and media.motion.state is not MotionState.NONE


def _signature(key: bytes, message: bytes) -> bytes:
    return urlsafe_b64encode(hmac.digest(key, message, "sha256")).rstrip(b"=")
