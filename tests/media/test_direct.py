"""The direct way to a client beside hypercorn's, through the server's real sockets."""

from __future__ import annotations

import re
import socket
import struct
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import structlog.testing
import trio

from media.serving.direct import rest_of
from media.workers.pools import Lane
from media.workers.slots import Priority
from rpc.proto import media_pb2
from store.blobs import Blob, MemoryBlobs
from store.errors import Corrupt
from store.records import Purpose
from tests.media import samples
from tests.media.host import BASE, OWNER
from tests.media.sockets import SOON, WAYS, Serving, get, read_all, read_answer, serving

pytestmark = pytest.mark.real

ANY = re.compile(rb"(date: |boundary=|--)[^\r]*")  # what differs from one answer to the next


async def both_ways(serve: Serving, method: str, path: str, **headers: str) -> list[bytes]:
    """The answer, to its last byte, to a plain request and to one that is not plain, although
    nobody heeds what makes it so."""
    answers = []
    for more in WAYS:
        sent = get(path, close=True, method=method, **headers, **more)
        answers.append(ANY.sub(rb"\1", await serve.exchange(sent)))
    return answers


async def test_both_ways_answer_the_same_to_the_byte(tmp_path: Path) -> None:
    async with serving(tmp_path) as serve:
        host = serve.host
        public = await host.stored(samples.noise(500, 400))
        private = await host.stored(samples.turned(6), Purpose.CHAT)
        small = f"/m/{public.id}/small.jpg"
        etag = (await host.get(small)).headers["etag"]
        ordered = media_pb2.Variant(mode=media_pb2.VARIANT_FIT, width=90, blur=2, format="webp")
        made = host.signer.variant_url(public, ordered, OWNER, 0).removeprefix(BASE)
        for path, headers in (
            (small, {}),
            (small, {"Range": "bytes=0-9"}),
            (small, {"Range": "bytes=0-9,20-29,-5"}),
            (small, {"Range": "bytes=999999-"}),
            (small, {"Range": "bytes=0-9", "If_Range": etag}),
            (small, {"Range": "bytes=0-9", "If_Range": '"x"'}),
            (small, {"If_None_Match": etag}),
            (small, {"If_None_Match": "*"}),
            (f"/m/{public.id}/small", {"Accept": "image/webp"}),
            (f"/m/{public.id}/small", {}),
            (host.link(public, OWNER), {}),
            (host.link(public, OWNER), {"Range": "bytes=262000-262300"}),
            (host.link(private, OWNER, "small"), {}),
            (host.link(private, OWNER, "small")[:-1], {}),
            (made, {}),
            (made.replace("w-90", "w-91"), {}),
            (f"/m/{private.id}/small.jpg", {}),
            (f"/m/{public.id}/original", {}),
            ("/m/", {}),
            ("/m/nothing?", {}),
        ):
            for method in ("GET", "HEAD"):
                one, other = await both_ways(serve, method, path, **headers)
                assert one == other, (method, path, headers)
        counted = host.figure("sunwire_media_answers_total", kind="serve", status="206")
        assert counted > 0


async def test_peers_that_are_gone_before_they_are_accepted_harm_nobody(tmp_path: Path) -> None:
    async with serving(tmp_path) as serve:
        media = await serve.host.stored(samples.jpeg())
        for _ in range(10):  # without a checkpoint: nobody accepts meanwhile
            with socket.create_connection(("127.0.0.1", serve.port)) as peer:
                peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        for more in WAYS:
            answer = await serve.exchange(get(f"/m/{media.id}/thumb.jpg", close=True, **more))
            assert answer.startswith(b"HTTP/1.1 200 ")


async def test_requests_that_come_together_are_answered_in_order(tmp_path: Path) -> None:
    async with serving(tmp_path) as serve:
        media = await serve.host.stored(samples.jpeg())
        paths = [f"/m/{media.id}/{name}.jpg" for name in ("thumb", "small", "huge", "medium")]
        alone = [await serve.exchange(get(path, close=True)) for path in paths]
        data = b"".join(get(path) for path in paths[:-1]) + get(paths[-1], close=True)
        together = await serve.exchange(data)
        assert ANY.sub(rb"\1", together) == b"".join(
            ANY.sub(rb"\1", one) if at == len(paths) - 1 else open_ended(one)
            for at, one in enumerate(alone)
        )


def open_ended(answer: bytes) -> bytes:
    return ANY.sub(rb"\1", answer).replace(b"Connection: close\r\n", b"", 1)


async def test_a_connection_may_go_over_to_the_other_way(tmp_path: Path) -> None:
    async with serving(tmp_path) as serve, await serve.connect() as stream:
        media = await serve.host.stored(samples.jpeg())
        path = f"/m/{media.id}/small.jpg"
        ways: list[dict[str, str]] = [{}, {}, {"Upgrade": "x"}, {}]
        for more in ways:
            await stream.send_all(get(path, close=False, **more))
            assert (await read_answer(stream))[0] == 200
        await stream.send_all(get("/m/nothing") + get("/elsewhere") + get("/m/x", close=True))
        assert (await read_all(stream)).count(b"HTTP/1.1 404 ") == 3


async def test_a_head_that_comes_byte_by_byte(tmp_path: Path) -> None:
    async with serving(tmp_path) as serve, await serve.connect() as stream:
        for byte in get("/m/nothing"):
            await stream.send_all(bytes([byte]))
            await trio.lowlevel.checkpoint()
        assert (await read_answer(stream))[0] == 404


async def test_lines_that_end_in_newlines_alone_are_not_awaited(tmp_path: Path) -> None:
    async with serving(tmp_path, header_seconds=3600.0) as serve:
        answer = await serve.exchange(b"GET /m/x HTTP/1.1\nHost: x\nConnection: close\n\n")
        assert answer.startswith(b"HTTP/1.1 404 ")


async def until(serve: Serving, waiting: int) -> None:
    """So many jobs wait for an encoder."""
    with trio.fail_after(SOON):
        while serve.host.figure("sunwire_media_jobs_waiting", lane="encode") != waiting:  # noqa: ASYNC110
            await trio.sleep(0.002)


async def test_what_nobody_waits_for_any_more_is_not_done(tmp_path: Path) -> None:
    async with serving(tmp_path, encodes=Lane("encode")) as serve:
        media = await serve.host.stored(samples.jpeg())
        async with serve.host.workers.encodes.slot(Priority.VIEWER):
            async with await serve.connect() as stream:
                await stream.send_all(get(f"/m/{media.id}/small.jpg"))
                await until(serve, 1)
            await until(serve, 0)
            await serve.none_left()
        assert serve.host.jobs.count("render") == 0


class Rotten(MemoryBlobs):
    """Hands out one chunk of a blob, and then finds damage."""

    @asynccontextmanager
    async def open(self, digest: bytes) -> AsyncIterator[Any]:
        async with super().open(digest) as blob:
            yield RottenBlob(blob)


class RottenBlob:
    def __init__(self, inner: Blob) -> None:
        self._inner = inner
        self.info = inner.info

    async def chunks(self, start: int = 0, stop: int | None = None) -> AsyncGenerator[bytes, None]:
        async with aclosing(self._inner.chunks(start, stop)) as chunks:
            async for chunk in chunks:
                yield chunk
                raise Corrupt("a damaged chunk")


async def test_damage_in_the_middle_ends_the_connection_before_the_end(tmp_path: Path) -> None:
    async with serving(tmp_path, blobs=Rotten()) as serve:
        media = await serve.host.stored(samples.noise(800, 600))
        with structlog.testing.capture_logs() as logs:
            answer = await serve.exchange(get(serve.host.link(media, OWNER)))
        assert answer.startswith(b"HTTP/1.1 200 ")
        assert len(answer) < media.size
        assert [entry["event"] for entry in logs] == ["media answer broke off"]
        await serve.is_alive()


@pytest.mark.parametrize("way", WAYS, ids=["direct", "hypercorn"])
async def test_what_was_written_is_counted(tmp_path: Path, way: dict[str, str]) -> None:
    async with serving(tmp_path) as serve:
        media = await serve.host.stored(samples.noise(800, 600))
        read = 0
        for path in (serve.host.link(media, OWNER), "/m/nothing"):
            read += len(await serve.exchange(get(path, close=True, **way)))
        assert read > media.size
        assert serve.host.figure("sunwire_media_sent_bytes_total") == read


def test_what_is_left_of_pieces() -> None:
    pieces: list[bytes | memoryview] = [b"abc", memoryview(b"de"), b"", b"f"]
    for sent in range(7):
        assert b"".join(rest_of(pieces, sent)) == b"abcdef"[sent:]
