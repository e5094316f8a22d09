"""What is left of uploads that a kill -9 cut short, and that it goes away."""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import trio

from store.blobs import LocalBlobs, put
from store.collect import BLOB_GRACE_MS
from tests.media import samples
from tests.media.sockets import LARGE, get
from tests.media.sockets import put as put_request
from tests.real.process import server_process
from tests.real.witness import CHAT, sign_up

pytestmark = pytest.mark.real

ORPHAN = b"bytes whose object was never stored"


async def whole(data: bytes) -> AsyncIterator[bytes]:
    yield data


def files(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]


async def test_a_kill_in_the_middle_of_an_upload_leaves_nothing(tmp_path: Path) -> None:
    staging = tmp_path / "blobs" / "staging"
    async with server_process(tmp_path) as server:
        ann = await sign_up(server)
        media_id, ticket = await ann.ticket(len(LARGE), CHAT)
        async with await trio.open_tcp_stream("127.0.0.1", server.media_port) as stream:
            await stream.send_all(put_request(ticket, LARGE[:3_000_000], len(LARGE)))
            with trio.fail_after(10):
                while not any(path.stat().st_size for path in files(staging)):  # noqa: ASYNC110
                    await trio.sleep(0.01)
            await server.kill()
        assert len(files(staging)) == 1
        await server.start()
        assert files(staging) == []
        # The ticket is as good as before, and the upload whole or not there.
        await ann.client.reconnect()
        answer = await ann.http(put_request(ticket, LARGE, Connection="close"))
        assert answer.startswith(b"HTTP/1.1 201 "), answer
        shown = await ann.http(get(await ann.original(media_id), close=True))
        assert shown.partition(b"\r\n\r\n")[2] == LARGE


async def test_blobs_without_an_object_are_collected_at_the_start(tmp_path: Path) -> None:
    """As a kill between the two commits of an upload leaves one."""
    kept = samples.png()
    async with server_process(tmp_path) as server:
        ann = await sign_up(server)
        await ann.upload(kept)
        await server.kill()

        old_ms = time.time_ns() // 1_000_000 - BLOB_GRACE_MS - 60_000
        blobs = LocalBlobs(tmp_path / "blobs", now_ms=lambda: old_ms)
        orphan = await put(blobs, whole(ORPHAN))
        young = LocalBlobs(tmp_path / "blobs")
        in_flight = await put(young, whole(b"put a moment ago"))
        for path in files(tmp_path / "blobs" / "blobs"):
            if path.name != in_flight.digest.hex():
                os.utime(path, (old_ms / 1000, old_ms / 1000))
        before = {path.name for path in files(tmp_path / "blobs" / "blobs")}

        await server.start()
        assert (await server.wait_line("collected"))["blobs"] == 1
        after = {path.name for path in files(tmp_path / "blobs" / "blobs")}
        assert before - after == {orphan.digest.hex()}
        assert hashlib.sha256(kept).hexdigest() in after
        assert (await ann.http(get(ann.photograph, close=True))).startswith(b"HTTP/1.1 200 ")
