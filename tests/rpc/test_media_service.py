"""Tickets and links, over a real store."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Any

import pytest
import trio

from media.images.formats import MIMES
from media.images.presets import LARGEST, PRESET_NAMES
from media.urls import Expired, MediaUrl, Signer
from realtime.events.batcher import Batcher
from rpc.context import CallContext
from rpc.errors import CallError, Code
from rpc.proto import media_pb2, models_pb2
from rpc.services.media import Media, TicketSettings
from rpc.views import Views
from store.changes.base import Op
from store.changes.media import StoreMedia
from store.errors import Invalid
from store.queries.media import media_by_id
from store.sqlite import SqliteStore
from tests.closing import until_the_end

NOW = 1_700_000_000_000
SETTINGS = TicketSettings(
    presets=PRESET_NAMES, largest=LARGEST, formats=frozenset(MIMES), max_bytes=1000
)
EXPIRES = NOW + SETTINGS.link_ms
HASH = hashlib.sha256(b"photograph").digest()
signer = Signer([b"k" * 32], "http://media.test")


@dataclass
class FixedClock:
    ms: int = NOW

    def now_ms(self) -> int:
        return self.ms


class Caller:
    """A signed-in identity, of which the service reads no more than the user."""

    def __init__(self, user_id: int) -> None:
        self.user_id = user_id


class World:
    """The service over an embedded store, with the real batcher."""

    def __init__(self, store: SqliteStore, batcher: Batcher) -> None:
        self.store = store
        self.batcher = batcher
        self.service = Media(Views(signer), signer, SETTINGS)

    def ctx(self, user_id: int, op: Op | None = None) -> CallContext:
        caller: Any = Caller(user_id)
        return CallContext(caller, self.store, self.batcher, op=op, now_ms=NOW)

    async def create(
        self, user_id: int = 1, op: Op | None = None, **fields: Any
    ) -> media_pb2.CreateUploadResponse:
        values: dict[str, Any] = {"purpose": models_pb2.PURPOSE_CHAT, "size": 10}
        request = media_pb2.CreateUploadRequest(**(values | fields))
        return await self.service.create_upload(self.ctx(user_id, op), request)

    async def store_bytes(self, media_id: str, user_id: int = 1) -> None:
        await self.ctx(user_id).commit(
            StoreMedia(
                media_id=media_id,
                blob_hash=HASH,
                size=10,
                mime="image/png",
                width=8,
                height=6,
                color="#ffffff",
                thumbhash=b"looks like",
            )
        )

    async def link(
        self, user_id: int, *media_ids: str, preset: str = ""
    ) -> list[media_pb2.MediaLink]:
        answer = await self.service.link_media(
            self.ctx(user_id), media_pb2.LinkMediaRequest(media_ids=media_ids, preset=preset)
        )
        return list(answer.links)


async def open_world(nursery: trio.Nursery) -> World:
    store = until_the_end(SqliteStore.in_memory())
    await store.migrate()
    batcher = Batcher(store, FixedClock(), lambda batch: None)
    nursery.start_soon(batcher.run)
    return World(store, batcher)


def parsed(url: str, now_ms: int = NOW) -> MediaUrl:
    path, _, query = url.removeprefix("http://media.test").encode().partition(b"?")
    return signer.parse_media(path, query, now_ms)


def parsed_ticket(url: str) -> tuple[str, int]:
    path, _, query = url.removeprefix("http://media.test").encode().partition(b"?")
    ticket = signer.parse_upload(path, query, NOW)
    return ticket.media_id, ticket.max_bytes


async def test_a_ticket_takes_exactly_the_announced_bytes() -> None:
    async with trio.open_nursery() as nursery:
        world = await open_world(nursery)
        answer = await world.create(size=10)
        assert parsed_ticket(answer.url) == (answer.media_id, 10)
        assert answer.max_bytes == 10
        assert answer.expires_ms == NOW + SETTINGS.ticket_ms
        assert not answer.HasField("media")
        world.batcher.close()


async def test_known_bytes_are_answered_with_the_finished_object() -> None:
    async with trio.open_nursery() as nursery:
        world = await open_world(nursery)
        first = await world.create()
        await world.store_bytes(first.media_id)
        again = await world.create(sha256=HASH, purpose=models_pb2.PURPOSE_POST)
        assert again.url == ""
        assert again.media_id == again.media.id != first.media_id
        assert (again.media.width, again.media.mime) == (8, "image/png")
        assert (again.media.color, again.media.thumbhash) == ("#ffffff", b"looks like")
        assert again.media.url == f"/m/{again.media_id}/medium.jpg"
        world.batcher.close()


async def test_every_upload_is_an_object_of_its_own_over_the_same_bytes() -> None:
    async with trio.open_nursery() as nursery:
        world = await open_world(nursery)
        # A private one, uploaded; a public one, known by its digest; another, sent once more.
        private = (await world.create(name="private")).media_id
        await world.store_bytes(private)
        public = (await world.create(sha256=HASH, purpose=models_pb2.PURPOSE_POST)).media_id
        resent = (await world.create()).media_id
        await world.store_bytes(resent)
        assert len({private, public, resent}) == 3
        objects = [
            await world.service.get_media(
                world.ctx(1), media_pb2.GetMediaRequest(media_id=media_id)
            )
            for media_id in (private, public, resent)
        ]
        assert [bool(one.url) for one in objects] == [False, True, False]
        # What is public of one makes nothing public of another.
        assert [one.media_id for one in await world.link(2, private, public, resent)] == [public]
        found = await world.store.read(media_by_id, [private, public, resent])
        assert {one.blob_hash for one in found.values()} == {HASH}
        assert [found[one].name for one in (private, public)] == ["private", ""]
        world.batcher.close()


async def test_a_repeat_gets_the_same_ticket_and_later_the_object() -> None:
    async with trio.open_nursery() as nursery:
        world = await open_world(nursery)
        op = Op(scope="u:1", key=b"k" * 16, digest=b"d" * 16)
        first = await world.create(op=op)
        assert (await world.create(op=op)) == first
        await world.store_bytes(first.media_id)
        last = await world.create(op=op)
        assert (last.media_id, last.media.id, last.url) == (first.media_id, first.media_id, "")
        world.batcher.close()


@pytest.mark.parametrize(
    ("fields", "code"),
    [({"size": 1001}, Code.TOO_LARGE), ({"purpose": 17}, Code.INVALID_ARGUMENT)],
)
async def test_refused_tickets(fields: dict[str, Any], code: Code) -> None:
    async with trio.open_nursery() as nursery:
        world = await open_world(nursery)
        with pytest.raises(CallError) as caught:
            await world.create(**fields)
        assert caught.value.code == code
        world.batcher.close()


async def test_a_digest_of_another_length_is_refused_by_the_change() -> None:
    async with trio.open_nursery() as nursery:
        world = await open_world(nursery)
        with pytest.raises(Invalid):
            await world.create(sha256=b"short")
        world.batcher.close()


async def test_get_media_hides_what_the_caller_may_not_see() -> None:
    async with trio.open_nursery() as nursery:
        world = await open_world(nursery)
        private = (await world.create()).media_id
        public = (await world.create(purpose=models_pb2.PURPOSE_POST)).media_id
        for media_id in (private, public):
            await world.store_bytes(media_id)

        async def get(user_id: int, media_id: str) -> models_pb2.MediaObject:
            return await world.service.get_media(
                world.ctx(user_id), media_pb2.GetMediaRequest(media_id=media_id)
            )

        assert (await get(1, private)).url == ""
        assert (await get(2, public)).url == f"/m/{public}/medium.jpg"
        with pytest.raises(CallError) as caught:
            await get(2, private)
        assert caught.value.code == Code.NOT_FOUND
        world.batcher.close()


async def test_links_are_bound_to_the_caller_and_expire() -> None:
    async with trio.open_nursery() as nursery:
        world = await open_world(nursery)
        mine = (await world.create()).media_id
        await world.store_bytes(mine)
        (link,) = await world.link(1, mine, preset="small")
        assert parsed(link.url) == MediaUrl(mine, "small", "jpg", 1, EXPIRES)
        assert link.expires_ms == NOW + SETTINGS.link_ms
        with pytest.raises(Expired):
            parsed(link.url, link.expires_ms)
        world.batcher.close()


async def test_what_the_caller_may_not_see_is_left_out() -> None:
    async with trio.open_nursery() as nursery:
        world = await open_world(nursery)
        mine = (await world.create()).media_id
        pending = (await world.create(user_id=2)).media_id
        theirs = (await world.create(user_id=2, purpose=models_pb2.PURPOSE_POST)).media_id
        await world.store_bytes(mine)
        await world.store_bytes(theirs, 2)
        found = await world.link(2, mine, theirs, pending, "0" * 32, theirs)
        assert [link.media_id for link in found] == [theirs]
        world.batcher.close()


async def test_the_original_is_for_its_owner_and_the_largest_preset_for_others() -> None:
    async with trio.open_nursery() as nursery:
        world = await open_world(nursery)
        public = (await world.create(purpose=models_pb2.PURPOSE_POST)).media_id
        await world.store_bytes(public)
        (own,), (other,) = await world.link(1, public), await world.link(2, public)
        assert parsed(own.url) == MediaUrl(public, "original", "", 1, EXPIRES)
        assert parsed(other.url) == MediaUrl(public, LARGEST, "jpg", 2, EXPIRES)
        world.batcher.close()


async def test_an_unknown_preset_is_refused() -> None:
    async with trio.open_nursery() as nursery:
        world = await open_world(nursery)
        with pytest.raises(CallError) as caught:
            await world.link(1, "0" * 32, preset="gigantic")
        assert caught.value.code == Code.INVALID_ARGUMENT
        world.batcher.close()


async def variants_of(
    world: World, user_id: int, *media_ids: str, **fields: Any
) -> list[media_pb2.MediaLink]:
    values: dict[str, Any] = {"mode": media_pb2.VARIANT_FIT, "width": 100, "format": "webp"}
    answer = await world.service.link_variants(
        world.ctx(user_id),
        media_pb2.LinkVariantsRequest(
            media_ids=media_ids, variant=media_pb2.Variant(**(values | fields))
        ),
    )
    return list(answer.links)


async def test_variants_of_private_media_are_bound_to_the_caller_and_expire() -> None:
    async with trio.open_nursery() as nursery:
        world = await open_world(nursery)
        mine = (await world.create()).media_id
        await world.store_bytes(mine)
        (link,) = await variants_of(world, 1, mine)
        found = parsed(link.url)
        assert (found.viewer_id, str(found.options), found.ext) == (1, "fit,w-100", "webp")
        assert found.expires_ms == link.expires_ms == EXPIRES
        assert await variants_of(world, 2, mine) == []
        world.batcher.close()


async def test_variants_of_public_media_are_the_same_for_everybody_and_for_ever() -> None:
    async with trio.open_nursery() as nursery:
        world = await open_world(nursery)
        public = (await world.create(purpose=models_pb2.PURPOSE_POST)).media_id
        pending = (await world.create(purpose=models_pb2.PURPOSE_POST)).media_id
        await world.store_bytes(public)
        (own,) = await variants_of(world, 1, public, pending, "0" * 32)
        (other,) = await variants_of(world, 2, public, pending)
        assert own == other
        assert own.expires_ms == 0
        assert parsed(own.url, EXPIRES * 2).viewer_id == 0
        world.batcher.close()


@pytest.mark.parametrize(
    "fields", [{"mode": 0}, {"width": 0}, {"format": "svg"}, {"quality": 5, "format": "png"}]
)
async def test_a_variant_that_makes_no_sense_is_refused(fields: dict[str, Any]) -> None:
    async with trio.open_nursery() as nursery:
        world = await open_world(nursery)
        mine = (await world.create()).media_id
        await world.store_bytes(mine)
        with pytest.raises(CallError) as caught:
            await variants_of(world, 1, mine, **fields)
        assert (caught.value.code, caught.value.details["field"]) == (
            Code.INVALID_ARGUMENT,
            "variant",
        )
        world.batcher.close()


async def test_a_preset_is_linked_in_the_format_that_is_asked_for() -> None:
    async with trio.open_nursery() as nursery:
        world = await open_world(nursery)
        mine = (await world.create()).media_id
        await world.store_bytes(mine)
        for asked, ext in (("", "jpg"), ("avif", "avif"), ("auto", "")):
            answer = await world.service.link_media(
                world.ctx(1),
                media_pb2.LinkMediaRequest(media_ids=[mine], preset="small", format=asked),
            )
            assert parsed(answer.links[0].url).ext == ext
        with pytest.raises(CallError) as caught:
            await world.service.link_media(
                world.ctx(1), media_pb2.LinkMediaRequest(media_ids=[mine], format="svg")
            )
        assert caught.value.details["field"] == "format"
        world.batcher.close()
