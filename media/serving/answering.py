"""GET and HEAD of what is stored: who gets what, apart from how it reaches him.

Both ways to a client lead through here: the plain requests that are answered at the connection
(`media.serving.direct`), and whatever goes through hypercorn and Quart.
"""

from __future__ import annotations

import structlog

from media.errors import Busy, Failed, MediaError, Missing, NotAllowed
from media.images.accept import chosen_format
from media.images.formats import MIMES
from media.images.presets import PRESETS
from media.images.thumbhash import is_transparent
from media.limits import Limits
from media.motion.forms import FORMS, STREAM_MIMES
from media.serving.access import Access
from media.serving.answers import (
    Answer,
    BlobSource,
    BytesSource,
    Fields,
    answer,
    cache_control,
)
from media.serving.variants import Variants
from media.settings import MediaSettings
from media.urls import BadSignature, BadUrl, Expired, MediaUrl, Signer
from rpc.context import Clock, Reads
from store.blobs import BlobInfo, BlobStore
from store.errors import Corrupt, StoreError
from store.queries.motion import file_of, index_of
from store.records import FileKind, MediaRecord, MotionState

log = structlog.get_logger("media")


class Serving:
    """Answers requests for media, from verified links to bytes."""

    def __init__(
        self,
        settings: MediaSettings,
        reads: Reads,
        access: Access,
        blobs: BlobStore,
        signer: Signer,
        clock: Clock,
        variants: Variants,
        limits: Limits,
    ) -> None:
        self._settings = settings
        self._reads = reads
        self._access = access
        self._blobs = blobs
        self._signer = signer
        self._clock = clock
        self._variants = variants
        self._limits = limits

    async def answer(self, path: bytes, query: bytes, fields: Fields, *, head: bool) -> Answer:
        """To a GET, or a HEAD, of a target as the client wrote it. Raises what `explained`
        knows, and for a fault of ours what it does not know."""
        now_ms = self._clock.now_ms()
        url = self._signer.parse_media(path, query, now_ms)
        self._limits.viewer(url.viewer_id)
        media = await self._access.see(url.viewer_id, url.media_id)
        if media is None or not media.stored:
            raise Missing("no such media")
        signed = url.viewer_id != 0
        left = (url.expires_ms - now_ms) // 1000
        caching = cache_control(signed=signed, max_age=min(left, self._settings.private_max_age))
        if url.file:
            return await self._stream(media, url, caching, fields, head)
        if url.is_form:
            name = f"{url.preset}.{url.ext}"
            made = await self._variants.form(media, name)
            source = BytesSource(made.data, made.digest)
            return answer(source, FORMS[name], caching, fields, head=head)
        if url.is_original:
            return await self._original(media, url, caching, fields, head)
        return await self._variant(media, url, caching, fields, head)

    async def _original(
        self, media: MediaRecord, url: MediaUrl, caching: str, fields: Fields, head: bool
    ) -> Answer:
        if not media.is_opaque and (not url.viewer_id or media.owner_id != url.viewer_id):
            raise NotAllowed("an original is for its owner")
        info = await self._blobs.stat(media.blob_hash)
        if info is None:
            raise Failed("the bytes are missing")
        source = BlobSource(self._blobs, info)
        return answer(source, media.mime, caching, fields, head=head)

    async def _stream(
        self, media: MediaRecord, url: MediaUrl, caching: str, fields: Fields, head: bool
    ) -> Answer:
        """A file of an adaptive stream, of this object alone."""
        name, _, ext = url.file.partition(".")
        if media.motion is None or not media.motion.video_codec:
            raise Missing("it has no stream")
        if name == "index":
            found = await self._reads.read(index_of, media.blob_hash)
            if found is None and media.motion.state is MotionState.PREPARING:
                raise Busy("the video is being prepared")
        else:
            found = await self._reads.read(file_of, media.blob_hash, bytes.fromhex(name))
        if found is None or found.kind not in _STREAM_FILES[ext]:
            raise Missing("it has no such file")
        source = BlobSource(self._blobs, BlobInfo(found.digest, found.size))
        return answer(source, STREAM_MIMES[ext], caching, fields, head=head)

    async def _variant(
        self, media: MediaRecord, url: MediaUrl, caching: str, fields: Fields, head: bool
    ) -> Answer:
        ext = url.ext or chosen_format(
            fields.get("Accept") or "", transparent=is_transparent(media.thumbhash)
        )
        found = await self._variants.get(media, url.options or PRESETS[url.preset], ext)
        source = BytesSource(found.data, found.digest)
        vary = "" if url.ext else "Accept"
        return answer(source, MIMES[ext], caching, fields, head=head, vary=vary)


_STREAM_FILES = {
    "m3u8": (FileKind.INDEX, FileKind.PLAYLIST),
    "mp4": (FileKind.INIT,),
    "m4s": (FileKind.SEGMENT,),
}


def explained(error: Exception) -> MediaError | None:
    """The refusal that an error deserves; None for one that nobody expected (pure)."""
    match error:
        case MediaError():
            return error
        case BadUrl():
            return Missing(str(error))
        case BadSignature() | Expired():
            return NotAllowed(str(error))
        case Corrupt():
            return None
        case StoreError():  # locked, disconnected, full: passing states
            return Busy("the server cannot do this now")
    return None


def refusal(error: Exception, path: str) -> MediaError:
    """As `explained`; what nobody expected is logged, and told to nobody else."""
    known = explained(error)
    if known is None:
        log.error("media request failed", path=path, exc_info=error)
        known = Failed("internal error")
    return known
