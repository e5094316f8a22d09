"""The media host: takes uploads, serves photographs, and nothing else.

    PUT       /u/{media_id}?…             one upload, by its ticket
    POST HEAD PATCH DELETE OPTIONS        the same in parts: `media.tus`, `media.draft`
    GET HEAD  /m/{media_id}/{preset}.{ext}  a variant, for whoever may see the object
    GET HEAD  /m/{media_id}/{form}        of motion: a clip, a preview, voice; see `media.motion`
    GET HEAD  /m/{media_id}/hls/{file}    the adaptive stream of a video
    GET HEAD  /m/{media_id}/original      the uploaded bytes, for their owner alone: a camera
                                          writes the place and itself into them

What is private is served to the viewer of a signed link, and only while he may still see it:
deleting a message takes the photograph back at once.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import structlog
import trio
from google.protobuf.json_format import MessageToDict
from quart import Response, request
from quart_trio import QuartTrio
from werkzeug.exceptions import HTTPException, MethodNotAllowed

from media import draft, motion, tus
from media.answers import SAFE_HEADERS, Answer, BlobSource, BytesSource, answer, cache_control
from media.body import BODY, MediaConnection
from media.cache import Cached, DiskCache
from media.errors import (
    BadRequest,
    Busy,
    Failed,
    Gone,
    MediaError,
    Missing,
    NotAllowed,
    OffsetConflict,
)
from media.flights import Flights
from media.fronts import Asked
from media.locks import FileLocks
from media.metrics import MediaMetrics
from media.motion import jobs
from media.motion.forms import FORMS, STREAM_MIMES
from media.partials import Partials
from media.parts import PartUploads
from media.preparing import OnPrepared, Preparer
from media.presets import MIMES, chosen_format
from media.progress import OnProgress
from media.scratch import Scratch
from media.settings import MediaSettings
from media.uploads import Uploads
from media.urls import BadSignature, BadUrl, Expired, MediaUrl, Signer
from media.variants import Variants
from media.workers import Workers, open_workers
from rpc.context import Clock, Committer, Reads
from rpc.views import Views
from store.blobs import BlobInfo, BlobStore
from store.errors import Corrupt, StoreError
from store.queries.media_access import viewable
from store.queries.motion import file_of, index_of
from store.records import FileKind, MediaRecord, MotionState

log = structlog.get_logger("media")

LOCKS = ".locks"  # in the first folder of the cache; no entry's name begins with a dot


def ignore_progress(owner_id: int, media_id: str, received: int, total: int) -> None:
    """For a server that tells nobody of progress."""


def ignore_prepared(owner_id: int, media_id: str, percent: int) -> None:
    """For a server that tells nobody of preparations."""


@dataclass(frozen=True)
class MediaDeps:
    """What the host stands on."""

    settings: MediaSettings
    reads: Reads
    committer: Committer
    blobs: BlobStore
    signer: Signer
    clock: Clock
    metrics: MediaMetrics
    on_progress: OnProgress = ignore_progress
    on_prepared: OnPrepared = ignore_prepared


@asynccontextmanager
async def open_media(deps: MediaDeps) -> AsyncIterator[QuartTrio]:
    """The application with its cache and its worker processes, which end with the context."""
    settings = deps.settings
    cache = DiskCache(settings.cache_folders, deps.metrics, max_bytes=settings.cache_bytes)
    await cache.open()
    scratch = Scratch(settings.scratch_folder)
    await scratch.sweep()
    async with (
        open_workers(
            deps.metrics, settings.decodes, settings.encodes, settings.conversions
        ) as workers,
        trio.open_nursery() as nursery,
    ):
        flights = Flights[str, Cached](nursery)
        nursery.start_soon(cache.keep_sharing_out)
        locks = FileLocks(settings.cache_folders[0] / LOCKS)
        variants = Variants(
            deps.blobs,
            cache,
            workers,
            settings.image,
            flights,
            locks,
            deps.metrics,
            scratch,
            settings.motion,
        )
        if motion.AVAILABLE:
            nursery.start_soon(preparer_of(deps, workers, scratch).run)
        else:
            log.warning(
                "video not converted",
                reason="PyAV is not installed (the extra `video`): video and voice are stored and "
                "served as they are",
            )
        for pool in (workers.decodes, workers.encodes):
            nursery.start_soon(pool.keep_warm, jobs.warm)
        yield create_app(deps, workers, variants)
        nursery.cancel_scope.cancel()


def preparer_of(deps: MediaDeps, workers: Workers, scratch: Scratch) -> Preparer:
    return Preparer(
        deps.settings,
        deps.reads,
        deps.committer,
        deps.blobs,
        workers.conversions,
        scratch,
        deps.on_prepared,
    )


def create_app(deps: MediaDeps, workers: Workers, variants: Variants) -> QuartTrio:
    """The application over workers and variants that somebody else opens and closes."""
    host = _Host(deps, workers, variants)
    app = QuartTrio("media", static_folder=None)
    app.asgi_http_class = MediaConnection
    app.url_map.merge_slashes = False  # a URL has one spelling
    # The limits are ours: see MediaSettings.
    app.config.update(MAX_CONTENT_LENGTH=None, BODY_TIMEOUT=None, RESPONSE_TIMEOUT=None)
    for rule, handler, methods in (
        ("/m/<path:rest>", host.serve, ["GET", "HEAD"]),
        ("/u/<path:rest>", host.upload, ["PUT"]),
        ("/u/<path:rest>", host.resume, ["POST", "HEAD", "PATCH", "DELETE", "OPTIONS"]),
    ):
        app.add_url_rule(rule, view_func=handler, methods=methods, provide_automatic_options=False)
    app.register_error_handler(Exception, host.failed)
    app.before_request(host.check_headers)
    app.after_request(host.finished)
    return app


class _Host:
    """The handlers."""

    def __init__(self, deps: MediaDeps, workers: Workers, variants: Variants) -> None:
        self._deps = deps
        self._variants = variants
        self._views = Views(deps.signer)
        self._uploads = Uploads(
            deps.settings,
            deps.reads,
            deps.committer,
            deps.blobs,
            workers,
            deps.metrics,
            deps.on_progress,
        )
        self._parts = PartUploads(
            deps.settings,
            deps.reads,
            deps.committer,
            deps.blobs,
            self._uploads,
            deps.metrics,
        )
        self._partials = Partials(deps.reads, self._parts)

    async def check_headers(self) -> None:
        if len(request.headers) > self._deps.settings.max_headers:
            raise _TooManyHeaders("too many header fields")

    async def upload(self, rest: str) -> Response:
        path, query = _raw_target()
        ticket = self._deps.signer.parse_upload(path, query, self._deps.clock.now_ms())
        length = request.headers.get("Content-Length")
        if length is not None and not (length.isascii() and length.isdigit()):
            raise BadRequest("not a Content-Length")
        scope: Any = request.scope
        media = await self._uploads.receive(
            ticket, scope[BODY], None if length is None else int(length)
        )
        return _json(201, MessageToDict(self._views.media(media)))

    async def resume(self, rest: str) -> Response:
        """An upload in parts, in either of the two protocols."""
        if request.method == "OPTIONS":
            return Response(
                b"", status=204, headers=tus.capabilities(self._deps.settings.max_upload_bytes)
            )
        method = request.method
        is_tus = "Tus-Resumable" in request.headers
        if is_tus and method == "POST":  # for clients that cannot say what they mean
            method = request.headers.get("X-HTTP-Method-Override", method)
        path, query = _raw_target()
        now_ms = self._deps.clock.now_ms()
        try:
            ticket = self._deps.signer.parse_upload(path, query, now_ms)
        except Expired as error:
            raise Gone(str(error)) from error
        scope: Any = request.scope
        asked = Asked(
            method=method,
            headers=request.headers,
            target=self._deps.signer.reference(path, query),
            ticket=ticket,
            urls=self._deps.signer,
            body=scope[BODY],
            now_ms=now_ms,
        )
        if is_tus:
            said = await tus.answer(asked, self._parts, self._partials)
        else:
            said = await draft.answer(asked, self._parts)
        if said.media is None:
            response = Response(b"", status=said.status)
            response.headers.pop("Content-Type", None)
            response.headers["Cache-Control"] = "no-store"
        else:
            response = _json(said.status, MessageToDict(self._views.media(said.media)))
        response.headers.update(said.headers)
        return response

    async def serve(self, rest: str) -> Response:
        path, query = _raw_target()
        now_ms = self._deps.clock.now_ms()
        url = self._deps.signer.parse_media(path, query, now_ms)
        media = await self._deps.reads.read(viewable, url.viewer_id, url.media_id)
        if media is None or not media.stored:
            raise Missing("no such media")
        signed = url.viewer_id != 0
        left = (url.expires_ms - now_ms) // 1000
        caching = cache_control(
            signed=signed, max_age=min(left, self._deps.settings.private_max_age)
        )
        head = request.method == "HEAD"
        if url.file:
            return _response(await self._stream(media, url, caching, head))
        if url.is_form:
            name = f"{url.preset}.{url.ext}"
            made = await self._variants.form(media, name)
            source = BytesSource(made.data, made.digest)
            return _response(answer(source, FORMS[name], caching, request.headers, head=head))
        if url.is_original:
            return _response(await self._original(media, url, caching, head))
        return _response(await self._variant(media, url, caching, head))

    async def _original(
        self, media: MediaRecord, url: MediaUrl, caching: str, head: bool
    ) -> Answer:
        if not media.is_opaque and (not url.viewer_id or media.owner_id != url.viewer_id):
            raise NotAllowed("an original is for its owner")
        info = await self._deps.blobs.stat(media.blob_hash)
        if info is None:
            raise Failed("the bytes are missing")
        source = BlobSource(self._deps.blobs, info)
        return answer(source, media.mime, caching, request.headers, head=head)

    async def _stream(self, media: MediaRecord, url: MediaUrl, caching: str, head: bool) -> Answer:
        """A file of an adaptive stream, of this object alone."""
        name, _, ext = url.file.partition(".")
        if media.motion is None or not media.motion.video_codec:
            raise Missing("it has no stream")
        if name == "index":
            found = await self._deps.reads.read(index_of, media.blob_hash)
            if found is None and media.motion.state is MotionState.PREPARING:
                raise Busy("the video is being prepared")
        else:
            found = await self._deps.reads.read(file_of, media.blob_hash, bytes.fromhex(name))
        if found is None or found.kind not in _STREAM_FILES[ext]:
            raise Missing("it has no such file")
        info = BlobInfo(found.digest, found.size)
        source = BlobSource(self._deps.blobs, info)
        return answer(source, STREAM_MIMES[ext], caching, request.headers, head=head)

    async def _variant(self, media: MediaRecord, url: MediaUrl, caching: str, head: bool) -> Answer:
        ext = url.ext or chosen_format(request.headers.get("Accept", ""))
        found = await self._variants.get(media, url.preset, ext)
        return answer(
            BytesSource(found.data, found.digest),
            MIMES[ext],
            caching,
            request.headers,
            head=head,
            vary="" if url.ext else "Accept",
        )

    async def failed(self, error: Exception) -> Response:
        known = _known(error)
        if known is None:
            log.error("media request failed", path=request.path, exc_info=error)
            known = Failed("internal error")
        response = _json(known.status, {"error": {"code": known.code, "message": known.message}})
        if known.retry_after:
            response.headers["Retry-After"] = str(known.retry_after)
        if isinstance(error, OffsetConflict):
            response.headers["Upload-Offset"] = str(error.offset)
        if isinstance(error, MethodNotAllowed):
            response.headers["Allow"] = ", ".join(sorted(error.valid_methods or []))
        return response

    async def finished(self, response: Response) -> Response:
        response.headers.update(SAFE_HEADERS)
        if "Tus-Resumable" in request.headers:
            response.headers["Tus-Resumable"] = response.headers["Tus-Version"] = tus.VERSION
        kind = {
            "PUT": "upload",
            "POST": "upload",
            "PATCH": "upload",
            "GET": "serve",
            "HEAD": "serve",
        }.get(request.method, "other")
        self._deps.metrics.answers.labels(kind, str(response.status_code)).inc()
        return response


_STREAM_FILES = {
    "m3u8": (FileKind.INDEX, FileKind.PLAYLIST),
    "mp4": (FileKind.INIT,),
    "m4s": (FileKind.SEGMENT,),
}


class _TooManyHeaders(MediaError):
    status, code = 431, "TOO_LARGE"


class _Unusual(MediaError):
    """What the framework refuses by itself: a wrong method, a header it cannot read."""

    code = "INVALID_ARGUMENT"

    def __init__(self, error: HTTPException) -> None:
        super().__init__(error.name)
        self.status = error.code or 400


def _raw_target() -> tuple[bytes, bytes]:
    """Path and query as the client wrote them: what its signature covers."""
    return request.scope["raw_path"], request.scope["query_string"]


def _known(error: Exception) -> MediaError | None:
    """The answer that an error deserves; None for one that nobody expected."""
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
        case HTTPException():
            return Missing("no such path") if error.code == 404 else _Unusual(error)
    return None


def _json(status: int, content: Mapping[str, object]) -> Response:
    return Response(
        json.dumps(content),
        status=status,
        headers={"Cache-Control": "no-store"},
        content_type="application/json",
    )


def _response(made: Answer) -> Response:
    response = Response(made.body or b"", status=made.status, headers=dict(made.headers))
    if "Content-Length" in made.headers:
        response.headers["Content-Length"] = made.headers["Content-Length"]
    if "Content-Type" not in made.headers:  # nor has it a body
        response.headers.pop("Content-Type", None)
        if made.status == 304:
            response.headers.pop("Content-Length", None)
    return response
