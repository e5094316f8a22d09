"""PUTs, through the application: what is taken, what is refused, and that nothing is left."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import trio
import trio.testing

from media.errors import BadRequest, Busy, Stalled, TooLarge
from media.urls import UploadUrl
from media.workers.pools import Lane
from store.blobs import MemoryBlobs
from store.errors import Unavailable
from store.records import Purpose
from tests.media import samples
from tests.media.host import NOW, OTHER, OWNER, Host, open_host

JPEG = samples.jpeg()


def digest(data: bytes) -> bytes:
    return hashlib.sha256(data).digest()


async def refused(host: Host, path: str, data: bytes, **headers: str) -> tuple[int, str]:
    """The refusal of a PUT, after which nothing is left of it."""
    reply = await host.put(path, data, **headers)
    assert reply.headers["content-type"] == "application/json"
    assert reply.headers["cache-control"] == "no-store"
    assert not await host.holds(data)
    assert isinstance(host.blobs, MemoryBlobs)
    assert host.blobs.staged == 0
    assert host.figure("sunwire_media_uploads_open") == 0
    return reply.status, reply.code


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "GIF", "AVIF"])
@pytest.mark.parametrize("purpose", list(Purpose))
async def test_an_upload_is_stored_described_and_answered(
    tmp_path: Path, kind: str, purpose: Purpose
) -> None:
    data = samples.encoded(kind)
    async with open_host(tmp_path) as host:
        media = await host.reserve(data, purpose)
        reply = await host.put(host.ticket(media), data)
        assert reply.status == 201
        assert reply.json["id"] == media.id
        assert (reply.json["width"], reply.json["height"]) == (400, 300)
        assert reply.json["mime"] == f"image/{kind.lower()}"
        assert reply.json.get("url", "") == (
            f"/m/{media.id}/medium.jpg" if purpose.is_public else ""
        )
        row = await host.row(media.id)
        assert (row.stored, row.blob_hash, row.size) == (True, digest(data), len(data))
        assert await host.holds(data)
        assert host.progress == [(OWNER, media.id, len(data), len(data))]
        assert host.figure("sunwire_media_uploaded_bytes_total") == len(data)


async def test_progress_is_told_on_the_way(tmp_path: Path) -> None:
    data = samples.noise(500, 500)
    async with open_host(tmp_path) as host:
        media = await host.reserve(data)

        async def body() -> AsyncIterator[bytes]:
            for at in range(0, len(data), 65536):
                yield data[at : at + 65536]

        await host.uploads.receive(UploadUrl(media.id, len(data)), _Body(body()), None)
        steps = [received for _, _, received, _ in host.progress]
        assert steps == sorted(set(steps))
        assert len(steps) >= 3
        assert steps[-1] == len(data)


class Once:
    """A body in one piece. No generator: who refuses it leaves it unfinished."""

    def __init__(self, data: bytes) -> None:
        self._pieces = [data]

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self

    async def __anext__(self) -> bytes:
        if not self._pieces:
            raise StopAsyncIteration
        return self._pieces.pop()


class _Body:
    def __init__(self, pieces: AsyncIterator[bytes]) -> None:
        self._pieces = pieces

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self._pieces


async def test_the_same_put_again_is_answered_the_same(tmp_path: Path) -> None:
    async with open_host(tmp_path) as host:
        media = await host.reserve(JPEG)
        first = await host.put(host.ticket(media), JPEG)
        again = await host.put(host.ticket(media), JPEG)
        assert (again.status, again.body) == (first.status, first.body) == (201, first.body)
        assert host.jobs == ["inspect"]


async def test_many_puts_of_one_ticket_at_once_are_answered_the_same(tmp_path: Path) -> None:
    async with open_host(tmp_path, decodes=Lane("decode", workers=4)) as host:
        media = await host.reserve(JPEG)
        bodies = set()

        async def one() -> None:
            reply = await host.put(host.ticket(media), JPEG)
            bodies.add((reply.status, reply.body))

        async with trio.open_nursery() as nursery:
            for _ in range(4):
                nursery.start_soon(one)
        assert [status for status, _ in bodies] == [201]


async def test_other_bytes_under_a_used_ticket_are_a_conflict(tmp_path: Path) -> None:
    other = bytearray(JPEG)
    other[-30] ^= 1
    async with open_host(tmp_path) as host:
        media = await host.reserve(JPEG)
        await host.put(host.ticket(media), JPEG)
        assert await refused(host, host.ticket(media), bytes(other)) == (409, "CONFLICT")
        assert (await host.row(media.id)).blob_hash == digest(JPEG)


async def test_equal_photographs_of_two_users_are_one_blob(tmp_path: Path) -> None:
    async with open_host(tmp_path) as host:
        mine = await host.stored(JPEG)
        theirs = await host.reserve(JPEG, owner_id=OTHER)
        assert (await host.put(host.ticket(theirs), JPEG)).status == 201
        assert (await host.row(theirs.id)).blob_hash == mine.blob_hash


@pytest.mark.parametrize("change", [-1, 1])
async def test_more_or_fewer_bytes_than_announced(tmp_path: Path, change: int) -> None:
    data = JPEG + b"x" if change > 0 else JPEG[:-1]
    async with open_host(tmp_path) as host:
        media = await host.reserve(JPEG)
        wanted = (413, "TOO_LARGE") if change > 0 else (400, "INVALID_ARGUMENT")
        assert await refused(host, host.ticket(media), data) == wanted
        with pytest.raises(TooLarge if change > 0 else BadRequest):  # without a Content-Length
            await host.uploads.receive(UploadUrl(media.id, len(JPEG)), Once(data), None)
        assert not (await host.row(media.id)).stored
        assert (await host.put(host.ticket(media), JPEG)).status == 201


async def test_the_announced_digest_counts(tmp_path: Path) -> None:
    async with open_host(tmp_path) as host:
        media = await host.reserve(JPEG, sha256=b"\1" * 32)
        assert await refused(host, host.ticket(media), JPEG) == (400, "INVALID_ARGUMENT")
        right = await host.reserve(JPEG, sha256=digest(JPEG))
        assert (await host.put(host.ticket(right), JPEG)).status == 201


@pytest.mark.parametrize(
    ("name", "data", "wanted"),
    [
        ("svg", samples.SVG, (415, "WRONG_TYPE")),
        ("html", samples.HTML, (415, "WRONG_TYPE")),
        ("text", b"x" * 5000, (415, "WRONG_TYPE")),
        ("one byte", b"x", (415, "WRONG_TYPE")),
        ("bomb", samples.bomb(), (422, "IMAGE_REFUSED")),
        ("huge header", samples.png_claiming(65_000, 65_000), (422, "IMAGE_REFUSED")),
        ("truncated jpeg", JPEG[: len(JPEG) // 2], (422, "IMAGE_REFUSED")),
        ("truncated png", samples.noise(50, 50)[:4000], (422, "IMAGE_REFUSED")),
        ("truncated webp", samples.noise(50, 50, "WEBP")[:2000], (422, "IMAGE_REFUSED")),
        ("magic bytes alone", b"\xff\xd8\xff" + samples.HTML * 9, (422, "IMAGE_REFUSED")),
    ],
)
async def test_hostile_files_are_refused_and_leave_nothing(
    tmp_path: Path, name: str, data: bytes, wanted: tuple[int, str]
) -> None:
    async with open_host(tmp_path) as host:
        media = await host.reserve(data, name="photo.jpg")
        assert await refused(host, host.ticket(media), data) == wanted
        assert not (await host.row(media.id)).stored
        assert host.figure("sunwire_media_refusals_total", code=wanted[1]) == 1


async def test_a_file_that_lies_about_its_type_is_what_it_is(tmp_path: Path) -> None:
    """A GIF called jpg is a GIF: neither its name nor its announced type is believed."""
    data = samples.animation("GIF")
    async with open_host(tmp_path) as host:
        media = await host.reserve(data, name="photo.jpg")
        reply = await host.put(host.ticket(media), data, Content_Type="image/jpeg")
        assert reply.json["mime"] == "image/gif"


async def test_what_is_refused_by_its_first_bytes_is_not_read_to_the_end(tmp_path: Path) -> None:
    async with open_host(tmp_path) as host:
        data = samples.HTML * 10_000
        media = await host.reserve(data)
        assert await refused(host, host.ticket(media), data) == (415, "WRONG_TYPE")
        assert host.progress == []


async def test_tickets(tmp_path: Path) -> None:
    async with open_host(tmp_path) as host:
        media = await host.reserve(JPEG)
        good = host.ticket(media)
        denied = (403, "PERMISSION_DENIED")
        assert await refused(host, good.replace("&s=", "&s=A"), JPEG) == denied
        assert await refused(host, good.partition("?")[0], JPEG) == denied
        assert await refused(host, host.ticket(media, size=len(JPEG) + 1), JPEG) == denied
        assert await refused(host, host.ticket(media, expires_ms=NOW), JPEG) == denied
        assert await refused(host, good.replace("/u/", "/u/../u/"), JPEG) == (404, "NOT_FOUND")
        unknown = host.signer.upload_url("f" * 32, len(JPEG), NOW + 9).partition(".test")[2]
        assert await refused(host, unknown, JPEG) == (404, "NOT_FOUND")
        assert (await host.put(good, JPEG)).status == 201


async def test_the_hosts_own_limit_stands_above_any_ticket(tmp_path: Path) -> None:
    async with open_host(tmp_path, max_upload_bytes=1000) as host:
        media = await host.reserve(JPEG)
        assert await refused(host, host.ticket(media), JPEG) == (413, "TOO_LARGE")


async def test_a_ticket_is_not_to_be_read(tmp_path: Path) -> None:
    async with open_host(tmp_path) as host:
        media = await host.reserve(JPEG)
        reply = await host.request("GET", host.ticket(media))
        assert reply.status == 405
        assert reply.headers["allow"] == "DELETE, HEAD, OPTIONS, PATCH, POST, PUT"


async def test_a_full_disk_is_a_passing_fault(tmp_path: Path) -> None:
    class Full(MemoryBlobs):
        full = True

        def stage(self):  # type: ignore[no-untyped-def]
            if self.full:
                raise Unavailable("no space left on device")
            return super().stage()

    blobs = Full()
    async with open_host(tmp_path, blobs=blobs) as host:
        media = await host.reserve(JPEG)
        reply = await host.put(host.ticket(media), JPEG)
        assert (reply.status, reply.code) == (503, "OVERLOADED")
        assert int(reply.headers["retry-after"]) > 0
        blobs.full = False
        assert (await host.put(host.ticket(media), JPEG)).status == 201


# Time. A body that comes in pieces, on a clock that jumps.


async def test_a_body_that_stalls_is_given_up(
    tmp_path: Path, autojump_clock: trio.testing.MockClock
) -> None:
    async with open_host(tmp_path, stall_seconds=20.0) as host:
        media = await host.reserve(JPEG)

        async def body() -> AsyncIterator[bytes]:
            yield JPEG[:100]
            await trio.sleep(19)
            yield JPEG[100:200]
            await trio.sleep(21)
            yield JPEG[200:]

        started = trio.current_time()
        with pytest.raises(Stalled):
            await host.uploads.receive(UploadUrl(media.id, len(JPEG)), _Body(body()), None)
        assert trio.current_time() - started == pytest.approx(39)
        assert isinstance(host.blobs, MemoryBlobs)
        assert host.blobs.staged == 0
        assert host.figure("sunwire_media_refusals_total", code="DEADLINE_EXCEEDED") == 1


async def test_a_body_that_trickles_is_given_up(
    tmp_path: Path, autojump_clock: trio.testing.MockClock
) -> None:
    async with open_host(tmp_path, upload_seconds=300.0) as host:
        media = await host.reserve(JPEG)

        async def body() -> AsyncIterator[bytes]:
            for at in range(len(JPEG)):
                yield JPEG[at : at + 1]
                await trio.sleep(5)

        started = trio.current_time()
        with pytest.raises(Stalled):
            await host.uploads.receive(UploadUrl(media.id, len(JPEG)), _Body(body()), None)
        assert trio.current_time() - started == pytest.approx(300)


async def test_too_many_uploads_at_once_are_told_to_come_back(tmp_path: Path) -> None:
    async with open_host(tmp_path, max_uploads=1) as host, trio.open_nursery() as nursery:
        media = await host.reserve(JPEG)
        ticket = UploadUrl(media.id, len(JPEG))
        reading = trio.Event()

        async def body() -> AsyncIterator[bytes]:
            yield JPEG[:10]
            reading.set()
            await trio.sleep_forever()

        nursery.start_soon(host.uploads.receive, ticket, _Body(body()), None)
        await reading.wait()
        with pytest.raises(Busy):
            await host.uploads.receive(ticket, _Body(body()), None)
        nursery.cancel_scope.cancel()
    assert host.figure("sunwire_media_uploads_open") == 0
