"""GET and HEAD, through the application: who gets what, and how."""

from __future__ import annotations

import shutil
from contextlib import AbstractAsyncContextManager
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
import structlog.testing
import trio
from msgspec import structs
from PIL import Image

from media.images.formats import MIMES
from media.images.presets import PRESETS
from media.workers.pools import Lane
from media.workers.slots import Priority
from rpc.proto import media_pb2
from store.blobs import Blob, MemoryBlobs
from store.changes.messages import DeleteMessage, SendMessage
from store.changes.rooms import OpenDirect
from store.errors import Corrupt
from store.records import MediaRecord, Purpose
from tests.media import host, samples
from tests.media.host import BASE, NOW, OTHER, OWNER, Host, Reply, open_host


@pytest.fixture(params=host.WAYS, autouse=True)
def _way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Both ways answer the same."""
    monkeypatch.setattr(host, "WAY", request.param)


JPEG = samples.turned(6)
IMMUTABLE = "public, max-age=31536000, immutable"


def size_of(reply: Reply) -> tuple[int, int]:
    assert reply.status == 200, reply
    return Image.open(BytesIO(reply.body)).size


def is_safe(reply: Reply) -> bool:
    return (
        reply.headers["x-content-type-options"] == "nosniff"
        and "sandbox" in reply.headers["content-security-policy"]
        and "default-src 'none'" in reply.headers["content-security-policy"]
    )


@pytest.mark.parametrize("purpose", [Purpose.POST, Purpose.AVATAR])
async def test_public_presets_are_for_everyone_and_for_ever(
    tmp_path: Path, purpose: Purpose
) -> None:
    async with open_host(tmp_path) as host:
        media = await host.stored(samples.jpeg(2000, 1500), purpose)
        assert host.signer.public_url(media) == f"/m/{media.id}/medium.jpg"
        for name, preset in PRESETS.items():
            for ext, mime in MIMES.items():
                reply = await host.get(f"/m/{media.id}/{name}.{ext}")
                height = preset.width if preset.mode == "fill" else preset.width * 3 // 4
                assert size_of(reply) == (preset.width, height)
                assert reply.headers["content-type"] == mime
                assert reply.headers["cache-control"] == IMMUTABLE
                assert reply.headers["content-disposition"] == "inline"
                assert is_safe(reply)


async def test_what_is_served_carries_no_metadata(tmp_path: Path) -> None:
    async with open_host(tmp_path) as host:
        media = await host.stored(JPEG)
        reply = await host.get(f"/m/{media.id}/large.jpg")
        assert size_of(reply) == (300, 400)
        assert b"SECRET" not in reply.body


async def test_the_original_is_for_its_owner_by_a_signed_link(tmp_path: Path) -> None:
    """Of a public object too: the original tells where it was taken."""
    async with open_host(tmp_path) as host:
        media = await host.stored(JPEG, Purpose.POST)
        own = await host.get(host.link(media, OWNER))
        assert (own.status, own.body) == (200, JPEG)
        assert own.headers["content-type"] == "image/jpeg"
        assert own.headers["cache-control"] == "private, max-age=60"
        assert is_safe(own)
        assert (await host.get(host.link(media, OTHER))).status == 403
        assert (await host.get(f"/m/{media.id}/original")).status == 403


async def test_private_media_need_a_link_of_somebody_who_may_see_them(tmp_path: Path) -> None:
    async with open_host(tmp_path) as host:
        media = await host.stored(JPEG, Purpose.CHAT)
        assert (await host.get(f"/m/{media.id}/medium.jpg")).status == 404
        assert (await host.get(host.link(media, OTHER, "medium"))).status == 404
        own = await host.get(host.link(media, OWNER, "medium"))
        assert own.status == 200
        assert own.headers["cache-control"].startswith("private, max-age=")

        room_id = await host.batcher.submit(OpenDirect(user_id=OWNER, peer_id=OTHER)).wait()
        message = await host.batcher.submit(
            SendMessage(
                sender_id=OWNER,
                room_id=room_id,
                client_id=b"c" * 16,
                text="",
                media_ids=(media.id,),
            )
        ).wait()
        assert (await host.get(host.link(media, OTHER, "medium"))).status == 200
        assert (await host.get(host.link(media, OTHER))).status == 403  # the original
        assert (await host.get(host.link(media, 77, "medium"))).status == 404

        await host.batcher.submit(DeleteMessage(user_id=OWNER, message_id=message.id)).wait()
        assert (await host.get(host.link(media, OTHER, "medium"))).status == 404


async def test_links_expire_and_cannot_be_bent(tmp_path: Path) -> None:
    async with open_host(tmp_path) as host:
        media = await host.stored(JPEG, Purpose.CHAT)
        link = host.link(media, OWNER, "medium")
        for bent in (
            link.replace("v=1", "v=2"),
            link.replace("medium", "large"),
            link.replace("e=", "e=9"),
            link + "&v=1",
            link.replace("?", "?v=1&"),
            link[:-1],
        ):
            reply = await host.get(bent)
            assert (reply.status, reply.code) == (403, "PERMISSION_DENIED"), bent
        host.clock.ms = NOW + 60_000
        assert (await host.get(link)).status == 403


@pytest.mark.parametrize("presetting", ["medium.tiff", "huge.jpg", "original.jpg", "Medium.jpg"])
async def test_unknown_paths(tmp_path: Path, presetting: str) -> None:
    async with open_host(tmp_path) as host:
        media = await host.stored(JPEG)
        reply = await host.get(f"/m/{media.id}/{presetting}")
        assert (reply.status, reply.code) == (404, "NOT_FOUND")
        assert reply.headers["cache-control"] == "no-store"
        assert is_safe(reply)


async def test_nothing_is_found_where_nothing_is(tmp_path: Path) -> None:
    async with open_host(tmp_path) as host:
        pending = await host.reserve(JPEG)
        for path in (
            f"/m/{pending.id}/medium.jpg",
            f"/m/{'f' * 32}/medium.jpg",
            host.link(pending, OWNER, "medium"),
            "/",
            "/m/",
            "/etc/passwd",
            f"/m//{pending.id}/medium.jpg",
        ):
            assert (await host.get(path)).status == 404, path


async def test_accept_chooses_the_format_of_a_url_without_one(tmp_path: Path) -> None:
    async with open_host(tmp_path) as host:
        media = await host.stored(JPEG)
        path = f"/m/{media.id}/small"
        webp = await host.get(path, Accept="image/webp,*/*")
        jpg = await host.get(path, Accept="image/*")
        assert webp.headers["content-type"] == "image/webp"
        assert jpg.headers["content-type"] == "image/jpeg"
        assert webp.headers["vary"] == jpg.headers["vary"] == "Accept"
        assert "vary" not in (await host.get(path + ".jpg")).headers


async def test_what_is_transparent_is_no_jpeg_where_png_is_taken(tmp_path: Path) -> None:
    async with open_host(tmp_path) as host:
        clear = await host.stored(samples.encoded("PNG", Image.new("RGBA", (9, 9))))
        opaque = await host.stored(samples.png())
        for media, accept, mime in (
            (clear, "*/*", "image/png"),
            (clear, "image/jpeg", "image/jpeg"),
            (clear, "image/webp,*/*", "image/webp"),
            (opaque, "*/*", "image/jpeg"),
        ):
            reply = await host.get(f"/m/{media.id}/small", Accept=accept)
            assert reply.headers["content-type"] == mime


async def test_only_get_and_head_are_taken(tmp_path: Path) -> None:
    async with open_host(tmp_path) as host:
        media = await host.stored(JPEG)
        for method in ("PUT", "POST", "DELETE", "OPTIONS"):
            reply = await host.request(method, f"/m/{media.id}/small.jpg")
            assert (reply.status, reply.headers["allow"]) == (405, "GET, HEAD")


async def test_too_many_headers(tmp_path: Path) -> None:
    async with open_host(tmp_path, max_headers=30) as host:
        reply = await host.get("/m/x", **{f"X_{number}": "v" for number in range(40)})
        assert reply.status == 431


# Validators and ranges, of a variant in memory and of a blob in chunks.


async def both(host: Host) -> list[tuple[str, Reply]]:
    """A variant and an original, each larger than what a range in the tests covers."""
    media = await host.stored(samples.noise(500, 400))
    paths = [f"/m/{media.id}/medium.jpg", host.link(media, OWNER)]
    replies = [(path, await host.get(path)) for path in paths]
    assert len(replies[1][1].body) > 2 * 256 * 1024
    return replies


async def test_an_unchanged_object_is_not_sent_again(tmp_path: Path) -> None:
    async with open_host(tmp_path) as host:
        for path, full in await both(host):
            etag = full.headers["etag"]
            assert etag.startswith('"')
            for value in (etag, f"W/{etag}", f'"x", {etag}', "*"):
                reply = await host.get(path, If_None_Match=value)
                assert (reply.status, reply.body) == (304, b"")
                assert reply.headers["etag"] == etag
                assert reply.headers["cache-control"] == full.headers["cache-control"]
            assert (await host.get(path, If_None_Match='"x"')).body == full.body


async def test_head_is_get_without_a_body(tmp_path: Path) -> None:
    async with open_host(tmp_path) as host:
        for path, full in await both(host):
            head = await host.request("HEAD", path)
            if host.direct is None:
                # Quart's test client counts the length itself: test_server.py reads the true one.
                head.headers["Content-Length"] = full.headers["Content-Length"]
            assert (head.status, head.headers, head.body) == (200, full.headers, b"")
            assert (await host.request("HEAD", path, Range="bytes=0-3")).status == 200
            etag = full.headers["etag"]
            assert (await host.request("HEAD", path, If_None_Match=etag)).status == 304


@pytest.mark.parametrize(
    ("header", "start", "stop"),
    [
        ("bytes=0-0", 0, 1),
        ("bytes=10-", 10, None),
        ("bytes=-20", -20, None),
        ("bytes=100-262200", 100, 262_201),
    ],
)
async def test_one_range(tmp_path: Path, header: str, start: int, stop: int | None) -> None:
    async with open_host(tmp_path) as host:
        for path, full in await both(host):
            wanted = full.body[start:stop]
            reply = await host.get(path, Range=header)
            assert (reply.status, reply.body) == (206, wanted)
            first = start % len(full.body)
            last = first + len(wanted) - 1
            assert reply.headers["content-range"] == f"bytes {first}-{last}/{len(full.body)}"
            assert reply.headers["etag"] == full.headers["etag"]


async def test_several_ranges(tmp_path: Path) -> None:
    async with open_host(tmp_path) as host:
        for path, full in await both(host):
            reply = await host.get(path, Range="bytes=0-3,100-199,-5")
            assert reply.status == 206
            kind, _, boundary = reply.headers["content-type"].partition("; boundary=")
            assert kind == "multipart/byteranges"
            parts = reply.body.split(b"\r\n--" + boundary.encode())
            assert parts[0] == b""
            assert parts[-1] == b"--\r\n"
            bodies = [part.partition(b"\r\n\r\n")[2] for part in parts[1:-1]]
            assert bodies == [full.body[:4], full.body[100:200], full.body[-5:]]


async def test_ranges_outside_and_ranges_without_sense(tmp_path: Path) -> None:
    async with open_host(tmp_path) as host:
        for path, full in await both(host):
            outside = await host.get(path, Range=f"bytes={len(full.body)}-")
            assert (outside.status, outside.body) == (416, b"")
            assert outside.headers["content-range"] == f"bytes */{len(full.body)}"
            for senseless in ("bytes=5-2", "lines=1-2", "bytes=" + "0-," * 50):
                assert (await host.get(path, Range=senseless)).body == full.body


async def test_if_range_wants_the_same_bytes(tmp_path: Path) -> None:
    async with open_host(tmp_path) as host:
        for path, full in await both(host):
            etag = full.headers["etag"]
            same = await host.get(path, Range="bytes=0-3", If_Range=etag)
            assert (same.status, same.body) == (206, full.body[:4])
            for other in ('"x"', f"W/{etag}", "Sat, 29 Oct 1994 19:43:31 GMT"):
                reply = await host.get(path, Range="bytes=0-3", If_Range=other)
                assert (reply.status, reply.body) == (200, full.body)


# Conversion: once, and kept.


async def test_a_variant_is_converted_once_however_many_ask(tmp_path: Path) -> None:
    async with open_host(tmp_path) as host:
        media = await host.stored(JPEG)
        bodies = []

        async def one() -> None:
            bodies.append((await host.get(f"/m/{media.id}/small.jpg")).body)

        async with trio.open_nursery() as nursery:
            for _ in range(8):
                nursery.start_soon(one)
        await one()
        assert len(set(bodies)) == 1
        assert host.jobs == ["inspect", "render"]
        counted = {
            outcome: host.figure("sunwire_media_variants_total", outcome=outcome)
            for outcome in ("encoded", "joined", "hit", "memory")
        }
        assert counted["encoded"] == 1
        assert sum(counted.values()) == 9


async def test_the_same_photograph_of_another_owner_is_not_converted_again(
    tmp_path: Path,
) -> None:
    async with open_host(tmp_path) as host:
        first, second = await host.stored(JPEG), await host.stored(JPEG)
        one = await host.get(f"/m/{first.id}/small.jpg")
        other = await host.get(f"/m/{second.id}/small.jpg")
        assert one.headers["etag"] == other.headers["etag"]
        assert host.jobs.count("render") == 1


async def test_a_lost_cache_is_only_slower(tmp_path: Path) -> None:
    async with open_host(tmp_path) as host:
        media = await host.stored(JPEG)
        path = f"/m/{media.id}/small.jpg"
        before = await host.get(path)
        shutil.rmtree(host.settings.cache_folders[0])
        after = await host.get(path)
        assert (after.status, after.body) == (200, before.body)
        assert after.headers["etag"] == before.headers["etag"]


# When things fail.


async def test_waiting_conversions_are_bounded(tmp_path: Path) -> None:
    lane = Lane("encode", max_waiting=1)
    async with open_host(tmp_path, encodes=lane) as host:
        media = await host.stored(JPEG)
        pool = host.workers.encodes
        async with pool.slot(Priority.VIEWER), trio.open_nursery() as nursery:

            async def waiting() -> None:
                async with pool.slot(Priority.VIEWER):
                    pass

            nursery.start_soon(waiting)
            while not host.figure("sunwire_media_jobs_waiting", lane="encode"):
                await trio.lowlevel.checkpoint()
            reply = await host.get(f"/m/{media.id}/small.jpg")
            assert (reply.status, reply.code) == (503, "OVERLOADED")
            assert int(reply.headers["retry-after"]) > 0
            assert host.figure("sunwire_media_jobs_refused_total", lane="encode") == 1
            await host.stored(JPEG)  # the encoders' queue is theirs alone
            nursery.cancel_scope.cancel()
        assert (await host.get(f"/m/{media.id}/small.jpg")).status == 200


class Damaged(MemoryBlobs):
    """Finds damage in whatever is opened."""

    damaged = False

    def open(self, digest: bytes) -> AbstractAsyncContextManager[Blob]:  # type: ignore[override]
        if self.damaged:
            raise Corrupt("a damaged manifest")
        return super().open(digest)


async def test_damaged_and_missing_bytes_are_our_fault(tmp_path: Path) -> None:
    blobs = Damaged()
    async with open_host(tmp_path, blobs=blobs) as host:
        media = await host.stored(JPEG)
        blobs.damaged = True
        with structlog.testing.capture_logs() as logs:
            reply = await host.get(f"/m/{media.id}/small.jpg")
        assert (reply.status, reply.code) == (500, "INTERNAL")
        assert "damaged" not in reply.body.decode()
        assert [entry["event"] for entry in logs] == ["media request failed"]

        blobs.damaged = False
        await blobs.delete(media.blob_hash)
        with structlog.testing.capture_logs():
            assert (await host.get(f"/m/{media.id}/small.jpg")).status == 500
            assert (await host.get(host.link(media, OWNER))).status == 500


async def test_answers_are_counted(tmp_path: Path) -> None:
    async with open_host(tmp_path) as host:
        media = await host.stored(JPEG)
        await host.get(f"/m/{media.id}/small.jpg")
        await host.get("/m/nothing")
        counted: dict[Any, float] = {
            (kind, status): host.figure("sunwire_media_answers_total", kind=kind, status=status)
            for kind, status in (("upload", "201"), ("serve", "200"), ("serve", "404"))
        }
        assert set(counted.values()) == {1.0}
        assert host.signer.private_url(media, 1, "", NOW).startswith(BASE)


# Options.


def ordered(host: Host, media: MediaRecord, viewer: int = OWNER, **fields: Any) -> str:
    """A link to a picture made to order."""
    values: dict[str, Any] = {"mode": media_pb2.VARIANT_FIT, "width": 100, "format": "png"}
    url = host.signer.variant_url(
        media, media_pb2.Variant(**(values | fields)), viewer, NOW + 60_000
    )
    return url.removeprefix(BASE)


async def test_options_are_served_to_whoever_has_the_signature(tmp_path: Path) -> None:
    async with open_host(tmp_path) as host:
        media = await host.stored(samples.jpeg(400, 300))
        link = ordered(host, media)
        reply = await host.get(link)
        assert size_of(reply) == (100, 75)
        assert reply.headers["content-type"] == "image/png"
        assert reply.headers["cache-control"] == IMMUTABLE
        assert is_safe(reply)
        filled = ordered(host, media, mode=media_pb2.VARIANT_FILL, height=100, format="", blur=2)
        reply = await host.get(filled, Accept="image/webp")
        assert size_of(reply) == (100, 100)
        assert (reply.headers["content-type"], reply.headers["vary"]) == ("image/webp", "Accept")
        for bent in (link.partition("?")[0], link.replace("w-100", "w-101"), link + "&s=1"):
            reply = await host.get(bent)
            assert (reply.status, reply.code) == (403, "PERMISSION_DENIED"), bent


async def test_a_signature_for_everybody_opens_nothing_that_is_private(tmp_path: Path) -> None:
    """It was made when the object was public, say, or by a key that leaked to a cache."""
    async with open_host(tmp_path) as host:
        media = await host.stored(samples.jpeg(), Purpose.CHAT)
        as_public = ordered(host, structs.replace(media, purpose=Purpose.POST))
        assert "v=" not in as_public
        assert (await host.get(as_public)).status == 404
        assert (await host.get(ordered(host, media))).status == 200
        assert (await host.get(ordered(host, media, OTHER))).status == 404
        host.clock.ms = NOW + 60_000
        assert (await host.get(ordered(host, media))).status == 403


async def test_equal_options_are_one_entry_in_the_cache(tmp_path: Path) -> None:
    """A preset and options that say the same, of two objects with the same bytes."""
    async with open_host(tmp_path) as host:
        one, other = await host.stored(samples.jpeg()), await host.stored(samples.jpeg())
        replies = [
            await host.get(f"/m/{one.id}/small.png"),
            await host.get(ordered(host, other, width=320, height=320)),
        ]
        assert replies[0].body == replies[1].body
        assert host.jobs.count("render") == 1


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"width": 4096, "enlarge": True}, "too many pixels"),
        ({"frame": 1}, "no such frame"),
        (
            {"mode": media_pb2.VARIANT_CROP, "box": media_pb2.CropBox(left=500, width=1, height=1)},
            "outside",
        ),
    ],
)
async def test_options_that_do_not_fit_the_picture(
    tmp_path: Path, fields: dict[str, Any], words: str
) -> None:
    async with open_host(tmp_path) as host:
        media = await host.stored(samples.png(10, 10_000 if "enlarge" in fields else 10))
        reply = await host.get(ordered(host, media, **fields))
        assert (reply.status, reply.code) == (422, "IMAGE_REFUSED")
        assert words in reply.json["error"]["message"]
