"""Media tickets and links. The bytes travel over HTTP, to and from the media host."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import dataclass

from rpc.context import CallContext, MediaUrls
from rpc.errors import CallError, Code
from rpc.proto import media_pb2, models_pb2
from rpc.proto.stubs import MediaService
from rpc.views import Views
from store.changes.media import ReserveMedia
from store.queries.media import usage
from store.queries.media_access import viewable, viewable_media
from store.records import MediaRecord, Purpose

AUTO = "auto"  # the format that Accept chooses


@dataclass(frozen=True)
class TicketSettings:
    """What tickets and links promise. `presets` are the names the media host knows, and
    `largest` the one that stands for an original which only its owner may have."""

    presets: frozenset[str]
    largest: str
    formats: frozenset[str] = frozenset()  # extensions of presets
    voice: str = ""  # of sound, that stands for an original
    max_bytes: int = 32 * 1024 * 1024
    quota: int = 0  # bytes of each user; 0: any number
    ticket_ms: int = 3600 * 1000
    link_ms: int = 3600 * 1000


class Media(MediaService):
    """Tickets for one PUT, and links that are bound to their viewer and expire.

    An original carries whatever its camera wrote into it (place, time, device), so a link to
    it is given to its owner alone; others get the largest preset in its place.
    """

    def __init__(self, views: Views, urls: MediaUrls, settings: TicketSettings) -> None:
        self._views = views
        self._urls = urls
        self._settings = settings

    async def create_upload(
        self, ctx: CallContext, request: media_pb2.CreateUploadRequest
    ) -> media_pb2.CreateUploadResponse:
        settings = self._settings
        if request.size > settings.max_bytes:
            raise CallError(
                Code.TOO_LARGE,
                "the file is too large",
                details={"max_bytes": str(settings.max_bytes)},
            )
        try:
            purpose = Purpose(request.purpose)
        except ValueError as error:
            raise CallError(
                Code.INVALID_ARGUMENT, "no such purpose", details={"field": "purpose"}
            ) from error
        media = await ctx.commit(
            ReserveMedia(
                op=ctx.op,
                owner_id=ctx.user_id,
                media_id=secrets.token_hex(16),
                purpose=purpose,
                size=request.size,
                sha256=request.sha256,
                name=request.name,
                quota=settings.quota,
            )
        )
        # A repeat answers with what was reserved, which may have been stored since.
        now = await ctx.read(viewable, ctx.user_id, media.id)
        media = now or media
        if media.stored:
            return media_pb2.CreateUploadResponse(
                media_id=media.id, max_bytes=media.size, media=self._views.media(media)
            )
        expires_ms = ctx.now_ms + settings.ticket_ms
        return media_pb2.CreateUploadResponse(
            media_id=media.id,
            url=self._urls.upload_url(media.id, media.size, expires_ms),
            expires_ms=expires_ms,
            max_bytes=media.size,
        )

    async def get_media(
        self, ctx: CallContext, request: media_pb2.GetMediaRequest
    ) -> models_pb2.MediaObject:
        media = await ctx.read(viewable, ctx.user_id, request.media_id)
        if media is None:
            raise CallError(Code.NOT_FOUND, "no such media")
        return self._views.media(media)

    async def get_usage(
        self, ctx: CallContext, request: media_pb2.GetUsageRequest
    ) -> media_pb2.GetUsageResponse:
        used = await ctx.read(usage, ctx.user_id)
        return media_pb2.GetUsageResponse(
            objects=used.objects, bytes=used.bytes, quota=self._settings.quota
        )

    async def link_media(
        self, ctx: CallContext, request: media_pb2.LinkMediaRequest
    ) -> media_pb2.LinkMediaResponse:
        if request.preset and request.preset not in self._settings.presets:
            raise CallError(Code.INVALID_ARGUMENT, "no such preset", details={"field": "preset"})
        if request.format not in ("", AUTO, *self._settings.formats):
            raise CallError(Code.INVALID_ARGUMENT, "no such format", details={"field": "format"})
        ext = "" if request.format == AUTO else request.format or "jpg"
        wanted: Sequence[str] = list(dict.fromkeys(request.media_ids))
        found = await ctx.read(viewable_media, ctx.user_id, wanted)
        expires_ms = ctx.now_ms + self._settings.link_ms
        return media_pb2.LinkMediaResponse(
            links=[
                media_pb2.MediaLink(
                    media_id=one.id,
                    url=self._urls.private_url(
                        one, ctx.user_id, self._preset(ctx, one, request.preset), expires_ms, ext
                    ),
                    expires_ms=expires_ms,
                )
                for one in (found[media_id] for media_id in wanted if media_id in found)
                if one.stored
            ]
        )

    async def link_variants(
        self, ctx: CallContext, request: media_pb2.LinkVariantsRequest
    ) -> media_pb2.LinkMediaResponse:
        wanted: Sequence[str] = list(dict.fromkeys(request.media_ids))
        found = await ctx.read(viewable_media, ctx.user_id, wanted)
        expires_ms = ctx.now_ms + self._settings.link_ms
        links = []
        for one in (found[media_id] for media_id in wanted if media_id in found):
            if not one.stored or not one.still:
                continue
            try:
                url = self._urls.variant_url(one, request.variant, ctx.user_id, expires_ms)
            except ValueError as error:
                raise CallError(
                    Code.INVALID_ARGUMENT, str(error), details={"field": "variant"}
                ) from error
            lasting = one.purpose.is_public
            links.append(
                media_pb2.MediaLink(
                    media_id=one.id, url=url, expires_ms=0 if lasting else expires_ms
                )
            )
        return media_pb2.LinkMediaResponse(links=links)

    def _preset(self, ctx: CallContext, media: MediaRecord, preset: str) -> str:
        if preset or media.owner_id == ctx.user_id:
            return preset
        if media.is_opaque:
            return ""  # it is served as it is
        return self._settings.largest if media.still else self._settings.voice
