"""The media host: takes uploads, serves photographs, and nothing else.

    PUT       /u/{media_id}?…             one upload, by its ticket
    POST HEAD PATCH DELETE OPTIONS        the same in parts: `media.uploads.tus` and `draft`
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
from typing import Any, NamedTuple

import structlog
import trio
from google.protobuf.json_format import MessageToDict
from quart import Response, request
from quart_trio import QuartTrio
from werkzeug.exceptions import HTTPException, MethodNotAllowed

from media import motion
from media.body import BODY, MediaConnection
from media.cache.files import Cached, DiskCache
from media.cache.flights import Flights
from media.cache.locks import FileLocks
from media.cors import Cors
from media.errors import BadRequest, Gone, MediaError, Missing
from media.limits import Limits
from media.metrics import MediaMetrics
from media.motion import jobs
from media.preparing import OnPrepared, Preparer
from media.serving.access import Access
from media.serving.answering import Serving, refusal
from media.serving.answers import SAFE_HEADERS, Answer, failure
from media.serving.variants import Variants
from media.settings import MediaSettings
from media.uploads import draft, tus
from media.uploads.fronts import Asked
from media.uploads.partials import Partials
from media.uploads.parts import PartUploads
from media.uploads.progress import OnProgress
from media.uploads.put import Uploads
from media.urls import BadSignature, BadUrl, Expired, Signer
from media.workers.pools import Workers, open_workers
from media.workers.scratch import Scratch
from rpc.context import Clock, Committer, Reads
from rpc.views import Views
from store.blobs import BlobStore

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


class MediaHost(NamedTuple):
    """What serves: all requests, and by a shorter way the plain ones for what is stored."""

    app: QuartTrio
    serving: Serving
    limits: Limits
    cors: Cors


@asynccontextmanager
async def open_media(deps: MediaDeps) -> AsyncIterator[MediaHost]:
    """The host with its cache and its worker processes, which end with the context."""
    settings = deps.settings
    cache = DiskCache(
        settings.cache_folders,
        deps.metrics,
        max_bytes=settings.cache_bytes,
        hot_bytes=settings.hot_bytes,
    )
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
            for _ in range(settings.conversions.workers):
                nursery.start_soon(preparer_of(deps, workers, scratch).run)
        else:
            log.warning(
                "video not converted",
                reason="PyAV is not installed (the extra `video`): video and voice are stored and "
                "served as they are",
            )
        for pool in (workers.decodes, workers.encodes):
            nursery.start_soon(pool.keep_warm, jobs.warm)
        access = Access(deps.reads)
        nursery.start_soon(access.run)
        yield create_host(deps, workers, variants, access)
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


def create_host(deps: MediaDeps, workers: Workers, variants: Variants, access: Access) -> MediaHost:
    """The host over parts that somebody else opens, runs and closes."""
    settings = deps.settings
    limits = Limits(settings.rate, settings.proxies, deps.metrics)
    cors = Cors(settings.origins)
    serving = Serving(
        settings, deps.reads, access, deps.blobs, deps.signer, deps.clock, variants, limits
    )
    host = _Host(deps, workers, variants, serving, limits, cors)
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
    app.before_request(host.admit)
    app.after_request(host.finished)
    return MediaHost(app, serving, limits, cors)


class _Host:
    """The handlers."""

    def __init__(
        self,
        deps: MediaDeps,
        workers: Workers,
        variants: Variants,
        serving: Serving,
        limits: Limits,
        cors: Cors,
    ) -> None:
        self._deps = deps
        self._serving = serving
        self._limits = limits
        self._cors = cors
        self._views = Views(deps.signer)
        self._uploads = Uploads(
            deps.settings,
            deps.reads,
            deps.committer,
            deps.blobs,
            workers,
            deps.metrics,
            deps.on_progress,
            variants.keep_reduced,
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

    async def admit(self) -> Response | None:
        """Before anything else: what a request costs at least, and what browsers ask first."""
        scope: Any = request.scope
        client: tuple[str, int] | None = scope.get("client")
        forwarded = ",".join(request.headers.getlist("X-Forwarded-For"))
        self._limits.address(self._limits.client(client[0] if client else "", forwarded))
        if len(request.headers) > self._deps.settings.max_headers:
            raise _TooManyHeaders("too many header fields")
        if request.method == "OPTIONS" and "Access-Control-Request-Method" in request.headers:
            answer = self._cors.preflight(upload=_is_upload())
            if answer:
                return _empty(204, answer)
        return None

    async def upload(self, rest: str) -> Response:
        path, query = _raw_target()
        ticket = self._deps.signer.parse_upload(path, query, self._deps.clock.now_ms())
        self._limits.ticket(ticket.media_id)
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
        method = request.method
        is_tus = "Tus-Resumable" in request.headers
        if is_tus and method == "POST":  # for clients that cannot say what they mean
            method = request.headers.get("X-HTTP-Method-Override", method)
        path, query = _raw_target()
        now_ms = self._deps.clock.now_ms()
        most = self._deps.settings.max_upload_bytes
        try:
            ticket = self._deps.signer.parse_upload(path, query, now_ms)
        except (BadUrl, BadSignature, Expired) as error:
            if method == "OPTIONS":
                return _empty(204, tus.capabilities(most) | draft.limits(most))
            if isinstance(error, Expired):
                raise (Gone if is_tus else Missing)(str(error)) from error
            raise
        if method == "OPTIONS":
            return _empty(204, tus.capabilities(most) | draft.limits(ticket.max_bytes))
        self._limits.ticket(ticket.media_id)
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
            response = _empty(said.status, {"Cache-Control": "no-store"})
        else:
            response = _json(said.status, MessageToDict(self._views.media(said.media)))
        response.headers.update(said.headers)
        return response

    async def serve(self, rest: str) -> Response:
        path, query = _raw_target()
        head = request.method == "HEAD"
        return _response(await self._serving.answer(path, query, request.headers, head=head))

    async def failed(self, error: Exception) -> Response:
        if isinstance(error, HTTPException):
            unknown = error.code == 404
            known: MediaError = Missing("no such path") if unknown else _Unusual(error)
        else:
            known = refusal(error, request.path)
        response = _response(failure(known))
        if isinstance(error, MethodNotAllowed):
            response.headers["Allow"] = ", ".join(sorted(error.valid_methods or []))
        return response

    async def finished(self, response: Response) -> Response:
        response.headers.update(SAFE_HEADERS)
        allowed = self._cors.fields(request.headers.get("Origin"), upload=_is_upload())
        for name, value in allowed.items():
            response.headers.add(name, value)
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


class _TooManyHeaders(MediaError):
    status, code = 431, "TOO_LARGE"


class _Unusual(MediaError):
    """What the framework refuses by itself: a wrong method, a header it cannot read."""

    code = "INVALID_ARGUMENT"

    def __init__(self, error: HTTPException) -> None:
        super().__init__(error.name)
        self.status = error.code or 400


def _is_upload() -> bool:
    return not request.path.startswith("/m/")


def _empty(status: int, headers: Mapping[str, str]) -> Response:
    response = Response(b"", status=status, headers=dict(headers))
    response.headers.pop("Content-Type", None)
    return response


def _raw_target() -> tuple[bytes, bytes]:
    """Path and query as the client wrote them: what its signature covers."""
    return request.scope["raw_path"], request.scope["query_string"]


def _json(status: int, content: Mapping[str, object]) -> Response:
    return Response(
        json.dumps(content),
        status=status,
        headers={"Cache-Control": "no-store"},
        content_type="application/json",
    )


def _response(made: Answer) -> Response:
    response = Response(made.body(), status=made.status, headers=dict(made.headers))
    for name in ("Content-Type", "Content-Length"):
        if name in made.headers:
            response.headers[name] = made.headers[name]
        else:
            response.headers.pop(name, None)
    return response
