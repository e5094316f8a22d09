"""Bodies and answers as they are on the wire of the media host."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import structlog.testing
import trio

from store.blobs import CHUNK, LocalBlobs, MemoryBlobs
from store.errors import Corrupt
from tests.media import samples
from tests.media.host import OWNER
from tests.media.sockets import JPEG, LARGE, SOON, get, put, read_all, read_answer, serving

pytestmark = pytest.mark.real


# Bodies.


async def test_a_body_that_stalls_is_answered_and_leaves_nothing(tmp_path: Path) -> None:
    async with serving(tmp_path, stall_seconds=0.2) as serve:
        media = await serve.host.reserve(LARGE)
        answer = await serve.exchange(put(serve.host.ticket(media), LARGE[:200_000], len(LARGE)))
        assert answer.startswith(b"HTTP/1.1 408 ")
        blobs = serve.host.blobs
        assert isinstance(blobs, MemoryBlobs)
        assert blobs.staged == 0
        await serve.none_left()


async def test_a_stalled_body_does_not_keep_the_server_from_ending(tmp_path: Path) -> None:
    async with serving(tmp_path, stall_seconds=3600.0) as serve, await serve.connect() as stream:
        media = await serve.host.reserve(LARGE)
        await stream.send_all(put(serve.host.ticket(media), LARGE[:200_000], len(LARGE)))
        await trio.sleep(0.05)
        serve.shutdown.set()
        with trio.fail_after(SOON):
            await serve.ended.wait()


async def test_a_client_that_leaves_in_the_middle_leaves_nothing(tmp_path: Path) -> None:
    async with serving(tmp_path) as serve:
        media = await serve.host.reserve(LARGE)
        async with await serve.connect() as stream:
            await stream.send_all(put(serve.host.ticket(media), LARGE[:500_000], len(LARGE)))
            with trio.fail_after(SOON):
                while not serve.host.progress:  # noqa: ASYNC110
                    await trio.sleep(0.002)
        await serve.none_left()
        blobs = serve.host.blobs
        assert isinstance(blobs, MemoryBlobs)
        assert blobs.staged == 0
        assert not (await serve.host.row(media.id)).stored
        await serve.is_alive()


@pytest.mark.parametrize("where", ["nowhere", "wrong type"])
async def test_a_refusal_is_heard_by_who_still_sends(tmp_path: Path, where: str) -> None:
    """And neither memory nor a task is held for the megabytes behind it."""
    data = samples.HTML + bytes(3_000_000)
    async with serving(tmp_path) as serve:
        media = await serve.host.reserve(data)
        path = "/u/nowhere" if where == "nowhere" else serve.host.ticket(media)
        async with await serve.connect() as stream, trio.open_nursery() as nursery:

            async def send() -> None:
                try:
                    await stream.send_all(put(path, data))
                except trio.BrokenResourceError:
                    pass

            nursery.start_soon(send)
            answer = await read_all(stream)
            status = 404 if where == "nowhere" else 415
            assert answer.startswith(f"HTTP/1.1 {status} ".encode())
            assert json.loads(answer.partition(b"\r\n\r\n")[2])["error"]["message"]
            nursery.cancel_scope.cancel()
        await serve.none_left()


async def test_an_upload_without_a_length(tmp_path: Path) -> None:
    async with serving(tmp_path) as serve:
        media = await serve.host.reserve(JPEG)
        head = get(serve.host.ticket(media), method="PUT", close=True, Transfer_Encoding="chunked")
        chunks = b"".join(
            b"%x\r\n%b\r\n" % (len(piece), piece)
            for piece in (JPEG[at : at + 700] for at in range(0, len(JPEG), 700))
        )
        answer = await serve.exchange(head + chunks + b"0\r\n\r\n")
        assert answer.startswith(b"HTTP/1.1 201 ")
        over = await serve.host.reserve(JPEG)
        head = head.replace(serve.host.ticket(media).encode(), serve.host.ticket(over).encode())
        answer = await serve.exchange(head + chunks + b"5\r\nextra\r\n0\r\n\r\n")
        assert answer.startswith(b"HTTP/1.1 413 ")


async def test_expect_continue(tmp_path: Path) -> None:
    async with serving(tmp_path) as serve, await serve.connect() as stream:
        media = await serve.host.reserve(JPEG)
        request = put(serve.host.ticket(media), JPEG, Expect="100-continue")
        head, _, body = request.partition(b"\r\n\r\n")
        await stream.send_all(head + b"\r\n\r\n")
        assert (await stream.receive_some()).startswith(b"HTTP/1.1 100 ")
        await stream.send_all(body)
        assert (await read_answer(stream))[0] == 201


# Answers as they are on the wire.


async def test_uploads_and_downloads_on_one_connection(tmp_path: Path) -> None:
    async with serving(tmp_path) as serve, await serve.connect() as stream:
        media = await serve.host.reserve(LARGE)
        sizes: list[int] = []

        async def ask(request: bytes) -> tuple[int, dict[str, str], bytes]:
            await stream.send_all(request)
            return await read_answer(stream)

        status, headers, _ = await ask(put(serve.host.ticket(media), LARGE))
        assert (status, headers["content-type"]) == (201, "application/json")
        link = serve.host.link(await serve.host.row(media.id), OWNER)
        status, headers, body = await ask(get(link))
        assert (status, body) == (200, LARGE)
        etag = headers["etag"]
        status, headers, body = await ask(get(link, Range=f"bytes={CHUNK - 5}-{CHUNK + 4}"))
        assert (status, body) == (206, LARGE[CHUNK - 5 : CHUNK + 5])
        status, headers, body = await ask(get(link, Range="bytes=0-9,-10"))
        assert (status, len(body)) == (206, int(headers["content-length"]))
        assert LARGE[:10] in body
        assert body.endswith(b"--\r\n")
        for status, headers, body in [
            await ask(get(link, If_None_Match=etag)),
            await ask(get(link, Range="bytes=99999999-")),
        ]:
            assert status in (304, 416)
            assert body == b""
            sizes.append(int(headers.get("content-length", -1)))
        assert sizes == [-1, 0]
        assert "server" not in headers

        # The length of what HEAD does not send, and the next answer follows at once.
        await stream.send_all(get(link, method="HEAD") + get("/m/x"))
        data = b""
        while data.count(b"\r\n\r\n") < 2:
            data += await stream.receive_some()
        head, _, rest = data.partition(b"\r\n\r\n")
        assert f"content-length: {len(LARGE)}".encode() in head.lower()
        assert rest.startswith(b"HTTP/1.1 404 ")


async def test_escaped_paths_are_no_paths_of_ours(tmp_path: Path) -> None:
    async with serving(tmp_path) as serve:
        media = await serve.host.stored(JPEG)
        for path in (
            f"/m/{media.id}/%6dedium.jpg",
            f"/%6d/{media.id}/medium.jpg",
            f"/m/{media.id}%2fmedium.jpg",
            f"/x/../m/{media.id}/medium.jpg",
            f"/m/{media.id}/medium.jpg%00",
        ):
            answer = await serve.exchange(get(path, close=True))
            assert answer.startswith(b"HTTP/1.1 404 "), path
        good = await serve.exchange(get(f"/m/{media.id}/medium.jpg", close=True))
        assert good.startswith(b"HTTP/1.1 200 ")


async def test_damage_found_in_the_middle_breaks_the_answer_off(tmp_path: Path) -> None:
    """Short by its Content-Length: no client takes it for the whole."""
    async with serving(tmp_path, blobs=LocalBlobs(tmp_path / "blobs")) as serve:
        media = await serve.host.stored(LARGE)
        name = media.blob_hash.hex()
        path = tmp_path / "blobs" / "blobs" / name[:2] / name
        with path.open("r+b") as file:
            file.seek(3 * CHUNK)
            file.write(b"damage")
        with structlog.testing.capture_logs() as logs:
            answer = await serve.exchange(get(serve.host.link(media, OWNER)))
        body = answer.partition(b"\r\n\r\n")[2]
        assert body == LARGE[: 3 * CHUNK]
        (entry,) = (entry for entry in logs if entry["log_level"] == "error")
        assert entry["event"] == "media answer broke off"
        assert _holds(entry["exc_info"], Corrupt)
        await serve.is_alive()
        await serve.none_left()


def _holds(error: BaseException, kind: type[BaseException]) -> bool:
    if isinstance(error, BaseExceptionGroup):
        return any(_holds(one, kind) for one in error.exceptions)
    return isinstance(error, kind)
