"""Uploads in parts, through the application: both protocols, and what cuts them off."""

from __future__ import annotations

import base64
import hashlib
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
import trio
from hypothesis import given, settings
from hypothesis import strategies as st

from media.errors import MediaError, OffsetConflict
from media.uploads.parts import PartUploads
from media.uploads.resumable import Upload
from media.urls import UploadUrl
from store.blobs import MemoryBlobs
from store.blobs.memory import MemoryBlob
from store.collect import BLOB_GRACE_MS, TICKET_GRACE_MS, collect
from store.errors import Corrupt, NotFound
from store.records import MediaRecord
from tests.media import samples
from tests.media.host import NOW, Host, Reply, open_host

JPEG = samples.jpeg()
HALF = len(JPEG) // 2
SHA1 = "sha1 " + base64.b64encode(hashlib.sha1(JPEG).digest()).decode()


async def tus(host: Host, method: str, path: str, data: bytes = b"", **headers: str) -> Reply:
    wanted = {"Tus_Resumable": "1.0.0", "Content_Type": "application/offset+octet-stream"}
    return await host.request(method, path, data, **(wanted | headers))


async def patch(host: Host, path: str, offset: int, data: bytes, **headers: str) -> Reply:
    return await tus(host, "PATCH", path, data, Upload_Offset=str(offset), **headers)


async def offset_of(host: Host, path: str) -> int:
    return int((await tus(host, "HEAD", path)).headers["upload-offset"])


async def test_tus_from_creation_to_the_object(tmp_path: Path) -> None:
    async with open_host(tmp_path) as host:
        media = await host.reserve(JPEG)
        made = await tus(host, "POST", host.ticket(media), Upload_Length=str(len(JPEG)))
        assert made.status == 201
        path = made.headers["location"]
        assert await offset_of(host, path) == 0
        first = await patch(host, path, 0, JPEG[:HALF])
        assert (first.status, first.headers["upload-offset"]) == (204, str(HALF))
        assert await offset_of(host, path) == HALF
        assert (await patch(host, path, HALF, JPEG[HALF:])).status == 204
        assert (await host.row(media.id)).blob_hash == hashlib.sha256(JPEG).digest()
        assert await offset_of(host, path) == len(JPEG)


async def test_tus_refusals(tmp_path: Path) -> None:
    async with open_host(tmp_path) as host:
        media = await host.reserve(JPEG)
        path = host.ticket(media)
        old = host.ticket(media, expires_ms=NOW)
        assert (await tus(host, "HEAD", path, Tus_Resumable="0.2.2")).status == 412
        assert (await tus(host, "POST", path, Upload_Length=str(len(JPEG) + 1))).status == 413
        assert (await tus(host, "POST", path, Upload_Length="-1")).status == 400
        assert (await patch(host, path, 1, JPEG)).status == 409
        assert (await patch(host, path, 0, JPEG + b"x")).status == 413
        assert (await patch(host, path, 0, JPEG, Content_Type="text/plain")).status == 415
        assert (await patch(host, path, 0, JPEG[:-1], Upload_Checksum=SHA1)).status == 460
        assert (await patch(host, path, 0, JPEG, Upload_Checksum="md5 AAAA")).status == 400
        assert (await patch(host, path.replace("&s=", "&s=A"), 0, JPEG)).status == 403
        assert (await patch(host, old, 0, JPEG)).status == 410
        assert await offset_of(host, path) == 0
        assert (await patch(host, path, 0, JPEG, Upload_Checksum=SHA1)).status == 204
        assert (await tus(host, "DELETE", path)).status == 409


async def test_a_terminated_upload_is_gone(tmp_path: Path) -> None:
    async with open_host(tmp_path) as host:
        media = await host.reserve(JPEG)
        await patch(host, host.ticket(media), 0, JPEG[:HALF])
        assert (await tus(host, "DELETE", host.ticket(media))).status == 204
        assert (await tus(host, "HEAD", host.ticket(media))).status == 404


async def test_what_is_no_image_ends_the_ticket(tmp_path: Path) -> None:
    """An offset that was told is not taken back: there is no upload any more."""
    async with open_host(tmp_path) as host:
        broken = JPEG[:HALF]
        media = await host.reserve(broken)
        await patch(host, host.ticket(media), 0, broken[:100])
        assert (await patch(host, host.ticket(media), 100, broken[100:])).status == 422
        assert (await tus(host, "HEAD", host.ticket(media))).status == 404
        assert (await host.put(host.ticket(media), broken)).status == 404


@pytest.mark.parametrize("damage", ["gone", "other bytes"])
async def test_parts_that_are_damaged_end_the_ticket(tmp_path: Path, damage: str) -> None:
    class Damaged(MemoryBlobs):
        @asynccontextmanager
        async def open(self, digest: bytes) -> AsyncIterator[MemoryBlob]:
            raise NotFound("gone") if damage == "gone" else Corrupt("damaged")
            yield  # type: ignore[unreachable]

    async with open_host(tmp_path, blobs=Damaged()) as host:
        media = await host.reserve(JPEG)
        await patch(host, host.ticket(media), 0, JPEG[:HALF])
        assert (await patch(host, host.ticket(media), HALF, JPEG[HALF:])).status == 410
        assert (await tus(host, "HEAD", host.ticket(media))).status == 404


# What cuts an upload off. Requests are made of the parts' own calls: a client that leaves is a
# cancelled one.


def parts(host: Host, kind: type[PartUploads] = PartUploads) -> PartUploads:
    return kind(
        host.settings,
        host.store,
        host.batcher,
        host.blobs,
        host.uploads,
        host.metrics,
    )


class Dropped:
    """A body that ends in the middle: the client has gone."""

    def __init__(self, data: bytes, gone: trio.CancelScope | None = None) -> None:
        self._pieces = [data]
        self._gone = gone

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self

    async def __anext__(self) -> bytes:
        if self._pieces:
            return self._pieces.pop()
        if self._gone is None:
            raise StopAsyncIteration
        self._gone.cancel()
        await trio.sleep_forever()
        raise AssertionError


def ticket_of(media: MediaRecord) -> UploadUrl:
    return UploadUrl(media.id, media.size, NOW + 1000)


async def test_what_came_before_each_of_three_disconnections_is_kept(tmp_path: Path) -> None:
    async with open_host(tmp_path) as host:
        media = await host.reserve(JPEG)
        step = len(JPEG) // 4
        for at in (0, step, 2 * step):
            with trio.CancelScope() as scope:
                body = Dropped(JPEG[at : at + step], scope)
                await parts(host).append(ticket_of(media), at, body, None, NOW)
            assert scope.cancelled_caught
            _, upload = await parts(host).look(ticket_of(media))  # as another node sees it
            assert upload.offset == at + step
        at = 3 * step
        stored, _ = await parts(host).append(ticket_of(media), at, Dropped(JPEG[at:]), None, NOW)
        assert stored.blob_hash == hashlib.sha256(JPEG).digest()


async def test_a_request_that_is_cut_off_and_was_overtaken_ends_as_cut_off(tmp_path: Path) -> None:
    async with open_host(tmp_path) as host:
        media = await host.reserve(JPEG)

        class Overtaken(Dropped):
            async def __anext__(self) -> bytes:
                if not self._pieces:
                    other = Dropped(JPEG[:HALF])
                    await parts(host).append(ticket_of(media), 0, other, None, NOW)
                return await super().__anext__()

        with trio.CancelScope() as scope:
            await parts(host).append(ticket_of(media), 0, Overtaken(JPEG[:9], scope), None, NOW)
        assert scope.cancelled_caught
        _, upload = await parts(host).look(ticket_of(media))
        assert upload.offset == HALF


async def test_of_two_requests_at_one_offset_one_is_kept(tmp_path: Path) -> None:
    async with open_host(tmp_path) as host:
        media = await host.reserve(JPEG)
        ends: list[str] = []

        async def one(data: bytes) -> None:
            try:
                await parts(host).append(ticket_of(media), 0, Dropped(data), None, NOW)
                ends.append("kept")
            except OffsetConflict:
                ends.append("refused")

        async with trio.open_nursery() as nursery:
            nursery.start_soon(one, JPEG[:HALF])
            nursery.start_soon(one, JPEG[: HALF - 1])
        assert sorted(ends) == ["kept", "refused"]


class Counting(MemoryBlobs):
    """Counts how often each blob is read."""

    def __init__(self) -> None:
        super().__init__()
        self.read: Counter[bytes] = Counter()

    @asynccontextmanager
    async def open(self, digest: bytes) -> AsyncIterator[MemoryBlob]:
        self.read[digest] += 1
        async with super().open(digest) as blob:
            yield blob


async def test_many_parts_are_read_once_to_make_the_object(tmp_path: Path) -> None:
    blobs = Counting()
    pieces = [JPEG[at : at + 99] for at in range(0, len(JPEG), 99)]
    async with open_host(tmp_path, blobs=blobs) as host:
        media = await host.reserve(JPEG)
        for number, piece in enumerate(pieces):
            await patch(host, host.ticket(media), number * 99, piece)
        assert (await host.row(media.id)).blob_hash == hashlib.sha256(JPEG).digest()
    wanted = Counter(hashlib.sha256(piece).digest() for piece in pieces)
    assert len(pieces) > 20
    assert blobs.read == wanted  # and the object itself not at all


async def test_parts_are_kept_as_long_as_their_ticket(tmp_path: Path) -> None:
    async with open_host(tmp_path) as host:
        media = await host.reserve(JPEG)
        await patch(host, host.ticket(media), 0, JPEG[:HALF])
        blobs = host.blobs
        await collect(host.store, blobs, NOW)
        assert await host.holds(JPEG[:HALF])
        late = 4 * 10**12  # both clocks are behind it
        assert late > NOW + TICKET_GRACE_MS + BLOB_GRACE_MS
        await collect(host.store, blobs, late)  # its ticket
        await collect(host.store, blobs, late)  # what nothing refers to now
        assert not await host.holds(JPEG[:HALF])


@given(
    st.integers(0, 1000),
    st.lists(st.tuples(st.integers(0, 1000), st.integers(0, 400), st.integers(0, 2000))),
)
def test_an_offset_only_grows_and_only_by_what_was_sent_at_it(
    length: int, requests: list[tuple[int, int, int]]
) -> None:
    upload = Upload(length, 0, 1000)
    for offset, size, now_ms in requests:
        before = upload
        try:
            upload.begin(offset, size, now_ms)
            upload = upload.received(size)
        except MediaError:
            assert upload is before
            assert offset != upload.offset or size > upload.left or now_ms >= 1000
        else:
            assert offset == before.offset
            assert upload.offset == offset + size <= length
    assert upload.finished == (upload.offset == length)


# Everything at once: whatever is asked in whatever order, the host and the model agree.

STEPS = st.tuples(
    st.sampled_from(["tus", "draft", "cut", "wrong", "look", "checksum", "another server"]),
    st.integers(1, len(JPEG) // 2),
)


@settings(max_examples=30)
@given(st.lists(STEPS, max_size=8))
def test_any_order_of_requests_gives_the_bytes_that_were_sent(steps: list[tuple[str, int]]) -> None:
    with TemporaryDirectory() as folder:
        trio.run(play, Path(folder), steps)


async def play(folder: Path, steps: list[tuple[str, int]]) -> None:
    async with open_host(folder) as host:
        media = await host.reserve(JPEG)
        offset = 0
        for step, size in steps:
            if offset == len(JPEG):
                break
            offset = await one(host, media, step, offset, JPEG[offset : offset + size])
            assert await offset_of(host, host.ticket(media)) == offset
        if offset < len(JPEG):
            await one(host, media, "tus", offset, JPEG[offset:])
        assert (await host.row(media.id)).blob_hash == hashlib.sha256(JPEG).digest()


async def one(host: Host, media: MediaRecord, step: str, offset: int, data: bytes) -> int:
    """The offset afterwards, by the model."""
    path, after = host.ticket(media), offset + len(data)
    if step == "tus":
        assert (await patch(host, path, offset, data)).status == 204
    elif step == "draft":
        fields = {
            "Upload_Complete": f"?{int(after == len(JPEG))}",
            "Upload_Offset": str(offset),
            "Content_Type": "application/partial-upload",
        }
        assert (await host.request("PATCH", path, data, **fields)).status == 201
    elif step == "cut":
        with trio.CancelScope() as scope:
            await parts(host).append(ticket_of(media), offset, Dropped(data, scope), None, NOW)
        assert scope.cancelled_caught
    elif step == "another server":
        await parts(host).append(ticket_of(media), offset, Dropped(data), None, NOW)
    elif step == "wrong":
        refused = await patch(host, path, after, data)
        assert (refused.status, refused.headers["upload-offset"]) == (409, str(offset))
        return offset
    elif step == "checksum":
        assert (await patch(host, path, offset, data, Upload_Checksum=SHA1)).status in (204, 460)
        return after if data == JPEG else offset
    else:
        head = await host.request("HEAD", path)
        assert head.headers["upload-offset"] == str(offset)
        return offset
    return after


def test_an_offset_lies_within_the_upload() -> None:
    with pytest.raises(ValueError, match="outside"):
        Upload(1, 2, 0)
