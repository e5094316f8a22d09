"""`blobs`: beside a server that runs."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import httpx
import pytest
import trio

from realtime.testing.client import TestClient
from tests.contracts.cassandra import node, open_blobs
from tests.media import samples
from tests.real.process import ROOT, ServerProcess, server_process

pytestmark = pytest.mark.real

PHOTOGRAPH, OTHER = samples.jpeg(), samples.png()


async def blobs(data: Path, *arguments: str) -> tuple[int, list[Any], str]:
    """(exit code, the JSON lines, stderr)."""
    with trio.fail_after(60):
        done = await trio.run_process(
            [sys.executable, "-m", "realtime", "blobs", *arguments, "--data", str(data)],
            capture_stdout=True,
            capture_stderr=True,
            check=False,
            cwd=ROOT,
        )
    lines = [json.loads(line) for line in done.stdout.decode().splitlines()]
    return done.returncode, lines, done.stderr.decode()


async def upload(client: TestClient, data: bytes, purpose: int) -> str:
    """The id of the object."""
    ticket = await client.call("Media.CreateUpload", purpose=purpose, size=len(data))
    async with httpx.AsyncClient() as http:
        assert (await http.put(ticket.url, content=data)).status_code == 201
    return str(ticket.media_id)


async def download(client: TestClient, media_id: str) -> bytes:
    link = (await client.call("Media.LinkMedia", media_ids=[media_id])).links[0].url
    async with httpx.AsyncClient() as http:
        return (await http.get(link)).content


async def test_counting_verifying_and_collecting(tmp_path: Path) -> None:
    data = tmp_path / "data"
    async with server_process(data) as server:
        ann = await server.sign_up("ann")
        await upload(ann, PHOTOGRAPH, 1)
        await upload(ann, PHOTOGRAPH, 3)
        size = len(PHOTOGRAPH)
        assert await blobs(data, "stats") == (
            0,
            [
                {"purpose": "post", "objects": 1, "bytes": size},
                {"purpose": "chat", "objects": 1, "bytes": size},
                {"user_id": ann.user_id, "objects": 2, "bytes": 2 * size},
                {"blobs": 1, "bytes": size},
            ],
            "",
        )
        assert await blobs(data, "gc") == (0, [{"blobs": 0, "tickets": 0, "unused": 0}], "")
        assert await blobs(data, "verify") == (0, [{"blobs": 1, "mended": 0, "damaged": 0}], "")
        (stored,) = (data / "blobs" / "blobs").glob("*/*")
        stored.write_bytes(b"x" + stored.read_bytes()[1:])
        code, lines, _ = await blobs(data, "verify")
        assert (code, lines) == (
            1,
            [
                {"digest": stored.name, "damaged": True},
                {"blobs": 1, "mended": 0, "damaged": 1},
            ],
        )


async def test_moving_to_cassandra_while_a_server_runs(tmp_path: Path) -> None:
    data = tmp_path / "data"
    async with open_blobs() as empty:
        url = f"cassandra://{node()}/{empty.address.keyspace}"
        async with server_process(data) as server:
            ann = await server.sign_up("ann")
            before = await upload(ann, PHOTOGRAPH, 3)
            token = ann.token
            assert await server.stop(within=15) == 0
        async with server_process(data, "--blobs", url, "--old-blobs", "folder") as server:
            ann = await again(server, token)
            after = await upload(ann, OTHER, 3)
            assert await download(ann, before) == PHOTOGRAPH
            code, lines, _ = await blobs(data, "copy", "--from", "folder", "--to", url)
            assert (code, lines) == (
                0,
                [{"copied": 1, "bytes": len(PHOTOGRAPH), "there": 0, "gone": 0, "damaged": []}],
            )
            assert await server.stop(within=15) == 0
        async with server_process(data, "--blobs", url) as server:
            ann = await again(server, token)
            assert await download(ann, before) == PHOTOGRAPH
            assert await download(ann, after) == OTHER
            assert await blobs(data, "verify", "--blobs", url) == (
                0,
                [{"blobs": 2, "mended": 0, "damaged": 0}],
                "",
            )


async def again(server: ServerProcess, token: str) -> TestClient:
    client = server.client()
    client.token = token
    await client.connect()
    return client
